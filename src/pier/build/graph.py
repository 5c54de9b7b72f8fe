"""Which stages a target needs, in which order, and what each starts from. Pure."""

from __future__ import annotations

from pier.build.dockerfile import Dockerfile, Stage
from pier.build.expansion import expand_word
from pier.build.instructions import Copy, Instruction, Run
from pier.build.likely import did_you_mean
from pier.errors import Invalid, Unsupported
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRATCH = "scratch"


class Source(Record):
    """Where files come from: an earlier stage (*number* >= 0), or the image *name*."""

    number: int = -1
    name: str = ""

    @property
    def is_stage(self) -> bool:
        return self.number >= 0


class StageNode(Record):
    """One stage to build. *sources*: what COPY --from and RUN --mount from= name, by the words used."""

    NESTED = {"stage": Stage, "base": Source}

    stage: Stage
    base: Source
    sources: dict[str, Source]


def global_arguments(
    dockerfile: Dockerfile, build_args: Mapping[str, str], machine: Mapping[str, str]
) -> dict[str, str]:
    """The variables of FROM lines: the ARGs before the first stage over the automatic platform ones (*machine*)."""
    variables = dict(machine)
    for arg in dockerfile.globals:
        for name, default in arg.pairs:
            if name in build_args:
                variables[name] = build_args[name]
            elif default is not None:
                variables[name] = _expanded(dockerfile, arg, default, variables)
    return variables


def needed_stages(
    dockerfile: Dockerfile, target: str, variables: Mapping[str, str], platform: str
) -> tuple[StageNode, ...]:
    """The stages that *target* ("" for the last) needs, itself last. Others are not built, as BuildKit does."""
    goal = _target(dockerfile, target)
    nodes: dict[int, StageNode] = {}

    def visit(number: int) -> None:
        if number in nodes:
            return
        node = _node(dockerfile, dockerfile.stages[number], variables, platform)
        for source in (node.base, *node.sources.values()):
            if source.is_stage:
                visit(source.number)
        nodes[number] = node

    visit(goal)
    return tuple(nodes.values())


def _target(dockerfile: Dockerfile, target: str) -> int:
    if not target:
        return len(dockerfile.stages) - 1
    for stage in dockerfile.stages:
        if target.lower() in (stage.name, str(stage.number)):
            return stage.number
    names = [stage.name for stage in dockerfile.stages]
    raise Invalid(
        f"target stage {target} could not be found in {dockerfile.listing.file}",
        why="its stages are " + ", ".join(names),
        hint=did_you_mean(target, names),
    )


def _node(dockerfile: Dockerfile, stage: Stage, variables: Mapping[str, str], platform: str) -> StageNode:
    start = stage.start
    image = _expanded(dockerfile, start, start.image, variables)
    if not image:
        raise dockerfile.listing.problem(
            f"base name ({start.image}) should not be blank",
            start.line,
            hint="give its ARG a default before the first FROM, or pass --build-arg",
        )
    asked = _expanded(dockerfile, start, start.platform, variables)
    if asked and asked.split("/")[:2] != platform.split("/")[:2]:
        raise Unsupported(
            f"{dockerfile.listing.file}:{start.line}: cannot build for {asked}",
            why=f"this machine is {platform}, and pier does not emulate others",
        )
    earlier = {item.name: item.number for item in dockerfile.stages[: stage.number]}
    base = Source(number=earlier[image.lower()]) if image.lower() in earlier else Source(name=image)
    sources = {}
    for item, word in _named_sources(stage):
        sources[word] = _source(dockerfile, stage, item, word, earlier)
    return StageNode(stage=stage, base=base, sources=sources)


def _named_sources(stage: Stage) -> Iterator[tuple[Instruction, str]]:
    for item in stage.instructions:
        if isinstance(item, Copy) and item.source_stage:
            yield item, item.source_stage
        if isinstance(item, Run):
            for mount in item.mounts:
                if mount.source_stage:
                    yield item, mount.source_stage


def _source(dockerfile: Dockerfile, stage: Stage, item: Instruction, word: str, earlier: Mapping[str, int]) -> Source:
    if word.lower() in earlier:
        return Source(number=earlier[word.lower()])
    if word.isdigit():
        if int(word) < stage.number:
            return Source(number=int(word))
        raise dockerfile.listing.problem(f"invalid stage index {word}: it is not an earlier stage", item.line)
    if any(word.lower() == other.name for other in dockerfile.stages[stage.number :]):
        raise dockerfile.listing.problem(
            f"stage {word} is not an earlier one", item.line, hint="move it above this stage"
        )
    if "$" in word:
        raise dockerfile.listing.problem(
            f"variables are not expanded in --from={word}", item.line, hint=f"FROM {word} AS name, then --from=name"
        )
    return Source(name=word)


def _expanded(dockerfile: Dockerfile, item: Instruction, text: str, variables: Mapping[str, str]) -> str:
    try:
        return expand_word(text, variables, dockerfile.listing.escape)
    except Invalid as exc:
        raise dockerfile.listing.problem(exc.message, item.line, why=exc.why, hint=exc.hint) from exc
