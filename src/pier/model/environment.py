"""Lists of NAME=value words, as images and containers carry them. Pure."""

from __future__ import annotations


def merge_env(base: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """*more* replaces variables of *base* in place; a word without "=" removes one, as in Docker."""
    merged: dict[str, str | None] = {}
    for item in (*base, *more):
        name, separator, _ = item.partition("=")
        merged[name] = item if separator else None
    return tuple(item for item in merged.values() if item is not None)
