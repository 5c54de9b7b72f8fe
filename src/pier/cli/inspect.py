"""`pier inspect` and the `inspect` of each kind of object. On the hot path; changes nothing."""

from __future__ import annotations

import sys

from pier.cli.exits import describe
from pier.cli.options import Command, Misuse, flag, object_format, refused, value
from pier.cli.session import say
from pier.errors import Invalid, NotFound, PierError
from pier.ui import jsonout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine
    from pier.ui.gotemplate import Template

    Look = Callable[[Engine, str, bool], dict[str, Any]]


def _container(engine: Engine, name: str, size: bool) -> dict[str, Any]:
    from pier.engine import inspect, listing

    return inspect.container(engine, listing.find(engine, name), size=size)


def _image(engine: Engine, name: str, _size: bool) -> dict[str, Any]:
    from pier.engine import inspect

    return inspect.image(engine, engine.images.resolve(name))


def _network(engine: Engine, name: str, _size: bool) -> dict[str, Any]:
    from pier.engine import inspect, networks

    return inspect.network(engine, networks.find(engine, name))


def _volume(engine: Engine, name: str, _size: bool) -> dict[str, Any]:
    from pier.engine import inspect, volumes

    return inspect.volume(volumes.find(engine, name))


# In the order in which Docker's client tries them.
_KINDS: dict[str, Look] = {"container": _container, "image": _image, "network": _network, "volume": _volume}


def inspect_any(session: Session, arguments: Arguments) -> int:
    """Objects of any kind, or of the one that --type names."""
    kind = arguments.text("type")
    if kind and kind not in _KINDS:
        known = ", ".join(f'"{name}"' for name in _KINDS)
        raise Misuse(f'unknown type: "{kind}": must be one of {known}', 1)
    return _show(session, arguments, [_KINDS[kind]] if kind else list(_KINDS.values()), size=arguments.flag("size"))


def _show(session: Session, arguments: Arguments, looks: Sequence[Look], *, size: bool = False) -> int:
    chosen = arguments.text("format")
    template = _template(chosen)
    engine = session.engine
    shapes: list[dict[str, Any]] = []
    problems: list[PierError] = []
    for name in arguments.positionals:
        try:
            shapes.append(_find(engine, name, looks, size))
        except PierError as exc:
            problems.append(exc)
    if template is None:
        sys.stdout.write((jsonout.compact(shapes) if chosen == "json" else jsonout.indented(shapes)) + "\n")
    else:
        for shape in shapes:
            sys.stdout.write(template.render(shape) + "\n")
    sys.stdout.flush()
    for problem in problems:
        say(describe(problem))
    return 1 if problems else 0


def _template(chosen: str) -> Template | None:
    if chosen in ("", "json"):
        return None
    from pier.ui.gotemplate import Template

    return Template(chosen)


def _find(engine: Engine, name: str, looks: Sequence[Look], size: bool) -> dict[str, Any]:
    for look in looks:
        try:
            return look(engine, name, size)
        except NotFound:
            if len(looks) == 1:
                raise
        except Invalid:
            # What cannot name an image may well name a network.
            if len(looks) == 1:
                raise
    raise NotFound(f"No such object: {name}", hint="pier ps -a, pier images, pier volume ls, pier network ls")


def _one_kind(look: Look) -> Callable[[Session, Arguments], int]:
    return lambda session, arguments: _show(session, arguments, [look])


def container(session: Session, arguments: Arguments) -> int:
    """Containers only."""
    return _show(session, arguments, [_container], size=arguments.flag("size"))


_SIZE = flag("size", "s", "Display total file sizes if the type is container")

ANY = Command(
    run=inspect_any,
    usage="[OPTIONS] NAME|ID [NAME|ID...]",
    arguments=(1, None),
    options=(object_format(), _SIZE, value("type", help="Only inspect objects of the given type")),
)
CONTAINER = Command(
    run=container,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arguments=(1, None),
    options=(object_format(), flag("size", "s", "Display total file sizes")),
)
IMAGE = Command(
    run=_one_kind(_image),
    usage="[OPTIONS] IMAGE [IMAGE...]",
    arguments=(1, None),
    options=(object_format(), refused("platform", "pier keeps one platform of an image")),
)
NETWORK = Command(
    run=_one_kind(_network),
    usage="[OPTIONS] NETWORK [NETWORK...]",
    arguments=(1, None),
    options=(object_format(), flag("verbose", "v", "Accepted for Docker's sake: pier has no swarm to tell of")),
)
VOLUME = Command(
    run=_one_kind(_volume),
    usage="[OPTIONS] VOLUME [VOLUME...]",
    arguments=(1, None),
    options=(object_format(),),
)
