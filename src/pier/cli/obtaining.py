"""An image that is not here yet: from a registry, or assembled from a recipe where none answers. Says which."""

from __future__ import annotations

import sys

from pier.cli.session import say
from pier.cli.table import reach_libraries
from pier.errors import Invalid, NotFound, Unavailable
from pier.model import reference
from pier.ui.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.cli.session import Session
    from pier.images.pull import Progress as Step
    from pier.model.image import Image
    from pier.model.reference import Reference
    from pier.recipes import Recipe, RecipeEvent
    from pier.ui.progress import Stream

POLICIES = ("auto", "never", "only")
PULLS = ("missing", "always", "never")


def recipe_policy(session: Session, typed: str = "") -> str:
    """When recipes may be used: as typed, else as PIER_RECIPES says, else auto. Invalid for another word."""
    chosen = typed or session.environ.get("PIER_RECIPES", "") or "auto"
    if chosen not in POLICIES:
        raise Invalid(f"unknown recipe policy: {chosen}", hint="one of " + ", ".join(POLICIES))
    return chosen


def obtain(
    session: Session,
    name: str,
    *,
    policy: str = "missing",
    platform: str = "",
    recipes: str = "",
    quiet: bool = False,
) -> Image:
    """The image *name*; *policy* as in `--pull`: fetched when missing, always, or never. Progress on stderr."""
    if policy not in PULLS:
        raise Invalid(f"invalid pull option: '{policy}'", hint="must be one of " + ", ".join(PULLS))
    if policy != "always":
        try:
            return session.engine.images.resolve(name)
        except NotFound:
            if policy == "never":
                raise
        if not quiet:
            say(f"Unable to find image '{reference.parse(name).familiar()}' locally")
    chosen = recipe_policy(session, recipes)
    return fetch(session, name, stream=sys.stderr, recipes=chosen, platform=platform, quiet=quiet)


def ensurer(session: Session, *, pull: bool = False, quiet: bool = False) -> Callable[[str, str], Image]:
    """What a build calls for a base image, by name and platform: fetched when missing, or with *pull* always."""
    return lambda name, platform: obtain(
        session, name, policy="always" if pull else "missing", platform=platform, quiet=quiet
    )


def fetch(
    session: Session, name: str, *, stream: Stream, recipes: str = "auto", platform: str = "", quiet: bool = False
) -> Image:
    """The image *name*, now in the store; progress goes to *stream* unless *quiet*, warnings to stderr.

    *recipes*: auto (where no registry answers), never, or only. NotFound, Denied, Unavailable as the registry says.
    """
    reach_libraries()
    from pier.recipes import find

    ref = reference.parse(name)
    recipe = find(ref) if recipes != "never" and not ref.digest else None
    show = _Show(session, stream, quiet=quiet)
    if recipes == "only":
        if recipe is None:
            raise NotFound(f"no recipe makes {ref.familiar()}", hint=_known())
        return _assemble(session, recipe, show)
    try:
        return _pull(session, ref, platform, show)
    except Unavailable as exc:
        if recipe is None:
            raise Unavailable(
                f"cannot pull {ref.familiar()}: {exc.message}",
                why=exc.why,
                hint=f"{exc.hint}\nwithout a registry, recipes make {_known()}".lstrip("\n"),
            ) from exc
        session.warn(f"{exc.message}; making {ref.familiar()} from pier's recipe instead")
        return _assemble(session, recipe, show)


def _known() -> str:
    from pier.recipes import names

    return ", ".join(names())


def _pull(session: Session, ref: Reference, platform: str, show: _Show) -> Image:
    from pier.images.pull import pull
    from pier.images.registry import options_from

    return pull(
        session.engine.images,
        ref,
        platform=platform or None,
        on_progress=show.pulled,
        options=options_from(session.environ),
    )


def _assemble(session: Session, recipe: Recipe, show: _Show) -> Image:
    from pier.recipes import assemble

    return assemble(session.engine, recipe, on_event=show.assembled)


class _Show:
    """Turns the events of pulls and assemblies into lines."""

    def __init__(self, session: Session, stream: Stream, *, quiet: bool) -> None:
        self._session = session
        self._quiet = quiet
        self._lines = Progress(stream)

    def pulled(self, step: Step) -> None:
        if self._quiet:
            return
        if step.layer and not step.status.startswith("Pulling from"):
            self._lines.update(step.layer, step.status, step.current, step.total)
        else:
            self._lines.say(f"{step.layer}: {step.status}" if step.layer else step.status)

    def assembled(self, event: RecipeEvent) -> None:
        if event.kind == "warning":
            self._lines.end()
            self._session.warn(event.text)
        elif not self._quiet:
            self._stage(event)

    def _stage(self, event: RecipeEvent) -> None:
        if event.kind in ("begin", "wait"):
            self._lines.say(f"{event.recipe}: {event.text}")
        elif event.kind == "done":
            self._lines.say(f"{event.recipe}: Assembled in {event.seconds:.1f}s")
        elif event.kind == "build" and event.event is not None:
            if event.event.kind == "started" and event.event.label:
                self._lines.update(f"  {event.event.label}", event.event.text)
        else:
            words = {"index": "Reading package lists", "unpack": "Unpacking packages"}
            words |= {"configure": "Configuring packages", "pack": "Packing the layer"}
            self._lines.update(event.recipe, words.get(event.kind, event.kind), event.done, event.total)
