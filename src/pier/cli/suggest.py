"""The likely word behind a mistyped one. Pure; loaded only once something was mistyped."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(typed: str, known: Iterable[str]) -> str:
    """The word of *known* that *typed* most likely means, or "" where none is close.

    Close: an unambiguous beginning, or at most a third of the letters changed, dropped, added or swapped.
    """
    words = sorted(set(known))
    bare = typed.lstrip("-")
    if len(bare) < 2:
        return ""
    begun = [word for word in words if word.startswith(typed)]
    if len(begun) == 1:
        return begun[0]
    allowed = max(1, len(bare) // 3)
    ranked = sorted((distance(typed, word), word) for word in words if abs(len(word) - len(typed)) <= allowed)
    return ranked[0][1] if ranked and ranked[0][0] <= allowed else ""


def distance(left: str, right: str) -> int:
    """Edits between two words; swapping two neighbours counts once (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(right) + 1))
    for row, a in enumerate(left, 1):
        line = [row]
        for column, b in enumerate(right, 1):
            cost = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (a != b))
            if row > 1 and column > 1 and a == right[column - 2] and left[row - 2] == b:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, last = last, line
    return last[-1]
