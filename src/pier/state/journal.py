"""The journal of events: one JSON object a line, appended by every command. It is never rewritten."""

from __future__ import annotations

import os

from pier.model import jsontext
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


def record(path: str, kind: str, action: str, actor: str, attributes: Mapping[str, str], *, now_ns: int) -> None:
    """Append an event in the Engine API's form: *kind* is container, image, network or volume; *actor* its id."""
    event = {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": actor, "Attributes": dict(attributes)},
        "scope": "local",
        "time": now_ns // 1_000_000_000,
        "timeNano": now_ns,
    }
    files.append_line(path, jsontext.dumps(event))


def read(path: str, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each event with the file offset behind it, from *offset* to the last whole line."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(fd, "rb") as stream:
        stream.seek(offset)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield offset, jsontext.loads(line)
