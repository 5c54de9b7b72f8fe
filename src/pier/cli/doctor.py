"""`pier doctor`: what place this is, what works, what is limited and why, and the exact fix for each."""

from __future__ import annotations

import sys

from pier.cli.options import Command, object_format
from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.diagnosis import Finding

_MARKS = {"works": "ok", "limited": "limited", "broken": "FAILED"}


def doctor(session: Session, arguments: Arguments) -> int:
    """1 when containers cannot run here, else 0."""
    from pier.engine import diagnosis

    facts = diagnosis.look()
    try:
        findings = diagnosis.of_engine(session.engine, facts)
    except PierError as exc:
        findings = diagnosis.of_refusal(exc, exc.why, exc.hint)
    if arguments.text("format"):
        _show(findings, arguments.text("format"))
    else:
        for finding in findings:
            sys.stdout.write(_text(finding))
    return 0 if diagnosis.runs(findings) else 1


def _text(finding: Finding) -> str:
    lines = [f"{_MARKS[finding.state]:<8} {finding.subject}: {finding.told}".rstrip(": ")]
    for label, text in (("why", finding.why), ("fix", finding.fix)):
        lines += [f"           {label}: {line}" if number == 0 else f"                {line}"
                  for number, line in enumerate(text.split("\n")) if text]  # fmt: skip
    return "\n".join(lines) + "\n"


def _show(findings: tuple[Finding, ...], chosen: str) -> None:
    shape = [finding.to_dict() for finding in findings]
    if chosen == "json":
        from pier.ui import jsonout

        sys.stdout.write(jsonout.compact(shape) + "\n")
        return
    from pier.ui.gotemplate import Template

    for one in shape:
        sys.stdout.write(Template(chosen).render(one) + "\n")


DOCTOR = Command(run=doctor, usage="[OPTIONS]", options=(object_format(),))
