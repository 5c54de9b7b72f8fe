"""The grammar of a Dockerfile: text into stages of instructions. Pure; expands no variable and reads no file."""

from __future__ import annotations

from pier.build import forms
from pier.build.instructions import Arg, From, Instruction
from pier.build.likely import did_you_mean
from pier.build.lines import Listing, LogicalLine, read
from pier.errors import Invalid, PierError, Unsupported
from pier.model.record import Record


class Stage(Record):
    """FROM and what follows it. *name*: its alias in lower case, else its number as text."""

    number: int
    start: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        return self.start.alias.lower() or str(self.number)


class Dockerfile(Record):
    """*globals*: the ARGs before the first FROM."""

    listing: Listing
    globals: tuple[Arg, ...]
    stages: tuple[Stage, ...]


def parse(text: str, file: str = "Dockerfile") -> Dockerfile:
    """The Dockerfile that *text* is. SyntaxProblem with the line and the likely word; Unsupported for what pier
    refuses.
    """
    listing = read(text, file)
    instructions = [instruction(listing, line) for line in listing.instructions]
    if not instructions:
        raise listing.problem("the Dockerfile is empty", 0, hint="begin with FROM image")
    head = 0
    while head < len(instructions) and isinstance(instructions[head], Arg):
        head += 1
    if head == len(instructions) or not isinstance(instructions[head], From):
        wrong = instructions[min(head, len(instructions) - 1)]
        raise listing.problem(
            f"no build stage in current context: {wrong.keyword} stands before the first FROM",
            wrong.line,
            hint="begin the Dockerfile with FROM image; only ARG may stand before it",
        )
    stages = _stages(listing, instructions[head:])
    before = tuple(item for item in instructions[:head] if isinstance(item, Arg))
    return Dockerfile(listing=listing, globals=before, stages=stages)


def instruction(listing: Listing, line: LogicalLine) -> Instruction:
    """The instruction of one logical line."""
    keyword = line.text.split(None, 1)[0]
    reader = forms.READERS.get(keyword.upper())
    if reader is None:
        likely = did_you_mean(keyword, forms.READERS)
        suggestion = f" — {likely}" if likely else ""
        column = listing.raw[line.line - 1].find(keyword) + 1
        raise listing.problem(f"unknown instruction: {keyword}{suggestion}", line.line, column=column)
    rest = line.text[len(keyword) :].strip()
    try:
        return reader(forms.Draft(keyword.upper(), rest, line, listing.escape))
    except Unsupported as exc:
        exc.message = f"{listing.file}:{line.line}: {exc.message}"
        exc.args = (exc.message,)
        raise
    except Invalid as exc:
        raise listing.problem(exc.message, line.line, why=exc.why, hint=exc.hint) from exc


def trigger(text: str, image: str) -> Instruction:
    """The instruction an ONBUILD of *image* left behind."""
    listing = read(text, f"ONBUILD of {image}")
    if len(listing.instructions) != 1:
        raise Invalid(f"an ONBUILD trigger of {image} is not one instruction: {text}")
    return instruction(listing, listing.instructions[0])


def located(dockerfile: Dockerfile, step: Instruction, exc: PierError) -> PierError:
    """*exc* as an error that shows the line of *step*; a SyntaxProblem stays as it is."""
    return dockerfile.listing.problem(exc.message, step.line, why=exc.why, hint=exc.hint)


def _stages(listing: Listing, instructions: list[Instruction]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for item in instructions:
        if isinstance(item, From):
            if item.alias and any(stage.name == item.alias.lower() for stage in stages):
                raise listing.problem(
                    f"two stages are named {item.alias}", item.line, hint="give each stage a name of its own"
                )
            stages.append(Stage(number=len(stages), start=item, instructions=()))
        else:
            last = stages[-1]
            stages[-1] = last.replace(instructions=(*last.instructions, item))
    return tuple(stages)
