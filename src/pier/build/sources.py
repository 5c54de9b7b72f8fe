"""Sources of COPY and ADD: words into entries of a tree. A missing one is named with a close match and the reason."""

from __future__ import annotations

import posixpath

from pier.build.tree import Node
from pier.errors import NotFound
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pier.build.ignore import Rules
    from pier.build.tree import Tree

_MAGIC = "*?[\\"


class Found(Record):
    """One entry to copy. *name* is what it is called inside a directory; *node* is no symlink, since sources are
    followed.
    """

    NESTED = {"node": Node}

    name: str
    node: Node


class Origin(Record):
    """A tree and how to speak of it: `the build context /home/me/app`, `stage builder`. *rules* hide part of it."""

    tree: Tree
    spoken: str
    rules: Rules | None = None


def find(origin: Origin, word: str) -> tuple[Found, ...]:
    """What *word* names; several for a pattern, possibly none. NotFound for a plain name that is not there."""
    path = posixpath.normpath("/" + word).strip("/")
    if any(char in path for char in _MAGIC):
        return _matching(origin.tree, path)
    node = origin.tree.follow(path)
    if node is None:
        raise missing(origin, word)
    return (Found(name=posixpath.basename(path), node=node),)


def entries(tree: Tree, found: Found, excluded: Rules | None = None) -> Iterator[tuple[str, Node]]:
    """What copying *found* means: ("", it) for anything but a directory, else each entry below, by its path from there.

    *excluded* (`--exclude`) drops entries, a directory with all it holds; a single file is judged by its name.
    """
    if not found.node.is_dir:
        if not (excluded and excluded.hides(found.name)):
            yield "", found.node
        return
    prefix = len(found.node.path) + 1 if found.node.path else 0
    pending = tree.children(found.node.path)[::-1]
    while pending:
        node = pending.pop()
        if excluded and excluded.hides(node.path[prefix:]):
            continue
        yield node.path[prefix:], node
        if node.is_dir:
            pending += tree.children(node.path)[::-1]


def _matching(tree: Tree, pattern: str) -> tuple[Found, ...]:
    """Go's filepath.Match, one part of the path after the other. Loads `re`."""
    from pier.build.wildcard import compiled

    paths = [""]
    for part in pattern.split("/"):
        expression = compiled(part.replace("**", "*"))
        paths = [
            child.path
            for path in paths
            for child in tree.children(tree.resolve(path))
            if expression.fullmatch(posixpath.basename(child.path))
        ]
    found = []
    for path in paths:
        node = tree.follow(path)
        if node is not None:
            found.append(Found(name=posixpath.basename(path), node=node))
    return tuple(found)


def missing(origin: Origin, word: str) -> NotFound:
    """Why *word* is not in *origin*, as far as can be seen."""
    path = posixpath.normpath("/" + word).strip("/")
    why, hint = f"there is no {path or word} in {origin.spoken}", ""
    if posixpath.normpath(word).startswith("../"):
        why = f"{word} lies outside {origin.spoken}"
        hint = (
            "only files of the build context can be copied: build from a folder further up, and name the file with -f"
        )
        return NotFound(f"{word}: not found", why=why, hint=hint)
    rule = origin.rules.deciding(path) if origin.rules else None
    if origin.rules and rule and not rule.reveals:
        why = f"line {rule.line} of {origin.rules.file} hides it: {rule.pattern}"
        hint = f"add a line !{path} below it, or remove it"
        return NotFound(f"{word}: not found", why=why, hint=hint)
    likely = _close(origin.tree, path)
    return NotFound(f"{word}: not found", why=why, hint=f"did you mean {likely}?" if likely else hint)


def _close(tree: Tree, path: str) -> str:
    """The likely path: the close name in the deepest directory that exists."""
    from pier.build.likely import likely

    parts = path.split("/")
    directory = ""
    for index, part in enumerate(parts):
        names = [posixpath.basename(child.path) for child in tree.children(directory)]
        if part in names:
            directory = f"{directory}/{part}".strip("/")
            continue
        close = likely(part, names)
        return "/".join([*parts[:index], close, *parts[index + 1 :]]) if close else ""
    return ""
