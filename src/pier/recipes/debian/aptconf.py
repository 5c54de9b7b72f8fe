"""What apt on this machine is told about its lists, proxies and clock (apt.conf(5)), as `apt-config dump` prints it."""

from __future__ import annotations

import os
import shutil
import subprocess

from pier.errors import Unavailable
from pier.model.record import Record
from pier.recipes.debian import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class AptSettings(Record):
    """The settings that matter for reading the archive. *proxies*: `http`, `https`, `http::host` to URL or DIRECT."""

    sources: tuple[sources.Source, ...] = ()
    proxies: dict[str, str] = {}
    check_valid_until: bool = True
    trusted_parts: str = "/etc/apt/trusted.gpg.d"


def parse_dump(text: str) -> dict[str, str]:
    """`apt-config dump` as a mapping, names in lower case; of repeated names the last counts, as in apt."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, space, value = line.strip().partition(" ")
        if space and value.startswith('"') and value.endswith('";'):
            found[name.lower()] = value[1:-2]
    return found


def read_settings(environ: Mapping[str, str]) -> AptSettings:
    """This machine's settings; those of a machine without apt when it has none."""
    program = shutil.which("apt-config", path=environ.get("PATH") or os.defpath)
    if program is None:
        return AptSettings()
    try:
        done = subprocess.run([program, "dump"], env=dict(environ), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        detail = getattr(exc, "stderr", "") or str(exc)
        raise Unavailable("cannot read this machine's apt configuration", why=detail.strip()) from exc
    return from_dump(parse_dump(done.stdout))


def from_dump(values: Mapping[str, str]) -> AptSettings:
    """The settings that *values* describe, with the source lists they point at read."""
    etc = _under(values.get("dir", "/"), values.get("dir::etc", "etc/apt"))
    return AptSettings(
        sources=sources.read_sources(
            _under(etc, values.get("dir::etc::sourcelist", "sources.list")),
            _under(etc, values.get("dir::etc::sourceparts", "sources.list.d")),
        ),
        proxies=_proxies(values),
        check_valid_until=values.get("acquire::check-valid-until", "true").lower() not in ("false", "no", "0", "off"),
        trusted_parts=_under(etc, values.get("dir::etc::trustedparts", "trusted.gpg.d")),
    )


def _proxies(values: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for scheme in ("http", "https"):
        prefix = f"acquire::{scheme}::proxy"
        for name, value in values.items():
            if value and (name == prefix or name.startswith(prefix + "::")):
                found[scheme + name[len(prefix) :]] = value
    return found


def _under(base: str, path: str) -> str:
    return os.path.join(base, path)


def proxy_for(url: str, settings: AptSettings, environ: Mapping[str, str]) -> str:
    """The proxy to reach *url* through, or "": apt's setting for the host, for the scheme, then the environment's."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2].partition(":")[0].lower()
    for name in (f"{scheme}::{host}", scheme):
        if name in settings.proxies:
            value = settings.proxies[name]
            return "" if value.upper() == "DIRECT" else value
    excluded = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    for entry in (word.strip().lower().lstrip(".") for word in excluded.split(",")):
        if entry == "*" or (entry and (host == entry or host.endswith("." + entry))):
            return ""
    # The upper-case HTTP_PROXY is not read: a CGI request header could set it (httpoxy).
    names = ("http_proxy",) if scheme == "http" else ("https_proxy", "HTTPS_PROXY")
    for variable in (*names, "all_proxy", "ALL_PROXY"):
        if environ.get(variable):
            return environ[variable]
    return ""
