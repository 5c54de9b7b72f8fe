"""What is told while a project is brought up or down. Records only; rendering is the front end's."""

from __future__ import annotations

from collections.abc import Callable

from pier.model.record import Record


class Step(Record):
    """*subject* ("Container demo-db-1") now is *text*; *detail* says more of what takes long.

    *state*: working, done, warning or error.
    """

    subject: str
    text: str
    state: str = "working"
    detail: str = ""


Show = Callable[[Step], None]
