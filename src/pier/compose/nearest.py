"""The likely word behind a mistyped key or name. Pure; loaded only once something was mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(typed: str, known: Iterable[str]) -> str:
    """The word of *known* that *typed* most likely means, or "" where none is close."""
    words = sorted(known)
    folded = {word.replace("-", "_").lower(): word for word in words}
    plain = typed.replace("-", "_").lower()
    if plain in folded:
        return folded[plain]
    swapped = [word for word in folded if sorted(word) == sorted(plain)]
    if swapped:
        return folded[swapped[0]]
    found = get_close_matches(plain, folded, n=1, cutoff=0.75)
    return folded[found[0]] if found else ""
