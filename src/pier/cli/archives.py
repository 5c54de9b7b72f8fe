"""`pier save`, `load`, `import` and `history`: images as archives, and how they came about."""

from __future__ import annotations

import os
import sys
import time

from pier.cli.options import Command, flag, list_format, refused, value, values
from pier.errors import Invalid, NotFound, PierError, Unsupported
from pier.model.quantities import decimal_size
from pier.model.record import Record
from pier.ui import times
from pier.ui.listing import Fields, listing
from pier.ui.trimming import ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.model.image import History, Image

_ONE_PLATFORM = "pier keeps one platform of an image"
_WIDTH = 45
HEADERS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}


def save(session: Session, arguments: Arguments) -> int:
    """Write images as one archive."""
    from pier.cli.snapshot import write_archive
    from pier.images import archive

    store, names = session.engine.images, arguments.positionals
    write_archive(arguments.text("output"), lambda stream: archive.save(store, names, stream))
    return 0


def load(session: Session, arguments: Arguments) -> int:
    """Take the images of an archive in, and name them."""
    from pier.images import archive

    path = arguments.text("input")
    if not path and sys.stdin.isatty():
        raise Invalid("requested load from stdin, but stdin is empty", hint="pier load -i FILE")
    with _opened(path) as stream:
        loaded = archive.load(session.engine.images, stream)
    for image, names in loaded:
        session.engine.record("image", "load", image.id, name=image.id)
        lines = [f"Loaded image: {tag}" for tag in names] or [f"Loaded image ID: {image.id}"]
        sys.stdout.write("".join(line + "\n" for line in lines))
    return 0


def _opened(path: str) -> BinaryIO:
    """The file, or standard input for "" and "-". NotFound."""
    if path in ("", "-"):
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except FileNotFoundError as exc:
        raise NotFound(f"open {path}: no such file or directory") from exc
    except OSError as exc:
        raise PierError(f"cannot read {path}", why=str(exc)) from exc


def import_archive(session: Session, arguments: Arguments) -> int:
    """Print the id of an image whose one layer is the archive."""
    from pier.build import changes
    from pier.images import ingest, manifest
    from pier.model.image import History, ImageConfig

    source, *target = arguments.positionals
    if source.startswith(("http://", "https://")):
        raise Unsupported("importing from a URL is not supported", hint=f"curl -L {source} | pier import -")
    store = session.engine.images
    config = changes.apply(ImageConfig(), arguments.texts("change"))
    chosen = arguments.text("platform")
    platform = manifest.parse_platform(chosen) if chosen else manifest.platform_of(os.uname().machine)
    comment = arguments.text("message") or f"Imported from {source}"
    with store.layout.ingesting(), _opened(source) as stream:
        layer = ingest.add_layer_from_tar(store, stream)
        whole = {
            "architecture": platform.architecture,
            "os": platform.os,
            "config": config.to_oci(),
            "history": [History(comment=comment, created=_now()).to_oci()],
        }
        image = ingest.add_image(store, whole, (layer,), tags=target)
    session.engine.record("image", "import", image.id, name=image.id)
    sys.stdout.write(image.id + "\n")
    return 0


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Line(Record):
    """One step of an image; *id* is known for the last one only."""

    step: History
    id: str = "<missing>"
    size: int = 0


def history(session: Session, arguments: Arguments) -> int:
    """Print the steps that made the image, newest first."""
    store = session.engine.images
    image = store.resolve(arguments.positionals[0])
    lines = _lines(image, [layer.unpacked_size for layer in store.layers(image)])
    whole = arguments.flag("no-trunc")
    if arguments.flag("quiet"):
        sys.stdout.write("".join((line.id if whole else short_id(line.id)) + "\n" for line in lines))
        return 0
    getters = _getters(time.time(), no_trunc=whole, human=arguments.flag("human"))
    sys.stdout.write(
        listing(
            [Fields(getters, line) for line in lines],
            arguments.text("format"),
            headers=HEADERS,
            columns=("ID", "CreatedSince" if arguments.flag("human") else "CreatedAt", "CreatedBy", "Size", "Comment"),
            type_name="*formatter.historyContext",
        )
    )
    return 0


def _lines(image: Image, sizes: list[int]) -> list[Line]:
    left = iter(sizes)
    lines = [Line(step=step, size=0 if step.empty_layer else next(left, 0)) for step in image.history]
    if lines:
        lines[-1] = lines[-1].replace(id=image.id)
    return lines[::-1]


def _getters(now: float, *, no_trunc: bool, human: bool) -> dict[str, Callable[[Line], Any]]:
    def created_by(line: Line) -> str:
        text = line.step.created_by.replace("\t", " ")
        return text if no_trunc else ellipsis(text, _WIDTH)

    return {
        "Comment": lambda line: line.step.comment,
        "CreatedAt": lambda line: line.step.created,
        "CreatedBy": created_by,
        "CreatedSince": lambda line: times.ago(times.epoch(line.step.created), now) if line.step.created else "N/A",
        "ID": lambda line: line.id if no_trunc or line.id == "<missing>" else short_id(line.id),
        "Size": lambda line: decimal_size(line.size, 3) if human else str(line.size),
    }


SAVE = Command(
    run=save,
    usage="[OPTIONS] IMAGE [IMAGE...]",
    arguments=(1, None),
    options=(
        value("output", "o", "Write to a file, instead of STDOUT"),
        refused("platform", _ONE_PLATFORM),
    ),
)
LOAD = Command(
    run=load,
    usage="[OPTIONS]",
    options=(
        value("input", "i", "Read from tar archive file, instead of STDIN"),
        flag("quiet", "q", "Suppress the load output"),
        refused("platform", _ONE_PLATFORM),
    ),
)
IMPORT = Command(
    run=import_archive,
    usage="[OPTIONS] file|- [REPOSITORY[:TAG]]",
    arguments=(1, 2),
    options=(
        values("change", "c", "Apply Dockerfile instruction to the created image"),
        value("message", "m", "Set commit message for imported image"),
        value("platform", help="Set platform of the image, such as linux/arm64"),
    ),
)
HISTORY = Command(
    run=history,
    usage="[OPTIONS] IMAGE",
    arguments=(1, 1),
    options=(
        list_format(),
        flag("human", "H", "Print sizes and dates in human readable format", default=True),
        flag("no-trunc", help="Don't truncate output"),
        flag("quiet", "q", "Only show image IDs"),
        refused("platform", _ONE_PLATFORM),
    ),
)
