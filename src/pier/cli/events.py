"""`pier events`: what has happened in this store, and what happens from now on. Changes nothing."""

from __future__ import annotations

import os
import sys
import time

from pier.cli.moments import moment
from pier.cli.options import Command, filters, object_format, value, values
from pier.errors import Invalid
from pier.state import journal
from pier.ui import jsonout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session

    Event = Mapping[str, Any]

_POLL_SECONDS = 0.1
_KINDS = ("container", "image", "network", "volume")


def events(session: Session, arguments: Arguments) -> int:
    """Print past events from --since on, then new ones until --until or an interrupt."""
    now = time.time()
    since = _moment(arguments.text("since"), now)
    until = _moment(arguments.text("until"), now)
    keep = _condition(filters(arguments.texts("filter")))
    show = _shower(arguments.text("format"))
    for event in _stream(session.paths.events, since, until):
        if keep(event):
            sys.stdout.write(show(event) + "\n")
            sys.stdout.flush()
    return 0


def _moment(text: str, now: float) -> float | None:
    return moment(text, now) if text else None


def _stream(path: str, since: float | None, until: float | None) -> Iterator[Event]:
    offset = _end(path) if since is None else 0
    while True:
        for position, event in journal.read(path, offset):
            offset = position
            at = event["timeNano"] / 1e9
            if until is not None and at >= until:
                return
            if since is None or at >= since:
                yield event
        if until is not None and time.time() >= until:
            return
        time.sleep(_POLL_SECONDS)


def _end(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _condition(wanted: dict[str, tuple[str, ...]]) -> Callable[[Event], bool]:
    checks = [_check(key, texts) for key, texts in wanted.items()]
    return lambda event: all(check(event) for check in checks)


def _check(key: str, texts: tuple[str, ...]) -> Callable[[Event], bool]:
    from pier.engine.filters import has_labels

    if key == "type":
        return lambda event: event["Type"] in texts
    if key == "event":
        return lambda event: str(event["Action"]).partition(":")[0] in texts
    if key == "label":
        return lambda event: has_labels(texts, event["Actor"]["Attributes"])
    if key == "scope":
        return lambda event: event["scope"] in texts
    if key in _KINDS:
        return lambda event: _concerns(event, key, texts)
    known = ", ".join(("event", "label", "scope", "type", *_KINDS))
    raise Invalid(f"invalid filter '{key}'", hint=f"one of {known}")


def _concerns(event: Event, kind: str, texts: tuple[str, ...]) -> bool:
    actor = event["Actor"]
    names = (actor["ID"], actor["Attributes"].get("name", ""))
    if kind == "image" and event["Type"] == "container":
        return str(actor["Attributes"].get("image", "")) in texts
    return bool(event["Type"] == kind) and any(text in names or names[0].startswith(text) for text in texts)


def _shower(chosen: str) -> Callable[[Event], str]:
    if not chosen:
        return line_of
    if chosen == "json":
        return lambda event: jsonout.compact(dict(event))
    from pier.ui.gotemplate import Template

    template = Template(chosen)
    return lambda event: template.render({"ID": event["Actor"]["ID"], "Status": event["Action"], **event})


def line_of(event: Event) -> str:
    """`2026-01-02T03:04:05.000000006+01:00 container start ID (image=alpine, name=web)`."""
    seconds, nanos = divmod(event["timeNano"], 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{nanos:09}{zone[:3]}:{zone[3:]}"
    told = ", ".join(f"{key}={text}" for key, text in sorted(event["Actor"]["Attributes"].items()))
    return f"{stamp} {event['Type']} {event['Action']} {event['Actor']['ID']}" + (f" ({told})" if told else "")


EVENTS = Command(
    run=events,
    usage="[OPTIONS]",
    options=(
        values("filter", "f", "Filter output based on conditions provided", kind="filter"),
        object_format().replace(short=""),
        value("since", help="Show all events created since timestamp"),
        value("until", help="Stream events until this timestamp"),
    ),
)
