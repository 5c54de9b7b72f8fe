"""Makes layers: each step gets an upper directory of its own, which becomes the layer. Loaded when a step is not
cached.
"""

from __future__ import annotations

import os

from pier.build import perform
from pier.errors import CommandNotFound, NotExecutable, SyntaxProblem
from pier.images.layout import storage_error
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pier.build.options import BuildOptions
    from pier.build.perform import Selected
    from pier.build.report import Reporter
    from pier.build.sources import Origin
    from pier.build.steps import RunPlan, StepPlan
    from pier.images.store import ImageStore
    from pier.model.image import Layer

_TAIL = 12


class StepFailed(SyntaxProblem):
    """The command of a RUN ended with *code*, or could not begin. The solver adds where it stands in the Dockerfile."""

    def __init__(self, message: str, *, code: int, why: str = "", hint: str = "") -> None:
        super().__init__(message, file="", line=0, why=why, hint=hint)
        self.code = code


class Worker:
    """Works in the folder *scratch*, one step after the other."""

    def __init__(self, store: ImageStore, options: BuildOptions, scratch: str, report: Reporter) -> None:
        self._store = store
        self._options = options
        self._scratch = scratch
        self._report = report
        self._count = 0

    def make(
        self, step: StepPlan, selected: Selected | None, layers: tuple[str, ...], origin: Callable[[str], Origin]
    ) -> Layer | None:
        """The layer of *step* over *layers*; None when a WORKDIR is there already. StepFailed when a command fails."""
        from pier.images.ingest import add_layer_from_dir

        self._count += 1
        folder = f"{self._scratch}/step{self._count}"
        upper = folder + "/upper"
        os.makedirs(upper)
        try:
            if step.run is not None:
                self._run(step.run, layers, folder, origin)
            elif step.copy is not None and selected is not None:
                perform.place(step.copy, selected, layers, upper)
            elif not perform.make_directory(step.directory, layers, upper, step.owner):
                return None
            return add_layer_from_dir(self._store, upper)
        except OSError as exc:
            raise storage_error("cannot make the layer", exc, self._store.paths.root) from exc
        finally:
            files.remove_tree(folder)

    def _run(self, run: RunPlan, layers: tuple[str, ...], folder: str, origin: Callable[[str], Origin]) -> None:
        from contextlib import ExitStack

        from pier.build.process import run as run_process
        from pier.build.provide import Provider
        from pier.build.tree import Tree
        from pier.runtime.step import StepSpec

        for name in ("work", "mount", "files"):
            os.mkdir(f"{folder}/{name}")
        view = Tree(layers)
        perform.dress_root(view, folder + "/upper")
        perform.make_directory(run.cwd, layers, folder + "/upper")
        tail: list[str] = []

        def on_line(line: str) -> None:
            tail.append(line)
            del tail[:-_TAIL]
            self._report.line(line)

        with ExitStack() as held:
            mounts = self._store.paths.cache + "/build/mounts"
            provided = Provider(self._options, mounts, origin).provide(run, folder + "/files", held)
            spec = StepSpec(
                layer_dirs=layers or (_empty(folder),),
                upper=folder + "/upper",
                work=folder + "/work",
                mount_point=folder + "/mount",
                argv=run.argv,
                env=provided.env,
                cwd=run.cwd,
                user=run.user,
                # Without the image's symlinks, so that `run_step` finds the mount points it has to take away again.
                binds=tuple((source, "/" + view.resolve(target), ro) for source, target, ro in provided.binds),
                tmpfs=tuple(item.replace(target="/" + view.resolve(item.target)) for item in provided.tmpfs),
                network=run.network,
                shm_bytes=self._options.shm_bytes,
            )
            try:
                code = run_process(self._store.paths, spec, on_line, self._report.wait)
            except (CommandNotFound, NotExecutable) as exc:
                raise StepFailed(exc.message, code=exc.exit_code, why=exc.why, hint=exc.hint) from exc
        if code:
            raise _failed(run, code, tail)


def _empty(folder: str) -> str:
    """overlayfs needs one lower directory, also over nothing."""
    path = folder + "/nothing"
    os.mkdir(path, 0o755)
    return path


def _failed(run: RunPlan, code: int, tail: list[str]) -> StepFailed:
    command = " ".join(" ".join(run.argv).split())
    if len(command) > 200:
        command = command[:199] + "…"
    return StepFailed(
        f'process "{command}" did not complete successfully: exit code: {code}',
        code=code,
        why="\n".join(["its last output was", *tail]) if tail else "it said nothing",
        hint="it was killed: out of memory?" if code == 137 else "",
    )
