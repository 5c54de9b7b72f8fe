"""The normalised project as `config` prints it: Docker Compose's key order, defaults and quoting. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from pier.compose import configorder
from pier.compose.yamltree import scalar

_SERVICE_ORDER = configorder.SERVICE.split()
_BYTES = ("mem_limit", "mem_reservation", "memswap_limit", "shm_size", "memory", "size", "mem_swappiness")
_FALSE_OMITTED = (
    "privileged",
    "read_only",
    "tty",
    "stdin_open",
    "external",
    "internal",
    "attachable",
    "nocopy",
    "restart",
)
_KEPT_EMPTY = ("bind", "volume", "tmpfs", "command", "entrypoint", "default")


def normalised(model: dict[str, Any], services: Iterable[str], *, everything: bool = False) -> dict[str, Any]:
    """The printable form of *model* with these *services* and the resources they use, or *everything*."""
    chosen = {name: model["services"][name] for name in sorted(services)}
    result: dict[str, Any] = {"name": model["name"]}
    result["services"] = {name: _service(item) for name, item in chosen.items()}
    for kind, order in configorder.RESOURCES.items():
        used = _used(kind, chosen.values())
        found = {
            key: _sorted(item, order.split(), "")
            for key, item in sorted((model.get(kind) or {}).items())
            if everything or key in used
        }
        if found:
            result[kind] = found
    result.update({key: value for key, value in sorted(model.items()) if key.startswith("x-")})
    return result


def yaml_text(value: dict[str, Any]) -> str:
    """*value* as YAML: two spaces, lists indented under their key, texts quoted where needed."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=1 << 30, allow_unicode=True
    )


def json_text(value: dict[str, Any]) -> str:
    """*value* as indented JSON with sorted top level, as `config --format json` prints it."""
    document = json.loads(json.dumps(value))
    for item in document.get("services", {}).values():
        item.setdefault("command", None)
        item.setdefault("entrypoint", None)
    for item in document.get("networks", {}).values():
        item.setdefault("ipam", {})
    ordered = {key: document[key] for key in sorted(document) if not key.startswith("x-")}
    ordered["services"] = {name: _sorted_like_service(item) for name, item in ordered["services"].items()}
    return json.dumps(ordered, indent=2, ensure_ascii=False)


def _sorted_like_service(item: dict[str, Any]) -> dict[str, Any]:
    rank = {key: index for index, key in enumerate(_SERVICE_ORDER)}
    return {
        key: item[key] for key in sorted(item, key=lambda key: rank.get(key, len(rank))) if not key.startswith("x-")
    }


def _used(kind: str, services: Iterable[dict[str, Any]]) -> set[str]:
    names: set[str] = set()
    for service in services:
        if kind == "networks":
            names.update(service.get("networks") or ())
        elif kind == "volumes":
            names.update(item.get("source", "") for item in service.get("volumes") or () if item["type"] == "volume")
        else:
            names.update(item["source"] for item in service.get(kind) or ())
            if kind == "secrets":
                names.update(item["source"] for item in (service.get("build") or {}).get("secrets") or ())
    return names


def _service(item: dict[str, Any]) -> dict[str, Any]:
    shown = dict(item)
    if "extra_hosts" in shown:
        shown["extra_hosts"] = [
            f"{name}={address}" for name, found in shown["extra_hosts"].items() for address in found
        ]
    return _sorted(shown, _SERVICE_ORDER, "")


def _sorted(value: dict[str, Any], order: Iterable[str], path: str) -> dict[str, Any]:
    rank = {key: index for index, key in enumerate(order)}
    known = sorted(value, key=lambda key: (rank.get(key, len(rank)), key))
    result: dict[str, Any] = {}
    for key in known:
        item = value[key]
        if item is None and key in rank or (item is False and key in _FALSE_OMITTED):
            continue
        if item in ({}, [], "") and key in rank and key not in _KEPT_EMPTY:
            continue
        if key == "create_host_path" and item is True:
            continue
        result[key] = _value(key, item, f"{path}.{key}" if path else key)
    return result


def _value(key: str, item: Any, path: str) -> Any:
    if key.startswith("x-"):
        return item
    if isinstance(item, dict):
        return _sorted(item, _order(path), path)
    if isinstance(item, list):
        listed = f"{path}.[]"
        found = [_sorted(one, _order(listed), listed) if isinstance(one, dict) else one for one in item]
        return sorted(found) if key == "extra_hosts" else found
    if key in _BYTES and isinstance(item, int):
        return str(item)
    if key == "mode" and isinstance(item, int) and path.split(".")[0] in ("secrets", "configs"):
        return f"0{item:o}"
    return item


def _order(path: str) -> list[str]:
    if path in configorder.PARTS:
        return configorder.PARTS[path].split()
    head, _, _ = path.rpartition(".")
    return configorder.PARTS.get(f"{head}.*", "").split()


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists under their key."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_OLD_WORDS = re.compile(r"y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF|<<|=")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?")


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    ambiguous = (
        not isinstance(scalar(text), str)
        or any(pattern.fullmatch(text) for pattern in (_OLD_WORDS, _BASE_60, _DATE))
        or text.lower() in (".inf", "-.inf", "+.inf", ".nan")
    )
    style = "|" if "\n" in text else '"' if ambiguous else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(type(None), lambda dumper, _value: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
