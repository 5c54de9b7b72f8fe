"""Containers run by another OCI runtime (`--runtime crun`). Nothing here is loaded for pier's own."""

from __future__ import annotations

import os

from pier.errors import NotFound

_PACKAGES = ("crun", "runc")
_SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def find(runtime: str) -> str:
    """The path of the OCI runtime *runtime*, a name or a path. NotFound with the way to get it."""
    for path in (runtime,) if "/" in runtime else [f"{folder}/{runtime}" for folder in _SEARCH]:
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.abspath(path)
    raise NotFound(
        f"no OCI runtime {runtime} on this machine",
        why="there is no such program" if "/" in runtime else f"it is in none of {', '.join(_SEARCH)}",
        hint=f"apt-get install {runtime}    or leave --runtime out" if runtime in _PACKAGES else "--runtime crun or runc",
    )
