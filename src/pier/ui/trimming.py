"""Long texts and ids cut for columns, as Docker's client cuts them. Pure."""

from __future__ import annotations


def ellipsis(text: str, width: int) -> str:
    """*text*, or its beginning and an ellipsis, in *width* characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def short_id(text: str) -> str:
    """The twelve digits that people see, without `sha256:`."""
    return text.removeprefix("sha256:")[:12]
