"""What a command is handed: the engine, made on first use, and the ways to speak. Decides nothing itself."""

from __future__ import annotations

import os
import sys

from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pier.engine.context import Engine
    from pier.state.paths import Paths


class Session:
    """One command line's run. *spoken* is the command as typed ("pier stop")."""

    def __init__(self, environ: Mapping[str, str], *, root: str = "", debug: bool = False) -> None:
        self.environ = environ
        self.root = root
        self.debug = debug
        self.spoken = "pier"
        self._paths: Paths | None = None
        self._engine: Engine | None = None

    @property
    def paths(self) -> Paths:
        """The store's places, from --root and the environment."""
        if self._paths is None:
            from pier.state.paths import discover

            self._paths = discover(self.environ, root=self.root, uid=os.geteuid())
        return self._paths

    @property
    def engine(self) -> Engine:
        """The engine over this session's store; its warnings go to stderr."""
        if self._engine is None:
            from pier.engine.context import open_engine

            note = say if self.debug else None
            self._engine = open_engine(self.paths, warn=self.warn, environ=self.environ, note=note)
        return self._engine

    def warn(self, message: str) -> None:
        """Say *message* on stderr."""
        say(f"WARNING: {message}")

    def each(self, names: Iterable[str], act: Callable[[str], str | None]) -> int:
        """Run *act* on each name; print what it returns (None prints nothing), say each failure, go on.

        Returns 0, or 1 when one failed: Docker's habit for commands that take several names.
        """
        from pier.cli import exits

        code = 0
        for name in names:
            try:
                line = act(name)
            except PierError as exc:
                sys.stdout.flush()
                say(exits.describe(exc))
                code = 1
                continue
            if line is not None:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
        return code


def say(text: str) -> None:
    """One message on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def confirm(question: str) -> bool:
    """Docker's `[y/N]` prompt; anything but y or yes, and the end of input, mean no."""
    sys.stdout.write(question)
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stdout.write("\n")
    return answer.strip().lower() in ("y", "yes")
