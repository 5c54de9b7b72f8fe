"""Docker's compose plugin, where the machine has none: unpacked from a newer Debian's package, by apt, into a folder.

Uses the Debian mirror that this machine's own apt is set to. Installs nothing.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_SUITE = "trixie"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def ready(folder: Path) -> Path | None:
    """A client configuration folder whose plugin is Compose v2; None where it is not to be had."""
    plugin = folder / "cli-plugins" / "docker-compose"
    if plugin.exists():
        return folder
    mirror = _debian_mirror()
    if mirror is None:
        return None
    apt = folder / "apt"
    for place in ("lists/partial", "archives/partial", "sources"):
        (apt / place).mkdir(parents=True, exist_ok=True)
    source = f"Types: deb\nURIs: {mirror}\nSuites: {_SUITE}\nComponents: main\nSigned-By: {_KEYRING}\n"
    (apt / "sources" / "newer.sources").write_text(source)
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={apt}/sources"]
    options += ["-o", f"Dir::State::lists={apt}/lists", "-o", f"Dir::Cache={apt}"]
    for verb in (["update"], ["download", "docker-compose"]):
        if subprocess.run(["apt-get", *options, *verb], cwd=apt, capture_output=True, check=False).returncode:
            return None
    (package,) = apt.glob("docker-compose_*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(apt / "unpacked")], check=True)
    (binary,) = (apt / "unpacked").rglob("cli-plugins/docker-compose")
    plugin.parent.mkdir(parents=True, exist_ok=True)
    binary.rename(plugin)
    return folder


def _debian_mirror() -> str | None:
    """The first mirror in the machine's apt configuration that serves Debian itself."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(REPO_URI) $(ORIGIN)"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in listed.splitlines():
        words = line.split()
        if words[-1] == "Debian" and words[1].rstrip("/").endswith("/debian"):
            return words[1]
    return None
