"""`pier container|image|network|volume|system prune`: what nobody uses is removed, after a question.

Named volumes are never taken without being asked for.
"""

from __future__ import annotations

import sys
import time

from pier.cli.options import Command, filters, flag, refused, values
from pier.cli.session import confirm
from pier.engine.filters import has_labels
from pier.errors import Invalid
from pier.model.quantities import decimal_size
from pier.model.record import Record
from pier.ui import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine

    Keep = Callable[[str, Mapping[str, str]], bool]

_KEYS = ("label", "label!", "until")


class Reclaimed(Record):
    """Lines to print below a title, and the bytes given back."""

    title: str
    lines: tuple[str, ...] = ()
    bytes: int = 0


def prune_containers(session: Session, arguments: Arguments) -> int:
    """Remove stopped containers."""
    return _asked(session, arguments, "all stopped containers", lambda: [_containers(session.engine, _keep(arguments))])


def prune_images(session: Session, arguments: Arguments) -> int:
    """Remove dangling images; with --all every image without a container."""
    everything = _everything(arguments)
    what = "all images without at least one container associated to them" if everything else "all dangling images"
    return _asked(
        session, arguments, what, lambda: [_images(session.engine, _keep(arguments), everything=everything)]
    )


def prune_networks(session: Session, arguments: Arguments) -> int:
    """Remove networks without containers."""
    what = "all custom networks not used by at least one container"
    return _asked(session, arguments, what, lambda: [_networks(session.engine, _keep(arguments))], total=False)


def prune_volumes(session: Session, arguments: Arguments) -> int:
    """Remove unused anonymous volumes; with --all named ones too."""
    everything = _everything(arguments)
    what = f"{'all' if everything else 'anonymous'} local volumes not used by at least one container"
    return _asked(
        session, arguments, what, lambda: [_volumes(session.engine, _keep(arguments), everything=everything)]
    )


def prune_system(session: Session, arguments: Arguments) -> int:
    """All of it: containers, networks, images, volumes where asked for, and unless a filter spares some, the cache."""
    everything, volumes = arguments.flag("all"), arguments.flag("volumes")
    images = "images without at least one container associated to them" if everything else "dangling images"
    items = ["all stopped containers", "all networks not used by at least one container"]
    items += ["all anonymous volumes not used by at least one container"] if volumes else []
    whole = not arguments.given("filter")
    items += [f"all {images}"] + (["all build cache"] if whole else [])
    question = "\n".join(["", *(f"  - {item}" for item in items), ""])

    def work() -> list[Reclaimed]:
        engine, keep = session.engine, _keep(arguments)
        done = [_containers(engine, keep), _networks(engine, keep)]
        done += [_volumes(engine, keep, everything=False)] if volumes else []
        done.append(_images(engine, keep, everything=everything))
        return [*done, _cache(engine)] if whole else done

    return _asked(session, arguments, question, work)


def prune_cache(session: Session, arguments: Arguments) -> int:
    """Forget all build steps; layers that an image holds stay with it."""
    return _asked(session, arguments, "all build cache", lambda: [_cache(session.engine)])


def _everything(arguments: Arguments) -> bool:
    """--all, or Docker's older way to say the same: `--filter all=1`, `--filter dangling=false`."""
    wanted = filters(arguments.texts("filter"))
    truths = ("1", "t", "true")
    return (
        arguments.flag("all")
        or wanted.get("all", ("",))[-1].lower() in truths
        or wanted.get("dangling", ("true",))[-1].lower() not in truths
    )


def _asked(
    session: Session, arguments: Arguments, what: str, work: Callable[[], list[Reclaimed]], *, total: bool = True
) -> int:
    _keep(arguments)
    warning = f"WARNING! This will remove {what}." if "\n" not in what else f"WARNING! This will remove:{what}"
    if not arguments.flag("force") and not confirm(f"{warning}\nAre you sure you want to continue? [y/N] "):
        return 0
    given_back = 0
    for part in work():
        given_back += part.bytes
        if part.lines:
            sys.stdout.write(f"{part.title}:\n" + "".join(f"{line}\n" for line in part.lines) + "\n")
    if total:
        sys.stdout.write(f"Total reclaimed space: {decimal_size(given_back)}\n")
    return 0


def _keep(arguments: Arguments) -> Keep:
    """True for what --filter spares: (RFC 3339 creation time, labels). Invalid for unknown filters."""
    wanted = filters(arguments.texts("filter"))
    for key in wanted:
        if key not in (*_KEYS, "all", "dangling"):
            raise Invalid(f"invalid filter '{key}'", hint="label=…, label!=… or until=…")
    limit = None
    if "until" in wanted:
        from pier.cli.moments import moment

        limit = min(moment(text, time.time()) for text in wanted["until"])

    def spared(created: str, labels: Mapping[str, str]) -> bool:
        if limit is not None and times.epoch(created) >= limit:
            return True
        if not has_labels(wanted.get("label", ()), labels):
            return True
        return any(has_labels((text,), labels) for text in wanted.get("label!", ()))

    return spared


def _containers(engine: Engine, keep: Keep) -> Reclaimed:
    from pier.engine import lifecycle
    from pier.engine.disk import tree_bytes
    from pier.engine.listing import containers

    removed, size = [], 0
    for found in containers(engine, all=True):
        if found.state.status not in ("created", "exited", "dead") or keep(found.spec.created, found.spec.labels):
            continue
        size += tree_bytes(engine.paths.container(found.id) + "/upper")
        lifecycle.remove(engine, found.id)
        removed.append(found.id)
    return Reclaimed(title="Deleted Containers", lines=tuple(removed), bytes=size)


def _images(engine: Engine, keep: Keep, *, everything: bool) -> Reclaimed:
    from pier.engine.images import prune

    removed = prune(engine, everything=everything, keep=lambda image: keep(image.created, image.config.labels))
    lines = [f"untagged: {name}" for name in removed.untagged] + [f"deleted: {digest}" for digest in removed.deleted]
    return Reclaimed(title="Deleted Images", lines=tuple(lines), bytes=removed.bytes)


def _networks(engine: Engine, keep: Keep) -> Reclaimed:
    from pier.engine import networks

    removed = networks.prune(engine, keep=lambda network: keep(network.created, network.labels))
    return Reclaimed(title="Deleted Networks", lines=tuple(removed))


def _volumes(engine: Engine, keep: Keep, *, everything: bool) -> Reclaimed:
    from pier.engine import volumes
    from pier.engine.disk import tree_bytes

    sizes = {volume.name: tree_bytes(volume.mount_point) for volume in volumes.list(engine)}
    removed = volumes.prune(
        engine, everything=everything, keep=lambda volume: keep(volume.created, volume.labels)
    )
    size = sum(sizes.get(name, 0) for name in removed)
    return Reclaimed(title="Deleted Volumes", lines=tuple(removed), bytes=size)


def _cache(engine: Engine) -> Reclaimed:
    from pier.build import cache
    from pier.images.collect import collect

    cache.forget(engine.images)
    return Reclaimed(title="Deleted build cache objects", bytes=collect(engine.images).bytes)


_FORCE = flag("force", "f", "Do not prompt for confirmation")
_FILTER = values("filter", help='Provide filter values (e.g. "until=24h", "label=<key>=<value>")', kind="filter")

CONTAINERS = Command(run=prune_containers, usage="[OPTIONS]", options=(_FORCE, _FILTER))
IMAGES = Command(
    run=prune_images,
    usage="[OPTIONS]",
    options=(flag("all", "a", "Remove all unused images, not just dangling ones"), _FORCE, _FILTER),
)
CACHE = Command(
    run=prune_cache,
    usage="[OPTIONS]",
    options=(
        flag("all", "a", "Accepted for Docker's sake: all of it is unused"),
        _FORCE,
        refused("filter", "the build cache goes or stays as a whole"),
        refused("keep-storage", "the build cache goes or stays as a whole"),
    ),
)
NETWORKS = Command(run=prune_networks, usage="[OPTIONS]", options=(_FORCE, _FILTER))
VOLUMES = Command(
    run=prune_volumes,
    usage="[OPTIONS]",
    options=(flag("all", "a", "Remove all unused volumes, not just anonymous ones"), _FORCE, _FILTER),
)
SYSTEM = Command(
    run=prune_system,
    usage="[OPTIONS]",
    options=(
        flag("all", "a", "Remove all unused images not just dangling ones"),
        _FORCE,
        _FILTER,
        flag("volumes", help="Prune anonymous volumes"),
    ),
)
