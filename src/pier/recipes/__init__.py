"""Well-known base images assembled locally where no registry answers.

    recipe = recipes.find(reference)            # cheap: a table
    if recipe is not None:
        image = recipes.assemble(engine, recipe, on_event=show)

What an assembled image is, and where it differs from the one it stands in for, is said in its labels.
"""

from __future__ import annotations

from pier.recipes.catalogue import LABEL, NOTE_LABEL, Recipe, find, names
from pier.recipes.events import RecipeEvent, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.engine.context import Engine
    from pier.model.image import Image

__all__ = ["LABEL", "NOTE_LABEL", "Recipe", "RecipeEvent", "Settings", "assemble", "find", "names"]


def assemble(
    engine: Engine, recipe: Recipe, *, on_event: Callable[[RecipeEvent], None], settings: Settings | None = None
) -> Image:
    """The image of *recipe*, made now unless the store has it, under the name it was asked for.

    Without *settings*, those of the engine's environment are used.

    What it stands on is made first and kept under its own name. Two assemblies in one store wait for each other; one
    that fails or is interrupted leaves nothing but its downloads.
    """
    from pier.recipes.assembly import assemble as work

    return work(engine, recipe, on_event=on_event, settings=settings or Settings.of(engine.environ))
