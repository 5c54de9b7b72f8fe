"""What a user may ask of `create`, before the image's defaults are merged in."""

from __future__ import annotations

from pier.model.container import ContainerSettings


class CreateRequest(ContainerSettings):
    """Empty means "as the image says". *entrypoint* None keeps the image's, () clears it.

    *network_mode*: "bridge" (then *networks* names them; none means the default one), "host", "none" or
    "container:REFERENCE"; so do *pid_mode* and *ipc_mode* for theirs. *stop_timeout* in seconds, -1 for the default.
    *shm_bytes* 0 for the default.
    """

    image: str
    name: str = ""
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    volumes_from: tuple[str, ...] = ()
    no_healthcheck: bool = False
    stop_signal: str = ""
    stop_timeout: int = -1
    shm_bytes: int = 0
    ipc_mode: str = ""
