"""What an image says about itself: the OCI image configuration as records. Pure.

Field names and meaning: image-spec config.md; `healthcheck`, `shell` and `on_build` are Docker's additions to it.
"""

from __future__ import annotations

from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OCI_NAMES = {
    "entrypoint": "Entrypoint",
    "cmd": "Cmd",
    "env": "Env",
    "working_dir": "WorkingDir",
    "user": "User",
    "exposed_ports": "ExposedPorts",
    "volumes": "Volumes",
    "labels": "Labels",
    "stop_signal": "StopSignal",
    "healthcheck": "Healthcheck",
    "shell": "Shell",
    "on_build": "OnBuild",
}
_SETS = ("exposed_ports", "volumes")


class ImageConfig(Record):
    """What a container of the image starts with. `env` holds NAME=value; `exposed_ports` "8000/tcp"."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    stop_signal: str = ""
    healthcheck: dict[str, Any] | None = None  # Docker's object: Test, Interval, Timeout, StartPeriod (ns), Retries
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()

    @classmethod
    def from_oci(cls, data: dict[str, Any]) -> ImageConfig:
        """From the `config` object of an image configuration. Absent and null are the same."""
        values: dict[str, Any] = {}
        for field, name in _OCI_NAMES.items():
            value = data.get(name)
            if not value:
                continue
            if field in _SETS:
                value = tuple(sorted(value))
            values[field] = tuple(value) if isinstance(value, list) else value
        return cls(**values)

    def to_oci(self) -> dict[str, Any]:
        """The `config` object, without its empty members."""
        found: dict[str, Any] = {}
        for field, name in _OCI_NAMES.items():
            value = getattr(self, field)
            if not value:
                continue
            if field in _SETS:
                found[name] = {item: {} for item in value}
            else:
                found[name] = list(value) if isinstance(value, tuple) else value
        return found


class History(Record):
    """One step of how the image was made, oldest first in `Image.history`."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    def to_oci(self) -> dict[str, Any]:
        """The object of the configuration's `history` list, without its empty members."""
        return {name: value for name, value in self.to_dict().items() if value}


class Image(Record):
    """One image of the store. `id` is its configuration's digest; `size` counts the unpacked bytes of all layers."""

    NESTED = {"config": ImageConfig, "history": History}

    id: str
    manifest_digest: str
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    created: str = ""
    size: int = 0
    architecture: str = ""
    os: str = ""
    variant: str = ""
    author: str = ""
    config: ImageConfig = ImageConfig()
    diff_ids: tuple[str, ...] = ()
    history: tuple[History, ...] = ()

    @property
    def dangling(self) -> bool:
        """True where no tag names the image."""
        return not self.repo_tags


class Layer(Record):
    """One layer: its blob (`digest`, `size`, `media_type`) and what that unpacks to (`diff_id`, `unpacked_size`)."""

    digest: str
    diff_id: str
    size: int
    unpacked_size: int
    media_type: str
