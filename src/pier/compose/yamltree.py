"""YAML text into marked maps and lists. Knows nothing of compose keys.

PyYAML's C parser builds the nodes; the scalars are resolved here by the rules compose files are read with elsewhere
(YAML 1.2 core as Go's yaml reads it): `yes` and `on` are texts, `22:22` is a text and never a base-60 number.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from pier.compose.source import Mark, MarkedList, MarkedMap, Source, Tagged
from pier.compose.yamlcauses import cause
from pier.errors import SyntaxProblem

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE_TAGS = ("!reset", "!override")
_DEPTH = 60
_NUMBER = re.compile(
    r"(?P<int>[-+]?(?:0|[1-9][0-9_]*))|(?P<oct>0o?[0-7]+)|(?P<hex>0x[0-9a-fA-F]+)|(?P<bin>0b[01]+)"
    r"|(?P<float>[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
)
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def parse(source: Source) -> MarkedMap:
    """The one mapping of *source*. An empty text is an empty mapping. SyntaxProblem for anything else."""
    loader = None
    try:
        loader = _LOADER(source.text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as exc:
        raise _syntax_problem(source, exc) from exc
    except yaml.YAMLError as exc:  # reader errors: a byte that YAML does not allow
        raise Mark(source, 1, 0).problem(f"not a YAML text: {exc}") from exc
    finally:
        if loader is not None:
            loader.dispose()
    if node is None:
        return MarkedMap(Mark(source, 1, 1))
    tree = _Builder(source).build(node)
    if not isinstance(tree, MarkedMap):
        at = _mark(source, node.start_mark)
        raise at.problem("the file must be a mapping of keys to values", hint="start it with `services:`")
    return tree


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[:1] not in "+-.0123456789":
        return text
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    digits = text.replace("_", "")
    if match["int"]:
        return int(digits)
    if match["oct"]:
        return int(digits.replace("o", ""), 8)
    if match["hex"] or match["bin"]:
        return int(digits, 0)
    return float(digits)


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.done: dict[int, Any] = {}
        self.open: set[int] = set()

    def build(self, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        known = self.done.get(id(node))
        if known is not None:
            return known
        if id(node) in self.open:
            raise self.at(node).problem("an anchor contains itself", why="the alias points at a map or list around it")
        if len(self.open) > _DEPTH:
            raise self.at(node).problem(f"nested more than {_DEPTH} levels deep")
        self.open.add(id(node))
        built = self.mapping(node) if isinstance(node, yaml.MappingNode) else self.sequence(node)
        self.open.discard(id(node))
        self.done[id(node)] = built
        return built

    def scalar(self, node: Any) -> Any:
        tag = str(node.tag)
        if tag in _MERGE_TAGS:
            return Tagged(scalar(node.value), tag)
        if tag == _TAG + "binary" or not tag.startswith(_TAG):
            raise self.at(node).problem(f"the tag {tag.removeprefix(_TAG)} is not known to compose files")
        return node.value if node.style else scalar(node.value)

    def mapping(self, node: Any) -> MarkedMap:
        result = MarkedMap(self.at(node), node.tag if node.tag in _MERGE_TAGS else "")
        merged: list[MarkedMap] = []
        for key_node, value_node in node.value:
            key, at = self.key(key_node), self.at(key_node)
            if key == "<<" and not key_node.style:
                merged.extend(self.merge_sources(value_node))
                continue
            if key in result:
                first = result.key_at(key).line
                raise at.problem(f'the key "{key}" is already defined at line {first}', hint="keep one of the two")
            result.put(key, self.build(value_node), at, self.at(value_node))
        for other in merged:
            for key in other:
                if key not in result:
                    result.put_like(key, other[key], other)
        return result

    def key(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.at(node).problem("a key must be a plain text", hint="quote it if it starts with [ or {")
        return str(node.value)

    def merge_sources(self, node: Any) -> list[MarkedMap]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        maps = [self.build(item) for item in nodes]
        for item, built in zip(nodes, maps, strict=True):
            if not isinstance(built, MarkedMap):
                raise self.at(item).problem("`<<` merges mappings only")
        return maps

    def sequence(self, node: Any) -> MarkedList:
        result = MarkedList(self.at(node), node.tag if node.tag in _MERGE_TAGS else "")
        for item in node.value:
            result.add(self.build(item), self.at(item))
        return result

    def at(self, node: Any) -> Mark:
        return _mark(self.source, node.start_mark)


def _mark(source: Source, mark: Any) -> Mark:
    return Mark(source, mark.line + 1, mark.column + 1)


def _syntax_problem(source: Source, exc: yaml.MarkedYAMLError) -> SyntaxProblem:
    context = _mark(source, exc.context_mark) if exc.context_mark else None
    at = _mark(source, exc.problem_mark) if exc.problem_mark else context or Mark(source, 1, 1)
    found = cause(str(exc.problem or ""), at, context)
    return found.at.problem(found.message, why=found.why, hint=found.hint)
