"""apt's proxies and validity settings are honoured, then the environment's proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from pier.recipes.debian.aptconf import AptSettings, from_dump, parse_dump, proxy_for, read_settings

DUMP = """Dir "{root}";
Dir::Etc "etc/apt";
Dir::Etc::sourcelist "sources.list";
Dir::Etc::sourceparts "sources.list.d";
Acquire::http::Proxy "http://proxy.example:3128/";
Acquire::http::Proxy::direct.example "DIRECT";
Acquire::Check-Valid-Until "false";
Acquire::Languages:: "none";
"""


def test_settings_come_from_apts_own_dump(tmp_path: Path) -> None:
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text("deb http://m.example/debian bookworm main\n")
    settings = from_dump(parse_dump(DUMP.format(root=tmp_path)))
    assert [source.uri for source in settings.sources] == ["http://m.example/debian"]
    assert settings.check_valid_until is False
    assert settings.proxies == {"http": "http://proxy.example:3128/", "http::direct.example": "DIRECT"}


def test_a_machine_without_apt_has_no_sources(tmp_path: Path) -> None:
    assert read_settings({"PATH": str(tmp_path)}) == AptSettings()


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://m.example/debian", {"http_proxy": "http://env.example"}, "http://apt.example"),
        ("http://direct.example/debian", {"http_proxy": "http://env.example"}, ""),
        ("https://m.example/debian", {"https_proxy": "http://env.example"}, "http://env.example"),
        ("https://m.example/debian", {"HTTPS_PROXY": "http://env.example"}, "http://env.example"),
        ("https://m.example/debian", {"HTTPS_PROXY": "http://e.example", "no_proxy": "a.example,.m.example"}, ""),
        ("https://sub.m.example/debian", {"HTTPS_PROXY": "http://e.example", "NO_PROXY": "m.example"}, ""),
        ("https://m.example/debian", {"HTTPS_PROXY": "http://e.example", "no_proxy": "*"}, ""),
        ("https://m.example/debian", {}, ""),
    ],
)
def test_the_proxy_is_apts_then_the_environments(url: str, environ: dict[str, str], expected: str) -> None:
    settings = AptSettings(proxies={"http": "http://apt.example", "http::direct.example": "DIRECT"})
    assert proxy_for(url, settings, environ) == expected


def test_the_upper_case_http_proxy_is_not_trusted() -> None:
    assert proxy_for("http://m.example/", AptSettings(), {"HTTP_PROXY": "http://evil.example"}) == ""
