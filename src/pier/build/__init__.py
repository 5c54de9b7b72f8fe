"""Dockerfiles into images.

    from pier import build
    image = build.build(engine, options, on_event=print, ensure_image=fetch)

Nothing heavy is imported until a build begins.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.build.options import BuildEvent, BuildOptions
    from pier.engine.context import Engine
    from pier.model.image import Image


def build(
    engine: Engine,
    options: BuildOptions,
    *,
    on_event: Callable[[BuildEvent], None],
    ensure_image: Callable[[str, str], Image] | None = None,
) -> Image:
    """Build what *options* ask for; the image is stored and tagged.

    *ensure_image(name, platform)* returns a base image, fetching it if need be; without it only local images are found.
    SyntaxProblem for the Dockerfile's mistakes, also where they show only against the context or the image;
    `work.StepFailed`, one of them, for a command that failed; Unsupported; and whatever *ensure_image* raises.
    The caller must have one thread. Ctrl-C leaves nothing half-made.
    """
    from pier.build.solve import Solver

    def local(name: str, platform: str) -> Image:
        return engine.images.resolve(name)

    return Solver(engine, options, on_event, ensure_image or local).solve()
