"""Log lines as compose prints them: `service-1  | text`, each container in its colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.compose.follow import Line
    from pier.model.container import Container

_COLOURS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")


class Printer:
    """Writes lines to *out*, and those of stderr to *err*. *colours* and *prefixes* as the flags say."""

    def __init__(
        self, project: str, out: TextIO, err: TextIO, *, colours: bool, prefixes: bool = True, stamps: bool = False
    ) -> None:
        self.project = project
        self.streams = {"stdout": out, "stderr": err}
        self.colours = colours
        self.prefixes = prefixes
        self.stamps = stamps
        self._names: dict[str, str] = {}
        self._codes: dict[str, str] = {}

    def know(self, containers: Iterable[Container]) -> None:
        """Lines of *containers* may come: the column is made as wide as their names need."""
        for item in containers:
            self._names[item.id] = self.short(item)
            self._codes.setdefault(item.id, _COLOURS[len(self._codes) % len(_COLOURS)])

    def short(self, container: Container) -> str:
        """`db-1`: the container's name without the project's."""
        return container.name.removeprefix(f"{self.project}-")

    def lines(self, lines: Iterable[Line]) -> None:
        """Print *lines*, and nothing stays in a buffer."""
        used: set[TextIO] = set()
        for line in lines:
            stream = self.streams[line.stream]
            stream.write(self._prefix(line.container) + (f"{line.time} " if self.stamps else "") + line.text + "\n")
            used.add(stream)
        for stream in used:
            stream.flush()

    def say(self, container: Container, text: str) -> None:
        """A line of compose's own about *container*: `db-1 exited with code 0`."""
        name = self.short(container)
        painted = f"\x1b[{self._codes.get(container.id, '0')}m{name}\x1b[0m" if self.colours else name
        self.streams["stdout"].write(f"{painted} {text}\n")
        self.streams["stdout"].flush()

    def _prefix(self, container_id: str) -> str:
        if not self.prefixes:
            return ""
        width = max(len(name) for name in self._names.values())
        text = f"{self._names[container_id]:<{width}}  | "
        return f"\x1b[{self._codes[container_id]}m{text}\x1b[0m" if self.colours else text
