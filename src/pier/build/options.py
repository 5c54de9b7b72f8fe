"""What a build is asked for, and what it reports while it runs. Records only."""

from __future__ import annotations

from pier.build.hostenv import HostEnvironment
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Literal

    EventKind = Literal["planned", "started", "output", "waiting", "cached", "done", "failed", "canceled", "warning"]


class Secret(Record):
    """`--secret id=…`: a file of the host, or a value. Given to the steps that mount it; never stored."""

    id: str
    source: str = ""
    value: str = ""


class BuildOptions(Record):
    """One build.

    *context* is a directory, or "" for none; *context_stream* instead of it a tar archive, or a lone Dockerfile.
    *dockerfile* is a path as typed: looked up from the working directory, then inside the context; *dockerfile_text* is
    its content where the caller has it already (`dockerfile_inline`, `-f -`), named by *dockerfile* in messages.
    """

    NESTED = {"secrets": Secret, "host": HostEnvironment}

    context: str = ""
    context_stream: BinaryIO | None = None
    dockerfile: str = ""
    dockerfile_text: str | None = None
    tags: tuple[str, ...] = ()
    build_args: dict[str, str] = {}
    target: str = ""
    no_cache: bool = False
    labels: dict[str, str] = {}
    network: str = "default"
    platform: str = ""
    secrets: tuple[Secret, ...] = ()
    shm_bytes: int = 64 << 20
    extra_hosts: tuple[tuple[str, str], ...] = ()
    host: HostEnvironment = HostEnvironment()


class BuildEvent(Record):
    """Something a person may want to see. *vertex* numbers the step over the whole build, *label* is `[builder 2/5]`.

    *text*: the instruction, a line of output, or a message. *seconds*: how long it took (done, failed) or takes
    (waiting: nothing came for a moment, so that a clock can go on).
    """

    kind: EventKind
    vertex: int = 0
    label: str = ""
    text: str = ""
    seconds: float = 0.0
