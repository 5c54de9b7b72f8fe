"""How steps are named in an image's history and on the screen; the history's texts are BuildKit's. Pure."""

from __future__ import annotations

from pier.model import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pier.build.instructions import Copy, Instruction
    from pier.build.steps import CopyPlan

_LONGEST = 120


def pairs(keyword: str, values: Iterable[tuple[str, str]]) -> str:
    """`ENV A=1 B=2`."""
    return keyword + " " + " ".join(f"{name}={value}" for name, value in values)


def json_list(words: Iterable[str]) -> str:
    """`["a","b"]` with its characters as they are."""
    return jsontext.dumps(list(words))


def healthcheck(check: Mapping[str, Any]) -> str:
    """`HEALTHCHECK CMD …`, readable rather than BuildKit's print of a Go structure."""
    test = check["Test"]
    if test == ["NONE"]:
        return "HEALTHCHECK NONE"
    return "HEALTHCHECK CMD " + (test[1] if test[0] == "CMD-SHELL" else json_list(test[1:]))


def run_created_by(argv: Iterable[str], arguments: Mapping[str, str]) -> str:
    """`RUN |1 A=x /bin/sh -c make # buildkit`: the arguments in scope stand before the command."""
    scope = [f"|{len(arguments)}", *(f"{name}={value}" for name, value in arguments.items())] if arguments else []
    return " ".join(["RUN", *scope, *argv, "# buildkit"])


def copy_created_by(item: Copy, plan: CopyPlan, chmod: str) -> str:
    """`COPY --chown=1000 src dst # buildkit`."""
    flags = [f"--chown={plan.chown}"] if plan.chown else []
    flags += [f"--chmod={chmod}"] if chmod else []
    flags += ["--link"] if item.link else []
    sources = [*(f"<<{document.name}" for document in plan.inline), *plan.sources]
    return " ".join([item.keyword, *flags, *sources, plan.destination, "# buildkit"])


def run_title(item: Instruction) -> str:
    """The instruction on one line, blanks collapsed; a here-document shows its beginning."""
    title = " ".join(item.text.split())
    documents = getattr(item, "heredocs", ())
    if documents:
        body = " ".join(documents[0].text().split())
        title += f" ({shortened(body, 40)})"
    return title


def shortened(text: str, longest: int = _LONGEST) -> str:
    """*text*, cut with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
