"""Short syntaxes into long ones, relative paths into absolute ones: the form in which compose files are merged.

Takes one checked file; knows nothing of other files, of the environment or of the engine.
"""

from __future__ import annotations

import functools
import posixpath
import shlex
from collections.abc import Callable
from typing import Any

from pier.compose import mounts, portspecs
from pier.compose.check import text_of
from pier.compose.source import Mark, MarkedList, MarkedMap, Tagged
from pier.model.record import Record


class Place(Record):
    """Where relative paths start (*base*) and what `~` means (*home*)."""

    base: str
    home: str

    def path(self, text: str) -> str:
        """*text* as an absolute path."""
        if text == "~" or text.startswith("~/"):
            text = self.home + text[1:]
        return posixpath.normpath(posixpath.join(self.base, text))


Convert = Callable[[Any, Mark, Place], Any]


def canonical(tree: MarkedMap, place: Place) -> MarkedMap:
    """The compose file *tree* in long syntax, with paths resolved against *place*."""
    result = tree.blank()
    for key, value in tree.items():
        if key == "services" and isinstance(value, MarkedMap):
            value = _each(value, lambda item: service(item, place))
        elif key in _TOP and isinstance(value, MarkedMap):
            value = _each(value, functools.partial(_TOP[key], place=place))
        result.put_like(key, value, tree)
    return result


def service(tree: MarkedMap, place: Place) -> MarkedMap:
    """One service in long syntax."""
    return _converted(tree, _SERVICE, place)


def is_remote(context: str) -> bool:
    """Does the build context name something to fetch rather than a folder?"""
    return "://" in context or context.startswith(("git@", "github.com/"))


def _each(tree: MarkedMap, convert: Callable[[Any], Any]) -> MarkedMap:
    result = tree.blank()
    for name, value in tree.items():
        result.put_like(name, convert(value) if isinstance(value, MarkedMap) else value, tree)
    return result


def _converted(tree: MarkedMap, table: dict[str, Convert], place: Place) -> MarkedMap:
    result = tree.blank()
    for key, value in tree.items():
        convert = table.get(key)
        at = tree.value_at(key)
        result.put_like(key, _apply(convert, value, at, place) if convert else value, tree)
    return result


def _apply(convert: Convert, value: Any, at: Mark, place: Place) -> Any:
    if isinstance(value, Tagged):
        return value if value.tag == "!reset" else Tagged(convert(value.value, at, place), value.tag)
    tag = getattr(value, "tag", "")
    if value is None or tag == "!reset":
        return value
    converted = convert(value, at, place)
    if tag and isinstance(converted, (MarkedMap, MarkedList)):
        converted.tag = tag
    return converted


def _list(value: Any, at: Mark, _place: Place) -> MarkedList:
    if isinstance(value, MarkedList):
        return value
    result = MarkedList(at)
    result.add(value, at)
    return result


def _texts(value: Any, at: Mark, place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in _list(value, at, place).marked():
        result.add(text_of(item), item_at)
    return result


def _words(value: Any, at: Mark, _place: Place) -> MarkedList:
    if isinstance(value, MarkedList):
        return value
    result = MarkedList(at)
    try:
        words = shlex.split(str(value))
    except ValueError as exc:
        raise at.problem(f"the command does not split into words: {exc}", hint="write it as a list") from None
    for word in words:
        result.add(word, at)
    return result


def _pairs(value: Any, at: Mark, _place: Place) -> MarkedMap:
    """`[A=b, C]` or a mapping, as a mapping of texts; a name alone has no value yet (null)."""
    result = MarkedMap(at)
    if isinstance(value, MarkedMap):
        for key, item in value.items():
            result.put_like(key, None if item is None else text_of(item), value)
        return result
    for item, item_at in value.marked():
        name, equals, text = str(item).partition("=")
        result.put(name, text if equals else None, item_at, item_at)
    return result


def _labels(value: Any, at: Mark, place: Place) -> MarkedMap:
    result = _pairs(value, at, place)
    for key, item in list(result.items()):
        if item is None:
            result[key] = ""
    return result


def _build(value: Any, at: Mark, place: Place) -> MarkedMap:
    if not isinstance(value, MarkedMap):
        tree = MarkedMap(at)
        tree.put("context", value, at, at)
    else:
        tree = _converted(value, _BUILD, place)
        if "context" not in tree:
            tree.put("context", ".", at, at)
    if not is_remote(tree["context"]):
        tree["context"] = place.path(tree["context"])
    return tree


def _depends_on(value: Any, at: Mark, _place: Place) -> MarkedMap:
    result = MarkedMap(at)
    if isinstance(value, MarkedMap):
        for name, item in value.items():
            entry = MarkedMap(value.value_at(name))
            given = item if isinstance(item, MarkedMap) else entry
            entry.update({"condition": "service_started", **given})
            entry.setdefault("required", True)
            result.put_like(name, entry, value)
        return result
    for name, name_at in value.marked():
        entry = MarkedMap(name_at)
        entry.update({"condition": "service_started", "required": True})
        result.put(name, entry, name_at, name_at)
    return result


def _env_file(value: Any, at: Mark, place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in _list(value, at, place).marked():
        entry = MarkedMap(item_at)
        entry.update(item if isinstance(item, MarkedMap) else {"path": item})
        entry["path"] = place.path(entry["path"])
        result.add(entry, item_at)
    return result


def _paths(value: Any, at: Mark, place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in _list(value, at, place).marked():
        result.add(place.path(item), item_at)
    return result


def _extends(value: Any, at: Mark, place: Place) -> MarkedMap:
    result = MarkedMap(at)
    result.update(value if isinstance(value, MarkedMap) else {"service": value})
    if result.get("file"):
        result["file"] = place.path(result["file"])
    return result


def _extra_hosts(value: Any, at: Mark, _place: Place) -> MarkedMap:
    result = MarkedMap(at)
    if isinstance(value, MarkedMap):
        for name, item in value.items():
            addresses = list(item) if isinstance(item, MarkedList) else [item]
            result.put_like(name, addresses, value)
        return result
    for item, item_at in value.marked():
        name, equals, address = str(item).partition("=") if "=" in str(item) else str(item).partition(":")
        if not equals or not address:
            raise item_at.problem(f'"{item}" is not HOST=ADDRESS')
        addresses = [*result.get(name, []), address.removeprefix("[").removesuffix("]")]
        result.put(name, addresses, item_at, item_at)
    return result


def _healthcheck(value: MarkedMap, at: Mark, place: Place) -> MarkedMap:
    result = value.blank()
    for key, item in value.items():
        if key == "test" and isinstance(item, str):
            test = MarkedList(value.value_at(key))
            test.extend(["CMD-SHELL", item])
            item = test
        result.put_like(key, item, value)
    words = result.get("test")
    if isinstance(words, MarkedList) and words and words[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise result.value_at("test").problem(
            "healthcheck.test must start with NONE, CMD or CMD-SHELL",
            hint='write the command as one text, or put "CMD" first',
        )
    return result


def _networks(value: Any, at: Mark, _place: Place) -> MarkedMap:
    if isinstance(value, MarkedMap):
        return value
    result = MarkedMap(at)
    for name, name_at in value.marked():
        result.put(name, None, name_at, name_at)
    return result


def _grants(value: MarkedList, at: Mark, _place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in value.marked():
        entry = MarkedMap(item_at)
        entry.update(item if isinstance(item, MarkedMap) else {"source": item})
        if "mode" in entry:
            entry["mode"] = _mode(entry["mode"], item_at)
        result.add(entry, item_at)
    return result


def _mode(value: Any, at: Mark) -> int:
    try:
        return value if isinstance(value, int) else int(str(value), 8)
    except ValueError:
        raise at.problem(f'"{value}" is not a file mode', hint='write it in octal: "0440"') from None


def _secrets(value: MarkedList, at: Mark, place: Place) -> MarkedList:
    result = _grants(value, at, place)
    for entry in result:
        entry.setdefault("target", f"/run/secrets/{entry.get('source', '')}")
    return result


def _devices(value: MarkedList, at: Mark, _place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in value.marked():
        entry = MarkedMap(item_at)
        if isinstance(item, MarkedMap):
            entry.update(item)
            entry.setdefault("target", entry["source"])
        else:
            source, _, rest = str(item).partition(":")
            target, _, permissions = rest.partition(":")
            entry.update({"source": source, "target": target or source})
            if permissions:
                entry["permissions"] = permissions
        entry.setdefault("permissions", "rwm")
        result.add(entry, item_at)
    return result


def _ports(value: MarkedList, at: Mark, _place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in value.marked():
        for entry in portspecs.long_form(item, item_at):
            result.add(entry, item_at)
    return result


def _mounts(value: MarkedList, at: Mark, place: Place) -> MarkedList:
    result = MarkedList(at)
    for item, item_at in value.marked():
        result.add(mounts.long_form(item, item_at, place.path), item_at)
    return result


def _named(tree: MarkedMap, place: Place) -> MarkedMap:
    result = _converted(tree, {"labels": _labels}, place)
    external = result.get("external")
    if isinstance(external, MarkedMap):
        if external.get("name") and not result.get("name"):
            result.put_like("name", external["name"], result, "external")
        result["external"] = True
    return result


def _filed(tree: MarkedMap, place: Place) -> MarkedMap:
    result = _named(tree, place)
    if result.get("file"):
        result["file"] = place.path(result["file"])
    return result


_TOP = {"networks": _named, "volumes": _named, "secrets": _filed, "configs": _filed}
_BUILD: dict[str, Convert] = {
    "args": _pairs,
    "labels": _labels,
    "extra_hosts": _extra_hosts,
    "secrets": _secrets,
}
_SERVICE: dict[str, Convert] = {
    "annotations": _labels,
    "build": _build,
    "command": _words,
    "configs": _grants,
    "depends_on": _depends_on,
    "devices": _devices,
    "dns": _list,
    "dns_search": _list,
    "entrypoint": _words,
    "env_file": _env_file,
    "environment": _pairs,
    "expose": _texts,
    "extends": _extends,
    "extra_hosts": _extra_hosts,
    "group_add": _texts,
    "healthcheck": _healthcheck,
    "label_file": _paths,
    "labels": _labels,
    "networks": _networks,
    "ports": _ports,
    "secrets": _secrets,
    "sysctls": _labels,
    "tmpfs": _list,
    "volumes": _mounts,
}
