"""The word a person most likely meant. Loaded only when something was mistyped: `difflib` costs more than a cached
build may.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def likely(word: str, known: Iterable[str]) -> str:
    """The one of *known* closest to *word*, compared without case; "" when none is close."""
    from difflib import get_close_matches

    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean X?`, or "" when nothing is close."""
    found = likely(word, known)
    return f"did you mean {found}?" if found else ""
