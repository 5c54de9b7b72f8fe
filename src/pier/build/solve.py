"""Carries out a build: stage after stage, each step from the cache or made anew, and the image in the end.

What happens is decided by `plan` and `graph`; here it is done and reported. Half-made things lie in one scratch folder,
which goes with the process; layers and the image appear whole or not at all.
"""

from __future__ import annotations

import time

from pier.build.cache import BuildCache
from pier.build.context import Opened, open_context
from pier.build.digest import Contents
from pier.build.dockerfile import Dockerfile, parse
from pier.build.graph import SCRATCH, Source, StageNode, global_arguments, needed_stages
from pier.build.machine import Machine, require, this_machine
from pier.build.options import BuildEvent, BuildOptions
from pier.build.perform import Selector
from pier.build.plan import StageInput, plan_stage, scratch_config
from pier.build.report import Reporter
from pier.build.sources import Origin
from pier.build.steps import StagePlan, StepPlan, chain_key
from pier.build.tree import Tree
from pier.build.work import StepFailed, Worker
from pier.errors import Bug, Invalid, NotFound, PierError, SyntaxProblem, Unsupported
from pier.images.layout import storage_error
from pier.images.scratch import Scratch, sweep
from pier.model import jsontext, reference
from pier.model.image import History, ImageConfig, Layer
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from pier.engine.context import Engine
    from pier.model.image import Image


class Stage(Record):
    """A stage as far as it has come. *keys* name the cached steps behind its own layers."""

    NESTED = {"layers": Layer, "config": ImageConfig, "history": History}

    base: str
    layers: tuple[Layer, ...] = ()
    config: ImageConfig
    author: str = ""
    history: tuple[History, ...] = ()
    keys: tuple[str, ...] = ()

    def chain(self) -> str:
        """Names this stack of layers by content."""
        return chain_key("", tuple(layer.diff_id for layer in self.layers))


class Solver:
    """One build. *ensure_image* fetches a base image that is absent, or raises."""

    def __init__(
        self,
        engine: Engine,
        options: BuildOptions,
        on_event: Callable[[BuildEvent], None],
        ensure_image: Callable[[str, str], Image],
    ) -> None:
        self._options = options
        self._store = engine.images
        self._paths = engine.paths
        self._ensure_image = ensure_image
        self._report = Reporter(on_event)
        self._machine: Machine = this_machine()
        self._cache = BuildCache(engine.images, read=not options.no_cache)
        self._stages: dict[int, Stage] = {}
        self._images: dict[str, Stage] = {}

    def solve(self) -> Image:
        """The image, tagged. Nothing half-made is left, whatever is raised."""
        require(self._options.platform, self._machine)
        self._store.layout.prepare()
        sweep(self._paths)
        with self._store.layout.ingesting(), Scratch(self._paths) as scratch:
            opened = open_context(self._options, scratch.path)
            dockerfile = parse(opened.text, opened.name)
            contents = Contents(f"{self._paths.cache}/build/contents.json")
            self._prepare(opened, contents, scratch.path)
            try:
                return self._build(dockerfile)
            finally:
                contents.save()

    def _prepare(self, opened: Opened, contents: Contents, scratch: str) -> None:
        warn = self._report.warn
        self._opened = opened
        self._selector = Selector(opened, contents, scratch + "/downloads", self._options.host, warn)
        self._worker = Worker(self._store, self._options, scratch, self._report)
        for name in self._options.host.withheld:
            warn(f"{name} holds a password and is not given to build steps; pass it with --secret")

    def _build(self, dockerfile: Dockerfile) -> Image:
        options = self._options
        variables = global_arguments(dockerfile, options.build_args, self._machine.variables())
        nodes = needed_stages(dockerfile, options.target, variables, self._machine.platform)
        consumed = {name for arg in dockerfile.globals for name, _ in arg.pairs}
        for node in nodes:
            stage = node.stage
            name = stage.start.alias or f"stage-{stage.number}"
            base = self._base(dockerfile, node)
            given = StageInput(
                stage=stage,
                base=base.base,
                config=base.config,
                author=base.author,
                prefix=f"{name} " if len(dockerfile.stages) > 1 else "",
                build_args=options.build_args,
                variables=variables,
                network=options.network,
            )
            plan = plan_stage(dockerfile, given)
            consumed.update(plan.consumed)
            self._report.planned(step.describe() for step in plan.steps)
            self._from(node, given.prefix, plan)
            self._stages[stage.number] = self._run_stage(dockerfile, node, plan, base)
        self._report.unused(name for name in options.build_args if name not in consumed)
        return self._finish(self._stages[nodes[-1].stage.number])

    def _base(self, dockerfile: Dockerfile, node: StageNode) -> Stage:
        if node.base.is_stage:
            return self._stages[node.base.number]
        if node.base.name == SCRATCH:
            return Stage(base=SCRATCH, config=scratch_config())
        try:
            return self._image(node.base.name)
        except PierError as exc:
            _fail_at(dockerfile, node.stage.start.line, exc)

    def _image(self, name: str) -> Stage:
        if name not in self._images:
            image = self._ensure_image(name, self._machine.platform)
            if image.architecture and image.architecture != self._machine.architecture:
                raise Unsupported(
                    f"image {name} is for {image.os}/{image.architecture}",
                    why=f"this machine is {self._machine.platform}",
                )
            self._store.layer_dirs(image)
            layers = tuple(self._store.layer(diff_id) for diff_id in image.diff_ids)
            self._images[name] = Stage(
                base=name, layers=layers, config=image.config, author=image.author, history=_history_of(image)
            )
        return self._images[name]

    def _from(self, node: StageNode, prefix: str, plan: StagePlan) -> None:
        total = 1 + sum(step.makes_layer for step in plan.steps)
        name = node.stage.start.image if node.base.is_stage else node.base.name
        with self._report.step(f"[{prefix}1/{total}]", f"FROM {name}"):
            pass

    def _run_stage(self, dockerfile: Dockerfile, node: StageNode, plan: StagePlan, stage: Stage) -> Stage:
        stage = stage.replace(keys=())
        for step in plan.steps:
            try:
                stage = self._step(node, step, stage)
            except PierError as exc:
                _fail_at(dockerfile, step.instruction.line, exc)
            except OSError as exc:
                failed = storage_error("the step could not be carried out", exc, self._paths.root)
                _fail_at(dockerfile, step.instruction.line, failed)
        return stage.replace(config=plan.config, author=plan.author)

    def _step(self, node: StageNode, step: StepPlan, stage: Stage) -> Stage:
        if not step.makes_layer:
            return stage.replace(history=(*stage.history, step.history(_now(), empty=True)))
        selected = None
        reads = ""
        if step.copy is not None:
            selected = self._selector.select(step.copy, self._origin(node, step.copy.source_stage))
            reads = selected.digest
        elif step.run is not None:
            reads = self._read_by_mounts(node, step)
        key = step.key(stage.chain(), reads)
        known = self._cache.find(key)
        if known is not None:
            self._report.cached(step.label, step.title)
            return _grown(stage, step, known.layer, known.created, key)
        dirs = tuple(self._store.layout.layer_path(layer.diff_id) for layer in stage.layers)
        with self._report.step(step.label, step.title):
            layer = self._worker.make(step, selected, dirs, lambda word: self._origin(node, word))
        if layer is None:
            return stage.replace(history=(*stage.history, step.history(_now(), empty=True)))
        created = _now()
        self._cache.keep(key, layer, created)
        return _grown(stage, step, layer, created, key)

    def _read_by_mounts(self, node: StageNode, step: StepPlan) -> str:
        assert step.run is not None
        return "\n".join(
            self._selector.bound(mount.source, self._origin(node, mount.source_stage), owners=bool(mount.source_stage))
            for mount in step.run.mounts
            if mount.kind == "bind"
        )

    def _origin(self, node: StageNode, word: str) -> Origin:
        """What `--from=word` reads; the build context for ""."""
        if not word:
            return self._opened.origin
        source: Source = node.sources[word]
        stage = self._stages[source.number] if source.is_stage else self._image(source.name)
        dirs = tuple(self._store.layout.layer_path(layer.diff_id) for layer in stage.layers)
        return Origin(tree=Tree(dirs), spoken=f"stage {word}" if source.is_stage else f"image {word}")

    def _finish(self, stage: Stage) -> Image:
        """The image of *stage*: the one of last time where nothing has changed since."""
        config = stage.config
        config = config.replace(labels={**config.labels, **self._options.labels})
        texts = [(entry.created_by, entry.empty_layer) for entry in stage.history]
        key = chain_key(jsontext.dumps([config.to_oci(), stage.author, texts]), (stage.chain(),))
        image = self._cache.image(key)
        with self._report.step("", "exporting to image"):
            if image is None:
                image = self._export(stage, config)
                self._cache.keep_image(key, image)
            self._cache.release(stage.keys)
        for tag in self._options.tags:
            with self._report.step("", f"naming to {reference.parse(tag).familiar()}"):
                self._store.tag(image.id, tag)
        return self._store.resolve(image.id)

    def _export(self, stage: Stage, config: ImageConfig) -> Image:
        from pier.images.ingest import add_image

        machine = self._machine
        described: dict[str, Any] = {
            "created": _now(),
            "architecture": machine.architecture,
            "os": machine.os,
            "config": config.to_oci(),
            "history": [entry.to_oci() for entry in stage.history],
        }
        if machine.variant:
            described["variant"] = machine.variant
        if stage.author:
            described["author"] = stage.author
        return add_image(self._store, described, stage.layers)


def _grown(stage: Stage, step: StepPlan, layer: Layer, created: str, key: str) -> Stage:
    history = (*stage.history, step.history(created, empty=False))
    return stage.replace(layers=(*stage.layers, layer), history=history, keys=(*stage.keys, key))


def _history_of(image: Image) -> tuple[History, ...]:
    """The history of *image*; one line a layer where it has none that fits, as images of other tools may."""
    if sum(not entry.empty_layer for entry in image.history) == len(image.diff_ids):
        return image.history
    return tuple(History(created=image.created, created_by="imported layer") for _ in image.diff_ids)


def _fail_at(dockerfile: Dockerfile, line: int, exc: PierError) -> NoReturn:
    """Raise *exc*, telling the line of the Dockerfile. What another line would mend becomes a SyntaxProblem."""
    listing = dockerfile.listing
    if isinstance(exc, StepFailed):
        exc.file, exc.line, exc.text = listing.file, line, listing.raw[line - 1]
    elif isinstance(exc, (Invalid, NotFound)) and not isinstance(exc, SyntaxProblem):
        raise listing.problem(exc.message, line, why=exc.why, hint=exc.hint) from exc
    elif not isinstance(exc, (Bug, SyntaxProblem)):
        exc.message = f"{listing.file}:{line}: {exc.message}"
        exc.args = (exc.message,)
    raise exc


def _now() -> str:
    ns = time.time_ns()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 1_000_000_000))
    return f"{seconds}.{ns % 1_000_000_000:09d}Z"
