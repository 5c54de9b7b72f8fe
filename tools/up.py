"""Bring the example up with the ordinary `pier compose up -d --wait`, then show what its two URLs answer.

Usage: up.py PIER COMPOSE_FILE. Says what this machine lacks before it tries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

_SECONDS_TO_ANSWER = 15.0


def main(pier: str, compose_file: str) -> int:
    for line in _lacking():
        print(f"lacking: {line}", file=sys.stderr)
    port = os.environ.get("API_PORT", "8000")
    command = [pier, "compose", "-f", compose_file, "up", "-d", "--wait"]
    print(f"$ {' '.join(command)}", flush=True)
    status = subprocess.run(command, check=False).returncode
    if status:
        print(f"\nmake up: the stack did not come up (exit {status}); the lines above say why", file=sys.stderr)
        print("for another port of the API: make up API_PORT=18000", file=sys.stderr)
        return status
    print()
    return max(_show(f"http://localhost:{port}{path}") for path in ("/health", "/db"))


def _lacking() -> list[str]:
    """What pier cannot do without here, each with its remedy."""
    found = []
    if os.geteuid() != 0:
        found.append("root; this version of pier works as root only; fix: sudo make up")
    if not shutil.which("gpgv"):
        found.append("gpgv, which verifies Debian's signatures for recipes; fix: apt-get install gpgv")
    return found


def _show(url: str) -> int:
    """Print *url* and its answer; 0 when it was a success."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS_TO_ANSWER) as answer:
            print(f"{url}\n    {answer.read().decode()}")
            return 0
    except urllib.error.HTTPError as exc:
        print(f"{url}\n    {exc.code} {exc.read().decode()}", file=sys.stderr)
    except OSError as exc:
        print(f"{url}\n    no answer: {exc}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
