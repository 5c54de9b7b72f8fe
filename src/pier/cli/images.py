"""`pier images`, `rmi` and `tag`. On the hot path; fetches nothing."""

from __future__ import annotations

import sys
import time

from pier.cli.options import Command, filters, flag, list_format, refused, values
from pier.errors import Invalid
from pier.model import reference
from pier.model.quantities import decimal_size
from pier.model.record import Record
from pier.ui import times
from pier.ui.listing import Fields, listing
from pier.ui.trimming import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.images.store import ImageStore
    from pier.model.image import Image

NONE = "<none>"
HEADERS = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "VirtualSize": "SIZE",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}


class Line(Record):
    """One row: an image under one of its names."""

    image: Image
    repository: str = NONE
    tag: str = NONE
    digest: str = NONE


def images(session: Session, arguments: Arguments) -> int:
    """Print the images asked for, newest first, one line for each name."""
    store = session.engine.images
    found = _filtered(store, filters(arguments.texts("filter")))
    pattern = arguments.positionals[0] if arguments.positionals else ""
    lines = [line for image in found for line in _lines(image)]
    if pattern:
        lines = [line for line in lines if _is_named(line, pattern)]
    whole, chosen = arguments.flag("no-trunc"), arguments.text("format")
    if arguments.flag("quiet") and not chosen:
        sys.stdout.write("".join((line.image.id if whole else short_id(line.image.id)) + "\n" for line in lines))
        return 0
    digest = ("Digest",) if arguments.flag("digests") else ()
    getters = _getters(time.time(), no_trunc=whole)
    sys.stdout.write(
        listing(
            [Fields(getters, line) for line in lines],
            chosen,
            headers=HEADERS,
            columns=("Repository", "Tag", *digest, "ID", "CreatedSince", "Size"),
            type_name="*formatter.imageContext",
        )
    )
    return 0


def _getters(now: float, *, no_trunc: bool) -> dict[str, Callable[[Line], Any]]:
    return {
        "Containers": lambda line: "N/A",
        "CreatedAt": lambda line: times.local(times.epoch(line.image.created)),
        "CreatedSince": lambda line: times.ago(times.epoch(line.image.created), now) if line.image.created else "N/A",
        "Digest": lambda line: line.digest,
        "ID": lambda line: line.image.id if no_trunc else short_id(line.image.id),
        "Repository": lambda line: line.repository,
        "SharedSize": lambda line: "N/A",
        "Size": lambda line: decimal_size(line.image.size, 3),
        "Tag": lambda line: line.tag,
        "UniqueSize": lambda line: "N/A",
        "VirtualSize": lambda line: decimal_size(line.image.size, 3),
    }


def _lines(image: Image) -> list[Line]:
    digests = {ref.familiar_repository: ref.digest for ref in map(reference.parse, image.repo_digests)}
    lines = []
    for ref in map(reference.parse, image.repo_tags):
        repository = ref.familiar_repository
        lines.append(Line(image=image, repository=repository, tag=ref.tag, digest=digests.get(repository, NONE)))
    if not lines:
        lines = [Line(image=image, repository=name, digest=digest) for name, digest in digests.items()]
    return lines or [Line(image=image)]


def _is_named(line: Line, pattern: str) -> bool:
    """`alpine`, `alpine:3`, or a pattern with `*`, against the name as shown or as typed in full."""
    if line.repository == NONE:
        return False
    shown = line.repository
    full = reference.parse(shown).repository
    name, _, tag = pattern.partition(":") if "/" not in pattern.rpartition(":")[2] else (pattern, "", "")
    return any(_glob(name, text) for text in (shown, full)) and (not tag or _glob(tag, line.tag))


def _glob(pattern: str, text: str) -> bool:
    """Shell patterns in which `*` stops at a slash (Go's path.Match)."""
    if not set(pattern) & set("*?["):
        return pattern == text
    from fnmatch import fnmatchcase

    parts, words = pattern.split("/"), text.split("/")
    return len(parts) == len(words) and all(map(fnmatchcase, words, parts))


def _filtered(store: ImageStore, wanted: Mapping[str, tuple[str, ...]]) -> list[Image]:
    found = store.list()
    for key, texts in wanted.items():
        check = _CHECKS.get(key)
        if check is None:
            raise Invalid(f"invalid filter '{key}'", hint="one of " + ", ".join(sorted(_CHECKS)))
        keep = check(store, texts)
        found = [image for image in found if keep(image)]
    return found


def _dangling(_store: ImageStore, texts: tuple[str, ...]) -> Callable[[Image], bool]:
    for text in texts:
        if text.lower() not in ("1", "true", "t", "0", "false", "f"):
            raise Invalid(f"invalid filter 'dangling=[{text}]'", hint="true or false")
    wanted = texts[-1].lower() in ("1", "true", "t")
    return lambda image: image.dangling == wanted


def _label(_store: ImageStore, texts: tuple[str, ...]) -> Callable[[Image], bool]:
    from pier.engine.filters import has_labels

    return lambda image: has_labels(texts, image.config.labels)


def _reference(_store: ImageStore, texts: tuple[str, ...]) -> Callable[[Image], bool]:
    return lambda image: any(_is_named(line, text) for line in _lines(image) for text in texts)


def _before(store: ImageStore, texts: tuple[str, ...]) -> Callable[[Image], bool]:
    moment = min(times.epoch(store.resolve(text).created) for text in texts)
    return lambda image: times.epoch(image.created) < moment


def _since(store: ImageStore, texts: tuple[str, ...]) -> Callable[[Image], bool]:
    moment = max(times.epoch(store.resolve(text).created) for text in texts)
    return lambda image: times.epoch(image.created) > moment


def _until(_store: ImageStore, texts: tuple[str, ...]) -> Callable[[Image], bool]:
    from pier.cli.moments import moment

    limit = min(moment(text, time.time()) for text in texts)
    return lambda image: times.epoch(image.created) < limit


_CHECKS: dict[str, Callable[[ImageStore, tuple[str, ...]], Callable[[Image], bool]]] = {
    "dangling": _dangling,
    "label": _label,
    "reference": _reference,
    "before": _before,
    "since": _since,
    "until": _until,
}


def remove(session: Session, arguments: Arguments) -> int:
    """Untag or delete each image, saying which."""
    from pier.engine.images import remove as remove_image

    engine, force = session.engine, arguments.flag("force")

    def act(name: str) -> str:
        removed = remove_image(engine, name, force=force)
        return "\n".join(removed_lines(removed.untagged, removed.deleted))

    return session.each(arguments.positionals, act)


def removed_lines(untagged: Iterable[str], deleted: Iterable[str]) -> list[str]:
    """`Untagged: alpine:latest` and `Deleted: sha256:…`."""
    return [*(f"Untagged: {name}" for name in untagged), *(f"Deleted: {digest}" for digest in deleted)]


def tag(session: Session, arguments: Arguments) -> int:
    """Give an image one more name."""
    source, target = arguments.positionals
    store = session.engine.images
    store.tag(store.resolve(source).id, target)
    return 0


IMAGES = Command(
    run=images,
    usage="[OPTIONS] [REPOSITORY[:TAG]]",
    arguments=(0, 1),
    options=(
        flag("all", "a", "Show all images; pier keeps no intermediate ones"),
        flag("digests", help="Show digests"),
        values("filter", "f", "Filter output based on conditions provided", kind="filter"),
        list_format(),
        flag("no-trunc", help="Don't truncate output"),
        flag("quiet", "q", "Only show image IDs"),
        refused("tree", "pier keeps one platform of an image", kind="bool"),
    ),
)
REMOVE = Command(
    run=remove,
    usage="[OPTIONS] IMAGE [IMAGE...]",
    arguments=(1, None),
    options=(
        flag("force", "f", "Force removal of the image"),
        flag("no-prune", help="Accepted for Docker's sake: pier keeps no untagged parents"),
        refused("platform", "pier keeps one platform of an image"),
    ),
)
TAG = Command(run=tag, usage="SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", arguments=(2, 2))
