"""Builds in a store of their own, without the command line. Root's rights are needed: copied files belong to uid 0."""

from __future__ import annotations

import os
from pathlib import Path

from pier import build
from pier.build.options import BuildEvent, BuildOptions
from pier.engine.context import Engine
from pier.model.image import Image
from pier.state.paths import Paths


class Bench:
    """A context folder and a store. `build` builds it and keeps the events; `path` is a file of the merged image."""

    def __init__(self, folder: Path) -> None:
        self.context = folder / "context"
        self.context.mkdir()
        self.warnings: list[str] = []
        self.events: list[BuildEvent] = []
        self.engine = Engine(Paths(root=str(folder / "root"), run=str(folder / "run")), self.warnings.append, {})

    def write(self, name: str, text: str = "", *, mode: int = 0o644) -> Path:
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def build(self, text: str, **options: object) -> Image:
        self.events = []
        chosen = BuildOptions(context=str(self.context), dockerfile_text=text).replace(**options)
        return build.build(self.engine, chosen, on_event=self.events.append)

    def kinds(self) -> list[str]:
        """Each labelled step after FROM: cached or done."""
        ended = [event for event in self.events if event.kind in ("cached", "done") and event.label]
        return [event.kind for event in ended if not event.text.startswith("FROM")]

    def path(self, image: Image, name: str) -> Path:
        """Where the topmost layer that has *name* keeps it."""
        for layer in reversed(self.engine.images.layer_dirs(image)):
            if os.path.lexists(f"{layer}/{name}"):
                return Path(layer, name)
        raise AssertionError(f"no {name} in the image")

    def files(self, image: Image) -> set[str]:
        """Every path of the image, directories with a slash."""
        found: set[str] = set()
        for layer in self.engine.images.layer_dirs(image):
            for base, folders, names in os.walk(layer):
                inner = os.path.relpath(base, layer)
                found |= {os.path.normpath(f"{inner}/{name}") for name in names}
                found |= {os.path.normpath(f"{inner}/{name}") + "/" for name in folders}
        return found
