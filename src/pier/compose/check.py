"""Hold a marked tree against the grammar: the first mistake is raised with its place, unsupported keys are said.

Returns the tree with its scalars typed (booleans, whole numbers, sizes in bytes, Go durations); the shapes stay.
Unknown keys get the likely word, or the place where they belong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pier.compose.grammar import PROJECT
from pier.compose.grammar_service import SERVICE
from pier.compose.kinds import Anything, Choice, Either, Fields, Key, Kind, ListOf, MapOf, Scalar
from pier.compose.source import Mark, MarkedList, MarkedMap, Tagged
from pier.model.quantities import go_duration, parse_bytes, parse_duration

Warn = Callable[[str], None]
_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_NAMED_MAPS = ("services", "networks", "volumes", "secrets", "configs", "models")
_WANTED = {
    "text": "a text",
    "int": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "bytes": "a size such as 512m",
    "duration": "a duration such as 1m30s",
    "scalar": "a text or number",
}


def check(tree: MarkedMap, warn: Warn) -> MarkedMap:
    """A typed copy of the compose file *tree*. SyntaxProblem for the first value the specification or pier refuses."""
    return _Check(warn).fields(tree, PROJECT, "")


class _Check:
    def __init__(self, warn: Warn) -> None:
        self.warn = warn

    def value(self, value: Any, kind: Kind, path: str, at: Mark) -> Any:
        if isinstance(value, Tagged):
            return Tagged(self.value(value.value, kind, path, at), value.tag)
        if value is None or isinstance(kind, Anything) or getattr(value, "tag", "") == "!reset":
            return value
        if isinstance(kind, Either):
            kind = _matching(value, kind)
        if isinstance(kind, Fields):
            return self.fields(_as_map(value, path, at, kind.what), kind, path)
        if isinstance(kind, MapOf):
            return self.names(_as_map(value, path, at, "mapping"), kind, path)
        if isinstance(kind, ListOf):
            return self.items(value, kind, path, at)
        if isinstance(kind, Choice):
            return _choice(value, kind, path, at)
        if isinstance(kind, Scalar):
            return _scalar(value, kind, path, at)
        raise TypeError(f"{type(kind).__name__} is no kind")

    def fields(self, tree: MarkedMap, kind: Fields, path: str) -> MarkedMap:
        result = tree.blank()
        for key, value in tree.items():
            at = tree.key_at(key)
            known = kind.keys.get(key)
            if known is None:
                if not key.startswith("x-") or kind.closed:
                    raise _unknown(key, kind, path, at)
                result.put_like(key, value, tree)
                continue
            where = f"{path}.{key}" if path else key
            if known.support != "done" and _has_effect(key, value):
                self.unsupported(known, where, at)
            result.put_like(key, self.value(value, known.kind, where, tree.value_at(key)), tree)
        for key in kind.required:
            if key not in tree:
                raise tree.mark.problem(f"{path}: the key `{key}` is missing")
        return result

    def unsupported(self, known: Key, path: str, at: Mark) -> None:
        if known.support == "refused":
            raise at.problem(f"{path} is not supported by pier", why=known.note, hint="remove the key")
        self.warn(f"{at.source.name}:{at.line}: {path} has no effect here: {known.note}")

    def names(self, tree: MarkedMap, kind: MapOf, path: str) -> MarkedMap:
        result = tree.blank()
        for key, value in tree.items():
            if path in _NAMED_MAPS:
                if key.startswith("x-"):
                    continue
                self.name(tree, key, path)
            result.put_like(key, self.value(value, kind.value, f"{path}.{key}", tree.value_at(key)), tree)
        return result

    def name(self, tree: MarkedMap, key: str, path: str) -> None:
        if not _NAME.fullmatch(key):
            raise tree.key_at(key).problem(
                f'"{key}" cannot be a name in {path}', hint="use letters, digits, `.`, `_` and `-`"
            )
        if path == "services" and tree[key] is None:
            raise tree.key_at(key).problem(
                f"{path}.{key} is empty",
                why="a service needs at least `image:` or `build:`",
                hint=_deeper_hint(tree, key),
            )

    def items(self, value: Any, kind: ListOf, path: str, at: Mark) -> MarkedList:
        if not isinstance(value, MarkedList):
            found = _shape(value)
            hint = "start each line with `- `" if isinstance(value, MarkedMap) else f"write `- {value}`"
            raise at.problem(f"{path} must be a list, not {found}", hint=hint)
        result = MarkedList(value.mark, value.tag)
        for index, (item, item_at) in enumerate(value.marked()):
            if item is None:
                raise item_at.problem(f"{path}[{index}] is empty", hint="remove the `-` or write a value after it")
            result.add(self.value(item, kind.item, f"{path}[{index}]", item_at), item_at)
        return result


def _matching(value: Any, kind: Either) -> Kind:
    wanted = MarkedMap if isinstance(value, MarkedMap) else MarkedList if isinstance(value, MarkedList) else None
    for option in kind.kinds:
        if wanted is MarkedMap and isinstance(option, (Fields, MapOf)):
            return option
        if wanted is MarkedList and isinstance(option, ListOf):
            return option
        if wanted is None and isinstance(option, (Scalar, Choice)):
            return option
    return kind.kinds[-1]


def _as_map(value: Any, path: str, at: Mark, what: str) -> MarkedMap:
    if isinstance(value, MarkedMap):
        return value
    why = ""
    if isinstance(value, str) and ":" in value:
        why = "`:` needs a space after it to make a key"
    raise at.problem(
        f"{path} must be a {what if what == 'mapping' else what + ' mapping'}, not {_shape(value)}", why=why
    )


def _shape(value: Any) -> str:
    if isinstance(value, MarkedMap):
        return "a mapping"
    if isinstance(value, MarkedList):
        return "a list"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return f'the text "{value}"'


def _choice(value: Any, kind: Choice, path: str, at: Mark) -> str:
    if isinstance(value, (MarkedMap, MarkedList)) or str(value) not in kind.values:
        from pier.compose.nearest import nearest

        best = nearest(str(value), kind.values)
        hint = f"did you mean {best}?" if best else "write one of " + ", ".join(kind.values)
        raise at.problem(f"{path} cannot be {_shape(value)}", hint=hint)
    return str(value)


def _scalar(value: Any, kind: Scalar, path: str, at: Mark) -> Any:
    if isinstance(value, (MarkedMap, MarkedList)):
        raise at.problem(f"{path} must be {_WANTED[kind.want]}, not {_shape(value)}")
    if kind.want == "text" and isinstance(value, bool):
        raise at.problem(
            f"{path} must be a text, not {_shape(value)}", hint=f'put it in quotes: "{str(value).lower()}"'
        )
    try:
        return _typed(value, kind.want)
    except (ValueError, OverflowError):
        raise at.problem(f"{path} must be {_WANTED[kind.want]}, not {_shape(value)}") from None


def _typed(value: Any, want: str) -> Any:
    if want == "text":
        return text_of(value)
    if want == "flag":
        return _flag(value)
    if want in ("int", "number", "bytes") and isinstance(value, bool):
        raise ValueError(value)
    if want == "int":
        number = float(value)
        if number != int(number):
            raise ValueError(value)
        return int(number)
    if want == "number":
        number = float(value)
        return int(number) if number == int(number) else number
    if want == "bytes":
        return parse_bytes(str(value))
    if want == "duration":
        return go_duration(parse_duration(str(value)))
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in ("true", "yes", "on", "y"):
        return True
    if word in ("false", "no", "off", "n"):
        return False
    raise ValueError(value)


def text_of(value: Any) -> str:
    """A YAML scalar as the text a container is given: `true`, `1`, `0.5`; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e21 else repr(value)
    return str(value)


def _has_effect(key: str, value: Any) -> bool:
    """False for values that ask for what happens anyway, so that common files stay quiet."""
    if value in (None, False, "") or value == {} or value == []:
        return False
    if key == "logging" and isinstance(value, dict):
        return value.get("driver", "json-file") not in ("json-file", "local")
    return not (key == "ipc" and value in ("private", "shareable")) and not (key == "enable_ipv4" and value is True)


def _unknown(key: str, kind: Fields, path: str, at: Mark) -> Exception:
    from pier.compose.nearest import nearest

    best = nearest(key, kind.keys)
    where = path or "the top level"
    if best:
        return at.problem(f'{where}: unknown key "{key}"', hint=f"did you mean `{best}`?")
    if not path and (key in SERVICE.keys or _looks_like_service(at)):
        reason = "it is a key of a service" if key in SERVICE.keys else "it looks like a service"
        return at.problem(
            f'{where}: unknown key "{key}"',
            why=f"{reason}, and stands at the top level: probably the indentation",
            hint="services stand under `services:`, indented by two spaces, and their keys by four",
        )
    if kind is not SERVICE and path.startswith("services.") and key in SERVICE.keys:
        return at.problem(
            f'{where}: unknown key "{key}"',
            why="it is a key of a service: probably indented too deep",
            hint=f"line `{key}:` up with the service's other keys",
        )
    if path and key in PROJECT.keys:
        return at.problem(
            f'{where}: unknown key "{key}"',
            why="it belongs at the top level: probably indented too deep",
            hint=f"move `{key}:` to the start of the line",
        )
    return at.problem(f'{where}: unknown key "{key}"', hint="keys of your own start with x-")


def _looks_like_service(at: Mark) -> bool:
    for number in range(at.line + 1, at.line + 30):
        line = at.source.line(number)
        if line.strip() and not line.startswith((" ", "#")):
            return False
        if line.strip().startswith(("image:", "build:")):
            return True
    return False


def _deeper_hint(tree: MarkedMap, key: str) -> str:
    following = [other for other in tree if other in SERVICE.keys and tree.key_at(other).line > tree.key_at(key).line]
    return f"indent the lines after `{key}:` by two more spaces" if following else ""
