"""What an assembly is told and what it reports. Records only."""

from __future__ import annotations

from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from pier.build.options import BuildEvent

    RecipeEventKind = Literal["begin", "wait", "warning", "index", "unpack", "configure", "pack", "build", "done"]


class Settings(Record):
    """*environ*: the environment of the user's command (PATH, proxies, certificates). *mirror*: a Debian mirror's URI.

    *mirror* is what PIER_DEBIAN_MIRROR says; it goes before the machine's apt configuration.
    """

    environ: dict[str, str] = {}
    mirror: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """What *environ* asks for."""
        return cls(environ=dict(environ), mirror=environ.get("PIER_DEBIAN_MIRROR", ""))


class RecipeEvent(Record):
    """One thing a person may want to see of the assembly of *recipe*.

    begin: it starts, *text* is the line to say out loud. wait: another process assembles. warning: *text*.
    index, unpack (*done* of *total* bytes of packages), configure, pack: the stages of a Debian base.
    build: *event* is one of the build that follows. done: it is in the store, *seconds* later.
    """

    kind: RecipeEventKind
    recipe: str
    text: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    event: BuildEvent | None = None
