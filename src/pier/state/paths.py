"""Where pier keeps things. The one module that reads the environment for it; it creates nothing."""

from __future__ import annotations

import os

from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_ROOT = "/var/lib/pier"
SYSTEM_RUN = "/run/pier"


class Paths(Record):
    """Two absolute directories: *root* survives a reboot, *run* need not."""

    root: str
    run: str

    @property
    def images(self) -> str:
        """The OCI image layout."""
        return self.root + "/images"

    @property
    def layers(self) -> str:
        """Unpacked layers, one directory per diff_id (hex), in overlayfs form."""
        return self.root + "/layers"

    @property
    def containers(self) -> str:
        return self.root + "/containers"

    @property
    def names(self) -> str:
        """One file per container name; it holds the container's id."""
        return self.root + "/names"

    @property
    def volumes(self) -> str:
        return self.root + "/volumes"

    @property
    def networks(self) -> str:
        return self.root + "/networks"

    @property
    def cache(self) -> str:
        """What can be made again: downloads, build cache, compiled filters."""
        return self.root + "/cache"

    @property
    def tmp(self) -> str:
        """Half-made things, on the same file system as their final places."""
        return self.root + "/tmp"

    @property
    def locks(self) -> str:
        """Empty files that only ever carry an flock(2)."""
        return self.root + "/locks"

    @property
    def events(self) -> str:
        return self.root + "/events.jsonl"

    @property
    def boot(self) -> str:
        """The boot id (random(4)) under which processes were last written down."""
        return self.root + "/boot"

    def container(self, container_id: str) -> str:
        return f"{self.containers}/{container_id}"

    def container_run(self, container_id: str) -> str:
        """Sockets and pid files of one running container."""
        return f"{self.run}/{container_id}"


def discover(environ: Mapping[str, str], *, root: str = "", uid: int) -> Paths:
    """The places for this user: `--root` first, then PIER_ROOT, then the system's or the user's XDG data folder.

    Everywhere but in the system's store the run folder lies inside the root, so that two stores never share one.
    """
    chosen = root or environ.get("PIER_ROOT", "")
    if chosen:
        chosen = os.path.abspath(chosen)
        if ":" in chosen or "," in chosen:
            raise Invalid(
                f"the store's path may not hold ':' or ',': {chosen}",
                why="overlayfs separates its options with them (mount option lowerdir)",
                hint="choose another folder with --root or PIER_ROOT",
            )
        return Paths(root=chosen, run=chosen + "/run")
    if uid == 0:
        return Paths(root=SYSTEM_ROOT, run=SYSTEM_RUN)
    home = environ.get("HOME", "/")
    data = (environ.get("XDG_DATA_HOME") or home + "/.local/share") + "/pier"
    # Not XDG_RUNTIME_DIR: it is set in some of a user's sessions only, and all of them are to find the same monitors.
    return Paths(root=data, run=data + "/run")
