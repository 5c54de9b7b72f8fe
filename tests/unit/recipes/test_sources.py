"""Where Debian comes from is taken from apt's own configuration, in both of its styles."""

from __future__ import annotations

from pathlib import Path

import pytest

from pier.errors import Corrupt, NotFound
from pier.recipes.debian.sources import (
    Archive,
    Source,
    archives,
    parse_deb822,
    parse_list,
    read_sources,
    render_deb822,
    without_password,
)

DEB822 = """
Types: deb deb-src
URIs: http://mirror.example/debian/ http://other.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /keys/debian.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
"""


def test_deb822_names_each_uri_and_suite() -> None:
    found = parse_deb822(DEB822, "debian.sources")
    assert [(source.uri, source.suite) for source in found] == [
        ("http://mirror.example/debian", "trixie"),
        ("http://mirror.example/debian", "trixie-updates"),
        ("http://other.example/debian", "trixie"),
        ("http://other.example/debian", "trixie-updates"),
        ("http://mirror.example/debian-security", "trixie-security"),
    ]
    assert found[0].signed_by == "/keys/debian.gpg"
    assert found[0].components == ("main", "contrib")


def test_an_embedded_key_keeps_its_empty_lines() -> None:
    text = (
        "Types: deb\nURIs: http://m.example/d\nSuites: sid\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ==\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    (source,) = parse_deb822(text, "x.sources")
    assert source.signed_by.split("\n")[:3] == ["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", "mQ=="]


def test_one_line_sources_have_options_and_comments() -> None:
    text = (
        "# deb http://no.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/a.gpg,/keys/b.gpg] http://mirror.example/debian bookworm main contrib # why\n"
        "deb-src http://mirror.example/debian bookworm main\n"
    )
    assert parse_list(text, "sources.list") == (
        Source(
            uri="http://mirror.example/debian",
            suite="bookworm",
            components=("main", "contrib"),
            signed_by="/keys/a.gpg\n/keys/b.gpg",
            where="sources.list:2",
        ),
    )


@pytest.mark.parametrize(
    "line", ["deb http://x.example", "rpm http://x.example a b", "deb [arch=amd64 http://x.example a"]
)
def test_a_line_that_apt_refuses_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(Corrupt, match="sources.list:2"):
        parse_list("\n" + line, "sources.list")


def test_both_styles_are_read_and_other_files_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "b.sources").write_text("Types: deb\nURIs: http://b.example/debian\nSuites: sid\nComponents: main\n")
    (parts / "c.list.disabled").write_text("nonsense")
    found = read_sources(str(tmp_path / "sources.list"), str(parts))
    assert [source.uri for source in found] == ["http://a.example/debian", "http://b.example/debian"]
    assert read_sources(str(tmp_path / "none"), str(tmp_path / "nowhere")) == ()


def test_a_newer_debian_lends_its_mirror_for_the_older_release() -> None:
    chosen = archives(parse_deb822(DEB822, "x"), "bookworm")
    assert [(archive.uri, archive.suite, archive.optional) for archive in chosen] == [
        ("http://mirror.example/debian", "bookworm", False),
        ("http://mirror.example/debian", "bookworm-updates", True),
        ("http://mirror.example/debian-security", "bookworm-security", False),
    ]


def test_sources_of_others_are_not_debian() -> None:
    ubuntu = parse_list("deb http://archive.example/ubuntu noble main\n", "x")
    vendor = parse_list("deb http://vendor.example/apt bookworm stable\n", "x")
    with pytest.raises(NotFound) as caught:
        archives((*ubuntu, *vendor), "bookworm")
    assert "PIER_DEBIAN_MIRROR" in caught.value.hint


def test_a_given_mirror_goes_first_and_security_is_tried_beside_it() -> None:
    chosen = archives((), "bookworm", mirror="http://mine.example/debian/")
    assert chosen == (
        Archive(uri="http://mine.example/debian", suite="bookworm"),
        Archive(uri="http://mine.example/debian", suite="bookworm-updates", optional=True),
        Archive(uri="http://mine.example/debian-security", suite="bookworm-security", optional=True),
    )


def test_an_image_gets_the_mirror_and_no_password() -> None:
    given = [
        Archive(uri="http://user:secret@m.example/debian", suite="bookworm"),
        Archive(uri="http://user:secret@m.example/debian", suite="bookworm-updates"),
        Archive(uri="http://m.example/debian-security", suite="bookworm-security"),
    ]
    text = render_deb822(given, "main", "/keys/debian.gpg")
    assert "secret" not in text
    assert [(source.uri, source.suite) for source in parse_deb822(text, "x")] == [
        ("http://m.example/debian", "bookworm"),
        ("http://m.example/debian", "bookworm-updates"),
        ("http://m.example/debian-security", "bookworm-security"),
    ]


def test_only_the_password_is_taken_from_an_address() -> None:
    assert without_password("http://h.example/a@b") == "http://h.example/a@b"
    assert without_password("https://u:p@h.example:80/d") == "https://h.example:80/d"
    assert without_password("file:/srv/debian") == "file:/srv/debian"
