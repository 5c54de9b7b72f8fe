"""dpkg finds the packages as its own unpacking would have left them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pier.recipes.debian.database import Entry, conffiles, status_stanza, trigger_files, write
from pier.recipes.debian.unpack import Filter, RootTree, Unpacked

STANZA = "Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: x\nDescription: y\n z\n"


def entry(name: str, *, stanza: str = "", md5: dict[str, str] | None = None, **files: str) -> Entry:
    return Entry(
        name=name,
        stanza=stanza or STANZA.format(name=name),
        files={file: text.encode() for file, text in files.items()},
        unpacked=Unpacked(paths=("/.", "/etc"), md5=md5 or {}),
    )


def test_a_stanza_says_unpacked_and_knows_its_configuration_files() -> None:
    found = entry("a", conffiles="/etc/a\nremove-on-upgrade /etc/old\n", md5={"/etc/a": "0" * 32})
    text = status_stanza(found)
    assert text.startswith("Package: a\nStatus: install ok unpacked\n")
    assert text.endswith(f"\n z\nConffiles:\n /etc/a {'0' * 32}\n")
    assert conffiles(found.files) == ("/etc/a",)


def test_packages_of_several_architectures_carry_theirs_in_file_names() -> None:
    assert entry("a").label == "a"
    assert entry("a", stanza=STANZA.format(name="a") + "Multi-Arch: same\n").label == "a:amd64"
    assert entry("a", stanza=STANZA.format(name="a") + "Multi-Arch: foreign\n").label == "a"


def test_interests_are_recorded_and_activations_are_not() -> None:
    one = entry("libc-bin", triggers="interest-await ldconfig\n# a comment\nactivate x\n")
    two = entry("debianutils", triggers="interest-noawait /usr/share/shells.d\ninterest ldconfig\n")
    assert trigger_files((one, two)) == {
        "File": "/usr/share/shells.d debianutils/noawait\n",
        "ldconfig": "libc-bin\ndebianutils\n",
    }


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="needs dpkg-query to read the database")
def test_dpkg_reads_the_database(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        tree = RootTree(fd, "amd64", Filter())
        write(tree, (entry("a", postinst="#!/bin/sh\n"), entry("b")))
    finally:
        os.close(fd)
    done = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Status} ${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "a install ok unpacked 1\nb install ok unpacked 1\n"
    assert os.access(root / "var/lib/dpkg/info/a.postinst", os.X_OK)
