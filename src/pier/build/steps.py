"""The steps of a stage as records: everything decided, nothing done. `describe` says a step in one line. Pure."""

from __future__ import annotations

import hashlib

from pier.build.instructions import Instruction
from pier.build.mounts import RunMount
from pier.model import jsontext
from pier.model.image import History, ImageConfig
from pier.model.record import Record

# Part of every key: raise it when the same step would make another layer than before.
_FORMAT = 1


class RunPlan(Record):
    """A command to run. *env* holds ARGs and ENV, without what the host adds. *script*: name and text of a file to
    execute.
    """

    NESTED = {"mounts": RunMount}

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    user: str
    network: str
    mounts: tuple[RunMount, ...] = ()
    script: tuple[str, str] | None = None


class Inline(Record):
    """A file written in the Dockerfile itself."""

    name: str
    text: str


class CopyPlan(Record):
    """Files to copy. *destination* is absolute and keeps its trailing slash. *sources* are as expanded; *mode* -1
    keeps modes.
    """

    NESTED = {"inline": Inline}

    adding: bool
    sources: tuple[str, ...]
    destination: str
    inline: tuple[Inline, ...] = ()
    source_stage: str = ""
    chown: str = ""
    mode: int = -1
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    unpack: bool | None = None


class StepPlan(Record):
    """One instruction, decided. At most one of *run*, *copy* and *directory* is set: without, only *config* changes.

    *owner*: whose *directory* will be, as USER says. *config* is the image's configuration after the step; *label* is
    `[builder 2/5]`, "" for steps that make no layer.
    """

    instruction: Instruction
    label: str
    title: str
    created_by: str
    config: ImageConfig
    run: RunPlan | None = None
    copy: CopyPlan | None = None
    directory: str = ""
    owner: str = ""
    author: str = ""

    @property
    def makes_layer(self) -> bool:
        return bool(self.run or self.copy or self.directory)

    def history(self, created: str, *, empty: bool) -> History:
        """The line of the image's history."""
        return History(
            created=created,
            created_by=self.created_by,
            comment="buildkit.dockerfile.v0",
            author=self.author,
            empty_layer=empty,
        )

    def key(self, parent: str, files: str) -> str:
        """Names the layer this step makes on top of *parent*; *files* is the digest of what it reads from outside."""
        work = [self.run and self.run.to_dict(), self.copy and self.copy.to_dict(), self.directory, self.owner]
        text = jsontext.dumps([_FORMAT, parent, files, *work])
        return hashlib.sha256(text.encode()).hexdigest()

    def describe(self) -> str:
        """For `--debug`: the instruction's line, its label, and what is to be done."""
        head = f"{self.instruction.line}: {self.label or '-'} {self.title}"
        work = self.run or self.copy
        return f"{head}\n    {work!r}" if work else head


class StagePlan(Record):
    """All steps of one stage, after its base. *config*: of the image it makes; *consumed*: build args an ARG took."""

    NESTED = {"steps": StepPlan, "config": ImageConfig}

    steps: tuple[StepPlan, ...]
    config: ImageConfig
    author: str = ""
    consumed: tuple[str, ...] = ()


def chain_key(base: str, diff_ids: tuple[str, ...]) -> str:
    """Names a stack of layers by content."""
    return hashlib.sha256("\n".join((base, *diff_ids)).encode()).hexdigest()
