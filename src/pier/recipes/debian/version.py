"""Debian version numbers: order and relations (deb-version(7)). Pure."""

from __future__ import annotations

RELATIONS = ("<<", "<=", "=", ">=", ">>")

_DIGITS = "0123456789"


def compare(left: str, right: str) -> int:
    """-1, 0 or 1 as *left* is older than, the same as, or newer than *right*."""
    if left == right:
        return 0
    left_epoch, left_upstream, left_revision = _split(left)
    right_epoch, right_upstream, right_revision = _split(right)
    if left_epoch != right_epoch:
        return -1 if left_epoch < right_epoch else 1
    return _compare_part(left_upstream, right_upstream) or _compare_part(left_revision, right_revision)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether *version* stands in *relation* to *wanted*; the empty relation holds always."""
    if not relation:
        return True
    order = compare(version, wanted)
    return {"<<": order < 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">>": order > 0}[relation]


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), (upstream if dash else rest), (revision if dash else "0")


def _compare_part(left: str, right: str) -> int:
    """deb-version(7), "Sorting algorithm": runs of non-digits and of digits in turn; "~" sorts before the end."""
    i = j = 0
    while i < len(left) or j < len(right):
        while (i < len(left) and left[i] not in _DIGITS) or (j < len(right) and right[j] not in _DIGITS):
            a, b = _weight(left, i), _weight(right, j)
            if a != b:
                return -1 if a < b else 1
            i, j = i + 1, j + 1
        left_end, right_end = _digits_end(left, i), _digits_end(right, j)
        a, b = int(left[i:left_end] or "0"), int(right[j:right_end] or "0")
        if a != b:
            return -1 if a < b else 1
        i, j = left_end, right_end
    return 0


def _weight(text: str, index: int) -> int:
    if index >= len(text) or text[index] in _DIGITS:
        return 0
    char = text[index]
    if char == "~":
        return -1
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256


def _digits_end(text: str, start: int) -> int:
    end = start
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return end
