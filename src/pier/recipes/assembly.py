"""One recipe into an image: what it stands on, its context, then pier's own build. One assembly at a time per store."""

from __future__ import annotations

import os
import time

from pier import build
from pier.build.hostenv import host_environment
from pier.build.options import BuildOptions
from pier.errors import NotFound
from pier.images.layout import storage_error
from pier.images.scratch import Scratch, sweep
from pier.recipes import catalogue, context
from pier.recipes.base import make_base
from pier.recipes.events import RecipeEvent
from pier.recipes.machine import Archives
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.engine.context import Engine
    from pier.model.image import Image
    from pier.recipes.catalogue import Recipe
    from pier.recipes.events import Settings


def assemble(engine: Engine, recipe: Recipe, *, on_event: Callable[[RecipeEvent], None], settings: Settings) -> Image:
    """See `pier.recipes.assemble`."""
    try:
        return _assemble(engine, recipe, on_event, settings)
    except OSError as exc:
        raise storage_error(f"cannot assemble {recipe.asked or recipe.name}", exc, engine.paths.root) from exc


def _assemble(engine: Engine, recipe: Recipe, on_event: Callable[[RecipeEvent], None], settings: Settings) -> Image:
    engine.images.layout.prepare()
    files.ensure_dir(engine.paths.cache)
    files.ensure_dir(engine.paths.locks)
    sweep(engine.paths)
    with _turn(engine.paths.locks + "/recipes", recipe, on_event), Scratch(engine.paths) as scratch:

        def warn(text: str) -> None:
            on_event(RecipeEvent(kind="warning", recipe=recipe.name, text=text))

        with Archives(engine.paths.cache, scratch.path, settings, warn) as archives:
            image = _Assembly(engine, archives, scratch.path, settings, on_event).have(recipe)
    if recipe.asked and recipe.asked not in image.repo_tags:
        engine.images.tag(image.id, recipe.asked)
        image = engine.images.resolve(image.id)
    return image


def _turn(path: str, recipe: Recipe, on_event: Callable[[RecipeEvent], None]) -> files.FileLock:
    """The store's lock on assemblies, to be entered; says so when it has to be waited for."""
    try:
        with files.FileLock(path, blocking=False):
            return files.FileLock(path)
    except BlockingIOError:
        on_event(RecipeEvent(kind="wait", recipe=recipe.name, text="another pier is assembling an image"))
        return files.FileLock(path)


class _Assembly:
    """The collaborators of one assembly. Holds no state of its own."""

    def __init__(
        self,
        engine: Engine,
        archives: Archives,
        folder: str,
        settings: Settings,
        on_event: Callable[[RecipeEvent], None],
    ) -> None:
        self._engine = engine
        self._archives = archives
        self._folder = folder
        self._settings = settings
        self._on_event = on_event

    def have(self, recipe: Recipe) -> Image:
        """The image of *recipe* under its own name: the store's, or a new one."""
        present = self._present(recipe)
        if present is not None:
            return present
        bases = [self.have(catalogue.by_name(name)) for name in recipe.bases]
        started = time.monotonic()
        self._on_event(RecipeEvent(kind="begin", recipe=recipe.name, text=recipe.summary))
        if recipe.dockerfile:
            image = self._build(recipe, bases)
        else:
            image = make_base(self._engine, recipe, self._archives.debian(), self._on_event)
        self._on_event(RecipeEvent(kind="done", recipe=recipe.name, seconds=time.monotonic() - started))
        return image

    def _present(self, recipe: Recipe) -> Image | None:
        """The image that has the recipe's name, wherever it came from: a pulled base is as good as an assembled one."""
        try:
            return self._engine.images.resolve(recipe.name)
        except NotFound:
            return None

    def _build(self, recipe: Recipe, bases: list[Image]) -> Image:
        folder = os.path.join(self._folder, recipe.name.replace(":", "-"))
        over = self._engine.images.layer_dirs(bases[0]) if bases else ()
        context.prepare(recipe, folder, self._archives, over)
        with open(os.path.join(context.FILES, recipe.dockerfile), encoding="utf-8") as file:
            text = file.read()
        options = BuildOptions(
            context=folder,
            dockerfile=recipe.dockerfile,
            dockerfile_text=text,
            tags=(recipe.name,),
            labels={catalogue.LABEL: recipe.name, catalogue.NOTE_LABEL: recipe.note},
            host=host_environment(self._settings.environ),
        )
        return build.build(
            self._engine,
            options,
            on_event=lambda event: self._on_event(RecipeEvent(kind="build", recipe=recipe.name, event=event)),
        )
