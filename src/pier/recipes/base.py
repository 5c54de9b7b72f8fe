"""A Debian base image: bootstrap, configure in a container of its own, one layer. Leaves nothing half-made."""

from __future__ import annotations

import os
import time

from pier.errors import PierError, Unavailable, Unsupported
from pier.images.ingest import add_image, add_layer_from_dir
from pier.images.scratch import Scratch
from pier.recipes.catalogue import DEBIAN_LABEL, LABEL, NOTE_LABEL
from pier.recipes.debian import bootstrap
from pier.recipes.events import RecipeEvent
from pier.runtime.step import StepSpec, run_step
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.engine.context import Engine
    from pier.model.image import Image
    from pier.recipes.catalogue import Recipe
    from pier.recipes.debian.index import Package
    from pier.recipes.machine import Debian

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_LINES = 12


def make_base(engine: Engine, recipe: Recipe, debian: Debian, on_event: Callable[[RecipeEvent], None]) -> Image:
    """The image of the Debian recipe *recipe*, under its name. Unsupported where only one user id exists."""
    if engine.place.ids.one_id:
        raise Unsupported(
            f"{recipe.name} cannot be made from pier's recipe here",
            why="Debian's packages need more than one user id, and your user has one",
            hint="`pier doctor` shows the command that gives your user a range of ids",
        )
    plan = bootstrap.plan(debian.catalogue, slim=recipe.slim)
    on_event(
        RecipeEvent(kind="index", recipe=recipe.name, text=f"Debian {plan.version}, {len(plan.packages)} packages")
    )
    with engine.images.layout.ingesting(), Scratch(engine.paths) as scratch:
        rootfs = files.ensure_dir(scratch.path + "/rootfs", 0o755)
        os.chmod(rootfs, 0o755)
        labels = _unpack(plan, rootfs, recipe, debian, on_event)
        on_event(RecipeEvent(kind="configure", recipe=recipe.name, text="running the packages' own scripts"))
        _configure(engine, scratch.path, rootfs, bootstrap.configure_command(labels), recipe)
        on_event(RecipeEvent(kind="pack", recipe=recipe.name, text="making the layer"))
        layer = add_layer_from_dir(engine.images, rootfs)
        config = _config(recipe, plan.version, debian.architecture)
        return add_image(engine.images, config, [layer], tags=[recipe.name])


def _unpack(
    plan: bootstrap.Plan, rootfs: str, recipe: Recipe, debian: Debian, on_event: Callable[[RecipeEvent], None]
) -> tuple[str, ...]:
    done = 0

    def on_package(package: Package) -> None:
        nonlocal done
        done += package.size
        on_event(RecipeEvent(kind="unpack", recipe=recipe.name, text=package.name, done=done, total=plan.bytes))

    return bootstrap.unpack(plan, rootfs, debian.architecture, debian.downloader, debian.apt, on_package)


def _configure(engine: Engine, scratch: str, rootfs: str, command: tuple[str, ...], recipe: Recipe) -> None:
    """Run *command* over *rootfs*, without network. PierError with the end of its output when it fails."""
    # A lower layer with the mount points: run_step takes those out of the upper that no layer below has.
    lower = files.ensure_dir(scratch + "/lower", 0o755)
    for name in ("proc", "sys", "dev"):
        files.ensure_dir(f"{lower}/{name}", 0o755)
    spec = StepSpec(
        layer_dirs=(lower,),
        upper=rootfs,
        work=files.ensure_dir(scratch + "/work"),
        mount_point=files.ensure_dir(scratch + "/mounted"),
        argv=command,
        env={"PATH": _PATH, "HOME": "/root"},
        network="none",
        hostname="localhost",
    )
    log = scratch + "/configure.log"
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        code = run_step(engine.paths, spec, fd)
    finally:
        os.close(fd)
    if code != 0:
        raise _failed(recipe.name, code, log)


def _failed(name: str, code: int, log: str) -> PierError:
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().split("\n")[-_LOG_LINES:]
    return Unavailable(
        f"cannot assemble {name}: its packages do not configure",
        why=f"dpkg exited with {code}:\n" + "\n".join("  " + line for line in lines),
        hint="the mirror may be in the middle of an update: try again later, or name another with PIER_DEBIAN_MIRROR",
    )


def _config(recipe: Recipe, version: str, architecture: str) -> dict[str, Any]:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "Env": [f"PATH={_PATH}"],
            "Cmd": ["bash"],
            "Labels": {
                LABEL: recipe.name,
                NOTE_LABEL: recipe.note,
                DEBIAN_LABEL: version,
            },
        },
        "history": [{"created": created, "created_by": f"pier recipe {recipe.name}", "comment": recipe.note}],
    }
