"""Removing images, with an eye on the containers made from them. Lists and fetches nothing."""

from __future__ import annotations

from pier.engine.listing import containers
from pier.errors import Conflict, Invalid
from pier.images.store import Removed
from pier.model import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.engine.context import Engine
    from pier.model.container import Container
    from pier.model.image import Image


def remove(engine: Engine, text: str, *, force: bool = False) -> Removed:
    """Drop the name *text*, and the image with its last name. NotFound.

    Conflict where that would take the image from a container: a running one always, a stopped one unless *force*.
    """
    image = engine.images.resolve(text)
    if _drops_only_a_name(image, text):
        return engine.images.delete(text, force=force)
    for user in _users(engine, image):
        if user.state.running:
            raise _in_use(text, image, user, "running", f"pier rm -f {user.name} removes the container first")
        if not force:
            raise _in_use(text, image, user, "stopped", f"pier rm {user.name} first, or pier rmi -f {text}")
    return engine.images.delete(text, force=force)


def _drops_only_a_name(image: Image, text: str) -> bool:
    if len(image.repo_tags) < 2:
        return False
    try:
        return reference.parse(text).familiar() in image.repo_tags
    except Invalid:
        return False


def _users(engine: Engine, image: Image) -> list[Container]:
    return [found for found in containers(engine, all=True) if found.spec.image_id == image.id]


def _in_use(text: str, image: Image, user: Container, how: str, hint: str) -> Conflict:
    return Conflict(
        f"unable to remove image {text}",
        why=f"{how} container {user.name} ({user.short_id}) uses image {reference.short_id(image.id)}",
        hint=hint,
    )


def prune(engine: Engine, *, everything: bool = False, keep: Callable[[Image], bool] | None = None) -> Removed:
    """Delete the dangling images, or with *everything* all that no container uses, but those that *keep* spares."""
    from pier.images.pruning import prune

    used = {found.spec.image_id for found in containers(engine, all=True)}
    return prune(engine.images, used, unused=everything, wanted=lambda image: keep is None or not keep(image))
