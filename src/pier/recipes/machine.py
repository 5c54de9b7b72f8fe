"""This machine as recipes see it: its architecture, and the archive it reads, opened once per assembly."""

from __future__ import annotations

import os

from pier.errors import Unsupported
from pier.model.record import Record
from pier.recipes.debian import aptconf, mirror, sources
from pier.recipes.debian.bootstrap import RELEASE
from pier.recipes.debian.download import Downloader
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from pier.recipes.events import Settings

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture(machine: str) -> str:
    """Debian's and OCI's name for *machine* (uname(2)). Unsupported where recipes have not been made for it."""
    if machine not in _ARCHITECTURES:
        raise Unsupported(
            f"recipes cannot be assembled on {machine}",
            why="they are made for " + " and ".join(sorted(_ARCHITECTURES.values())),
            hint="pull the image from a registry",
        )
    return _ARCHITECTURES[machine]


class Debian(Record):
    """The archive, ready to read: *downloader* is open, *catalogue* verified."""

    architecture: str
    apt: aptconf.AptSettings
    downloader: Downloader
    catalogue: mirror.Catalogue


class Archives:
    """Opens the archive when it is first asked for: what needs no packages needs no mirror. Use it with `with`."""

    def __init__(self, cache: str, workdir: str, settings: Settings, warn: Callable[[str], None]) -> None:
        self._cache = cache
        self._workdir = workdir
        self._settings = settings
        self._warn = warn
        self._opened: Debian | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._opened.downloader.close()

    def debian(self) -> Debian:
        """The verified state of the mirror, read at most once."""
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Debian:
        kind = architecture(os.uname().machine)
        environ = self._settings.environ
        apt = aptconf.read_settings(environ)
        chosen = sources.archives(apt.sources, RELEASE, mirror=self._settings.mirror)
        downloader = Downloader(mirror.cache_folder(self._cache), apt, environ)
        try:
            catalogue = mirror.read_catalogue(
                downloader,
                chosen,
                kind,
                settings=apt,
                environ=environ,
                workdir=files.ensure_dir(self._workdir + "/releases"),
                warn=self._warn,
            )
        except BaseException:
            downloader.close()
            raise
        return Debian(architecture=kind, apt=apt, downloader=downloader, catalogue=catalogue)
