"""Say what this machine lacks for the end-to-end tests; install it where that is possible (root and apt)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# Program -> Debian package. The first group is pier's own need for recipes; the second serves as peers in tests.
_NEEDED = {"gpgv": "gpgv"}
_PEERS = {
    "busybox": "busybox-static",
    "docker-registry": "docker-registry",
    "gpg": "gnupg",
    "ip": "iproute2",
    "nft": "nftables",
    "openssl": "openssl",
    "skopeo": "skopeo",
    "umoci": "umoci",
}


def main() -> int:
    missing = {program: package for program, package in {**_NEEDED, **_PEERS}.items() if not _found(program)}
    if missing and os.geteuid() == 0 and _found("apt-get"):
        _install(sorted(set(missing.values())))
    still = [program for program in missing if not _found(program)]
    if os.geteuid() != 0:
        print("lacking: root. The end-to-end tests are skipped (place R).", file=sys.stderr)
    for program in still:
        kind = "tests that need it are skipped" if program in _PEERS else "pier needs it"
        print(f"lacking: {program} ({kind}); fix: apt-get install {missing[program]}", file=sys.stderr)
    return 0


def _found(program: str) -> bool:
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def _install(packages: list[str]) -> None:
    """Best effort: what could not be installed is named by the caller."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"installing for the tests: {' '.join(packages)}")
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if subprocess.run(command, env=environment, check=False, **quiet).returncode:
        subprocess.run(["apt-get", "update"], env=environment, check=False, **quiet)
        subprocess.run(command, env=environment, check=False, **quiet)


if __name__ == "__main__":
    sys.exit(main())
