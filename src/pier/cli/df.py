"""`pier system df`: what takes room on the disk. Changes nothing."""

from __future__ import annotations

import sys
import time

from pier.cli.images import NONE
from pier.cli.options import Command, flag, list_format
from pier.cli.ps import networks_of
from pier.engine.disk import usage
from pier.model import reference
from pier.model.quantities import decimal_size
from pier.ui import tabular, times
from pier.ui.listing import listing
from pier.ui.trimming import ellipsis, short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.disk import ContainerUse, ImageUse, Usage

HEADERS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}


def df(session: Session, arguments: Arguments) -> int:
    """Print one row for each kind of object; with --verbose one for each object."""
    found = usage(session.engine)
    chosen = arguments.text("format")
    if arguments.flag("verbose") and not chosen:
        sys.stdout.write(_verbose(found, time.time()))
        return 0
    rows, columns = summary(found), tuple(HEADERS)
    sys.stdout.write(
        listing(rows, chosen, headers=HEADERS, columns=columns, type_name="*formatter.diskUsageContext")
    )
    return 0


def summary(found: Usage) -> list[dict[str, str]]:
    """The four rows."""
    containers, volumes = found.containers, found.volumes
    idle = [use for use in containers if not use.container.state.running]
    unused = [use for use in volumes if not use.links]
    cache = sum(use.size for use in found.cache)
    active = sum(use.containers > 0 for use in found.images)
    return [
        _row("Images", len(found.images), active, found.layers, found.idle_layers),
        _row(
            "Containers",
            len(containers),
            len(containers) - len(idle),
            sum(use.size for use in containers),
            sum(use.size for use in idle),
        ),
        _row(
            "Local Volumes",
            len(volumes),
            len(volumes) - len(unused),
            sum(use.size for use in volumes),
            sum(use.size for use in unused),
        ),
        _row("Build Cache", len(found.cache), 0, cache, cache, percent=False),
    ]


def _row(kind: str, total: int, active: int, size: int, reclaimable: int, *, percent: bool = True) -> dict[str, str]:
    share = f" ({100 * reclaimable // size if size else 0}%)" if percent else ""
    return {
        "Active": str(active),
        "Reclaimable": decimal_size(reclaimable) + share,
        "Size": decimal_size(size),
        "TotalCount": str(total),
        "Type": kind,
    }


def _verbose(found: Usage, now: float) -> str:
    images = [row for use in found.images for row in _image_rows(use, now)]
    containers = [_container_row(use, now) for use in found.containers]
    volumes = [(use.volume.name, str(use.links), decimal_size(use.size)) for use in found.volumes]
    cache = [(use.name[:24], decimal_size(use.size)) for use in found.cache]
    total = decimal_size(sum(use.size for use in found.cache))
    parts = (
        ("Images space usage:", tabular.table([_IMAGE_TITLES, *images])),
        ("Containers space usage:", tabular.table([_CONTAINER_TITLES, *containers])),
        ("Local Volumes space usage:", tabular.table([_VOLUME_TITLES, *volumes])),
        (f"Build cache usage: {total}", tabular.table([_CACHE_TITLES, *cache])),
    )
    return "\n".join(f"{title}\n\n{text}" for title, text in parts)


_IMAGE_TITLES = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS")
_CONTAINER_TITLES = ("CONTAINER ID", "IMAGE", "COMMAND", "NETWORKS", "SIZE", "CREATED", "STATUS", "NAMES")
_VOLUME_TITLES = ("VOLUME NAME", "LINKS", "SIZE")
_CACHE_TITLES = ("CACHE ID", "SIZE")


def _container_row(use: ContainerUse, now: float) -> tuple[str, ...]:
    found = use.container
    return (
        found.short_id,
        found.spec.image,
        f'"{ellipsis(" ".join(found.spec.argv), 20)}"',
        networks_of(found),
        decimal_size(use.size, 3),
        times.ago(times.epoch(found.spec.created), now),
        times.status(found.state, now),
        found.name,
    )


def _image_rows(use: ImageUse, now: float) -> list[tuple[str, ...]]:
    image = use.image
    names = [(ref.familiar_repository, ref.tag) for ref in map(reference.parse, image.repo_tags)] or [(NONE, NONE)]
    return [
        (
            repository,
            tag,
            short_id(image.id),
            times.ago(times.epoch(image.created), now),
            decimal_size(image.size, 3),
            decimal_size(use.shared),
            decimal_size(use.unique),
            str(use.containers),
        )
        for repository, tag in names
    ]


DF = Command(
    run=df,
    usage="[OPTIONS]",
    options=(list_format(), flag("verbose", "v", "Show detailed information on space usage")),
)
