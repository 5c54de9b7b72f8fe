"""A compose `ports:` item in long form (Compose specification, "Ports"). Opens nothing."""

from __future__ import annotations

from typing import Any

from pier.compose.check import text_of
from pier.compose.source import Mark, MarkedMap
from pier.errors import Invalid
from pier.model.ports import PortBinding, parse_publish


def long_form(item: Any, at: Mark) -> list[MarkedMap]:
    """The long forms of one item: one for each container port it names."""
    if isinstance(item, MarkedMap):
        return [_completed(item, at)]
    try:
        bindings = parse_publish(text_of(item))
    except Invalid as exc:
        hint = exc.hint.replace("-p ", "") or 'write "HOST_PORT:CONTAINER_PORT", such as "8000:80"'
        raise at.problem(f"ports: {exc.message}", why=exc.why, hint=hint) from exc
    return [_entry(binding, at) for binding in bindings]


def binding(entry: dict[str, Any]) -> PortBinding:
    """What the engine is asked for; Invalid when the published port is no port or range."""
    host, target = entry.get("published") or "", int(entry["target"])
    address = entry.get("host_ip") or ""
    address = f"[{address}]" if ":" in address else address
    text = f"{address}:{host}:{target}" if address else f"{host}:{target}" if host else str(target)
    return parse_publish(f"{text}/{entry.get('protocol') or 'tcp'}")[0]


def _completed(item: MarkedMap, at: Mark) -> MarkedMap:
    if "target" not in item:
        raise at.problem("ports: `target` is missing", why="it is the port inside the container")
    entry = MarkedMap(at)
    for key in ("name", "mode", "host_ip", "target", "published", "protocol", "app_protocol"):
        if item.get(key) not in (None, ""):
            entry[key] = text_of(item[key]) if key == "published" else item[key]
    entry.setdefault("mode", "ingress")
    entry.setdefault("protocol", "tcp")
    entry.update({key: value for key, value in item.items() if key.startswith("x-")})
    try:
        binding(entry)
    except Invalid as exc:
        raise at.problem(f"ports: {exc.message}", why=exc.why) from exc
    return entry


def _entry(found: PortBinding, at: Mark) -> MarkedMap:
    entry = MarkedMap(at)
    entry["mode"] = "ingress"
    if found.host_ip:
        entry["host_ip"] = found.host_ip
    entry["target"] = found.container_port
    if found.host_port:
        last = found.host_port_end
        entry["published"] = f"{found.host_port}-{last}" if last > found.host_port else str(found.host_port)
    entry["protocol"] = found.protocol
    return entry
