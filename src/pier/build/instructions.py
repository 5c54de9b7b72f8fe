"""What a Dockerfile can say, one record per instruction. Values are as written: nothing is expanded yet. Pure."""

from __future__ import annotations

from pier.build.lines import Heredoc
from pier.build.mounts import RunMount
from pier.model.record import Record


class Command(Record):
    """A command line: shell form (*text* goes to the stage's shell) or JSON form (*words* are executed)."""

    shell: bool
    text: str = ""
    words: tuple[str, ...] = ()


class Instruction(Record):
    """One instruction. *keyword* in capitals; *text* the logical line; *line* and *end* count from 1."""

    keyword: str
    text: str
    line: int
    end: int


class From(Instruction):
    """Starts a stage. *platform* and *alias* are "" when absent."""

    image: str
    platform: str = ""
    alias: str = ""


class Run(Instruction):
    """*network* is "", "default", "host" or "none"."""

    NESTED = {"command": Command, "mounts": RunMount, "heredocs": Heredoc}

    command: Command
    mounts: tuple[RunMount, ...] = ()
    network: str = ""
    heredocs: tuple[Heredoc, ...] = ()


class Cmd(Instruction):
    NESTED = {"command": Command}

    command: Command


class Entrypoint(Instruction):
    NESTED = {"command": Command}

    command: Command


class Copy(Instruction):
    """COPY and ADD (*keyword* tells). *heredocs* are further sources, named by their words in *sources*."""

    NESTED = {"heredocs": Heredoc}

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    source_stage: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    unpack: bool | None = None


class Env(Instruction):
    pairs: tuple[tuple[str, str], ...]


class Label(Instruction):
    pairs: tuple[tuple[str, str], ...]


class Arg(Instruction):
    """*pairs*: name and default; None for no default, which differs from an empty one."""

    pairs: tuple[tuple[str, str | None], ...]


class Expose(Instruction):
    ports: tuple[str, ...]


class Volume(Instruction):
    paths: tuple[str, ...]


class User(Instruction):
    user: str


class Workdir(Instruction):
    path: str


class Shell(Instruction):
    words: tuple[str, ...]


class StopSignal(Instruction):
    signal: str


class Maintainer(Instruction):
    name: str


class OnBuild(Instruction):
    """*trigger*: an instruction as text, to be run by builds on top of this image."""

    trigger: str


class HealthCheck(Instruction):
    """*disabled* for NONE. Times in nanoseconds, 0 for the default."""

    NESTED = {"command": Command}

    disabled: bool
    command: Command = Command(shell=True)
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0
