"""The folder of a container run from a bundle: its state, its configuration, and the socket of its `start`."""

from __future__ import annotations

import os

from pier.errors import Conflict, Invalid, NotFound
from pier.kernel import lifetime
from pier.model.record import Record
from pier.runtime import oci_groups
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
START_SOCKET = "start.sock"


class State(Record):
    """What is known of a container. *started* tells *pid* from a later process of that number (proc(5), field 22)."""

    version: str
    id: str
    bundle: str
    pid: int = 0
    started: int = 0
    created: str = ""
    annotations: dict[str, str] = {}
    groups: tuple[str, ...] = ()
    config: dict[str, Any] = {}


class Store:
    """The containers below one `--root`."""

    def __init__(self, root: str) -> None:
        self.root = root

    def folder(self, identifier: str) -> str:
        """The container's folder. Invalid for an id that is no plain name."""
        if not identifier or not set(identifier) <= _LETTERS or identifier in (".", ".."):
            raise Invalid(f"invalid container ID {identifier!r}", hint="letters, digits and _+-. make an ID")
        return f"{self.root}/{identifier}"

    def claim(self, identifier: str) -> str:
        """The new folder of a container to be made. Conflict when there is one of that id."""
        folder = self.folder(identifier)
        files.ensure_dir(self.root)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError as exc:
            raise Conflict(f"container with id exists: {identifier}", hint=f"pier oci delete {identifier}") from exc
        return folder

    def write(self, state: State) -> None:
        files.write_json(self.folder(state.id) + "/state.json", state.to_dict())

    def read(self, identifier: str) -> State:
        """NotFound in runc's words."""
        try:
            return State.from_dict(files.read_json(self.folder(identifier) + "/state.json"))
        except FileNotFoundError as exc:
            raise NotFound("container does not exist", why=f"{self.root} holds no {identifier}") from exc

    def identifiers(self) -> list[str]:
        try:
            return sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []

    def forget(self, identifier: str) -> None:
        files.remove_tree(self.folder(identifier))

    def status(self, state: State) -> str:
        """creating, created, running, paused or stopped, as /proc tells it now."""
        if not state.pid:
            return "creating"
        if not lifetime.is_alive(state.pid, state.started):
            return "stopped"
        if os.path.exists(f"{self.folder(state.id)}/{START_SOCKET}"):
            return "created"
        return "paused" if oci_groups.is_frozen(state.groups) else "running"

    def told(self, state: State, *, status: str = "", pid: int = -1) -> dict[str, Any]:
        """The state as the specification shows it to people and hooks."""
        now = status or self.status(state)
        shown: dict[str, Any] = {"ociVersion": state.version, "id": state.id, "status": now}
        shown["pid"] = pid if pid >= 0 else 0 if now == "stopped" else state.pid
        shown["bundle"] = state.bundle
        if state.annotations:
            shown["annotations"] = state.annotations
        return shown
