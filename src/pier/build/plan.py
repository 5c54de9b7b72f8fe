"""Instructions of one stage into steps: ARG and ENV scopes, expansion, defaults, the configuration each step leaves.

Pure: reads no file, and asks the image only for its configuration.
"""

from __future__ import annotations

from pier.build import configure, wording
from pier.build import instructions as ins
from pier.build.dockerfile import Dockerfile, Stage, trigger
from pier.build.expansion import expand_document, expand_word
from pier.build.forms import heredoc_sources
from pier.build.lines import heredoc_opening
from pier.build.steps import CopyPlan, Inline, RunPlan, StagePlan, StepPlan
from pier.errors import Invalid
from pier.model.image import ImageConfig
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")


class StageInput(Record):
    """What a stage is planned from. *config* and *author* are the base's; *prefix* names the stage in labels, or is
    "".
    """

    NESTED = {"stage": Stage, "config": ImageConfig}

    stage: Stage
    base: str
    config: ImageConfig
    author: str = ""
    prefix: str = ""
    build_args: dict[str, str] = {}
    variables: dict[str, str] = {}
    network: str = "default"


def plan_stage(dockerfile: Dockerfile, given: StageInput) -> StagePlan:
    """The steps of *given*. SyntaxProblem, with the line, for what cannot be expanded or meant."""
    triggers = [trigger(text, given.base) for text in given.config.on_build]
    planner = _Planner(given, dockerfile.listing.escape)
    steps = []
    for item in (*triggers, *given.stage.instructions):
        try:
            steps.append(planner.step(item))
        except Invalid as exc:
            raise dockerfile.listing.problem(exc.message, item.line, why=exc.why, hint=exc.hint) from exc
    return StagePlan(
        steps=_labelled(steps, given.prefix),
        config=planner.config,
        author=planner.author,
        consumed=tuple(planner.consumed),
    )


def scratch_config() -> ImageConfig:
    """The configuration of an empty base, as BuildKit begins with."""
    return ImageConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/")


def _labelled(steps: list[StepPlan], prefix: str) -> tuple[StepPlan, ...]:
    total = 1 + sum(step.makes_layer for step in steps)
    number = 1
    found = []
    for step in steps:
        if step.makes_layer:
            number += 1
            step = step.replace(label=f"[{prefix}{number}/{total}]")
        found.append(step)
    return tuple(found)


class _Planner:
    """The state between instructions: configuration, declared arguments, shell."""

    def __init__(self, given: StageInput, escape: str) -> None:
        self.given = given
        self.escape = escape
        self.config = given.config.replace(on_build=())
        self.author = given.author
        self.arguments: dict[str, str] = {}
        self.consumed: list[str] = []
        self.cmd_was_set = False

    @property
    def shell(self) -> tuple[str, ...]:
        return self.config.shell or DEFAULT_SHELL

    def variables(self) -> dict[str, str]:
        """What words expand with: arguments, and the environment over them."""
        return {**self.arguments, **configure.environment(self.config)}

    def expand(self, text: str) -> str:
        return expand_word(text, self.variables(), self.escape)

    def step(self, item: ins.Instruction) -> StepPlan:
        """The step of *item*; the planner moves on."""
        plan = getattr(self, "_" + item.keyword.lower())
        made: dict[str, Any] = plan(item)
        return StepPlan(
            instruction=item,
            label="",
            title=item.text if item.keyword != "RUN" else wording.run_title(item),
            config=self.config,
            author=self.author,
            **made,
        )

    def configured(self, created_by: str, **changes: object) -> dict[str, Any]:
        self.config = self.config.replace(**changes)
        return {"created_by": created_by}

    def command(self, command: ins.Command) -> tuple[str, ...]:
        return (*self.shell, command.text) if command.shell else command.words

    def _arg(self, item: ins.Arg) -> dict[str, Any]:
        shown = []
        for name, default in item.pairs:
            value = self.argument(name, default)
            if value is not None:
                self.arguments[name] = value
            shown.append(name if value is None else f"{name}={value}")
        return {"created_by": "ARG " + " ".join(shown)}

    def argument(self, name: str, default: str | None) -> str | None:
        """--build-arg first, then the default, then the ARG of the same name before FROM (reference, "Scope")."""
        if name in self.given.build_args:
            self.consumed.append(name)
            return self.given.build_args[name]
        return self.expand(default) if default is not None else self.given.variables.get(name)

    def _env(self, item: ins.Env) -> dict[str, Any]:
        before = self.variables()
        pairs = [(name, expand_word(value, before, self.escape)) for name, value in item.pairs]
        return self.configured(wording.pairs("ENV", pairs), env=configure.with_environment(self.config.env, pairs))

    def _label(self, item: ins.Label) -> dict[str, Any]:
        pairs = [(self.expand(name), self.expand(value)) for name, value in item.pairs]
        return self.configured(wording.pairs("LABEL", pairs), labels={**self.config.labels, **dict(pairs)})

    def _cmd(self, item: ins.Cmd) -> dict[str, Any]:
        self.cmd_was_set = True
        words = self.command(item.command)
        return self.configured("CMD " + wording.json_list(words), cmd=words)

    def _entrypoint(self, item: ins.Entrypoint) -> dict[str, Any]:
        words = self.command(item.command)
        cmd = self.config.cmd if self.cmd_was_set else ()
        return self.configured("ENTRYPOINT " + wording.json_list(words), entrypoint=words, cmd=cmd)

    def _expose(self, item: ins.Expose) -> dict[str, Any]:
        ports = configure.ports(item.ports, self.variables(), self.escape)
        exposed = tuple(sorted({*self.config.exposed_ports, *ports}))
        return self.configured(f"EXPOSE [{' '.join(ports)}]", exposed_ports=exposed)

    def _volume(self, item: ins.Volume) -> dict[str, Any]:
        paths = [self.expand(path) for path in item.paths]
        if not all(paths):
            raise Invalid("VOLUME specified can not be an empty string", hint="VOLUME /data")
        volumes = tuple(sorted({*self.config.volumes, *paths}))
        return self.configured(f"VOLUME [{' '.join(paths)}]", volumes=volumes)

    def _user(self, item: ins.User) -> dict[str, Any]:
        user = self.expand(item.user)
        return self.configured(f"USER {user}", user=user)

    def _workdir(self, item: ins.Workdir) -> dict[str, Any]:
        path = configure.absolute(self.expand(item.path), self.config.working_dir)
        made = self.configured(f"WORKDIR {path}", working_dir=path)
        return made if path == "/" else {**made, "directory": path, "owner": self.config.user}

    def _shell(self, item: ins.Shell) -> dict[str, Any]:
        return self.configured(f"SHELL [{' '.join(item.words)}]", shell=item.words)

    def _stopsignal(self, item: ins.StopSignal) -> dict[str, Any]:
        signal = configure.signal_name(self.expand(item.signal))
        return self.configured(f"STOPSIGNAL {signal}", stop_signal=signal)

    def _maintainer(self, item: ins.Maintainer) -> dict[str, Any]:
        self.author = item.name
        return {"created_by": f"MAINTAINER {item.name}"}

    def _onbuild(self, item: ins.OnBuild) -> dict[str, Any]:
        return self.configured(f"ONBUILD {item.trigger}", on_build=(*self.config.on_build, item.trigger))

    def _healthcheck(self, item: ins.HealthCheck) -> dict[str, Any]:
        check = configure.healthcheck(item)
        return self.configured(wording.healthcheck(check), healthcheck=check)

    def _run(self, item: ins.Run) -> dict[str, Any]:
        argv, script = self.run_command(item)
        arguments = {
            name: value for name, value in self.arguments.items() if name not in configure.environment(self.config)
        }
        environment = {**arguments, **configure.environment(self.config)}
        environment.setdefault("PATH", DEFAULT_PATH)
        network = item.network if item.network not in ("", "default") else self.given.network
        run = RunPlan(
            argv=argv,
            env=environment,
            cwd=self.config.working_dir or "/",
            user=self.config.user,
            network="none" if network == "none" else "host",
            mounts=tuple(self.mount(mount) for mount in item.mounts),
            script=script,
        )
        return {"created_by": wording.run_created_by(argv, arguments), "run": run}

    def run_command(self, item: ins.Run) -> tuple[tuple[str, ...], tuple[str, str] | None]:
        """The words to execute. A lone here-document is the script itself; others stay in the shell's text."""
        command = item.command
        if not item.heredocs:
            return self.command(command), None
        if not command.shell:
            raise Invalid("RUN in JSON form takes no here-document", hint="RUN <<EOF")
        first = item.heredocs[0]
        if len(item.heredocs) == 1 and len(command.text.split()) == 1 and heredoc_opening(command.text):
            if first.text().startswith("#!"):
                return (f"/dev/pipes/{first.name}",), (first.name, first.text())
            return (*self.shell, first.text()), None
        bodies = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in item.heredocs)
        return (*self.shell, command.text + bodies), None

    def mount(self, mount: Any) -> Any:
        target = configure.absolute(self.expand(mount.target), self.config.working_dir) if mount.target else ""
        return mount.replace(target=target, source=self.expand(mount.source), id=self.expand(mount.id))

    def _copy(self, item: ins.Copy) -> dict[str, Any]:
        documents = heredoc_sources(item)
        inline = [self.inline(item, number) for number in documents.values()]
        sources = tuple(self.expand(word) for word in item.sources if word not in documents)
        destination = configure.destination(self.expand(item.destination), self.config.working_dir)
        if len(sources) + len(inline) > 1 and not destination.endswith("/"):
            raise Invalid(
                f"with more than one source the destination of {item.keyword} must be a directory: {item.destination}",
                hint=f"end it with a slash: {item.destination}/",
            )
        chown = self.expand(item.chown)
        chmod = self.expand(item.chmod)
        copy = CopyPlan(
            adding=item.keyword == "ADD",
            sources=sources,
            destination=destination,
            inline=tuple(inline),
            source_stage=item.source_stage,
            chown=chown,
            mode=configure.mode(chmod),
            exclude=tuple(self.expand(pattern) for pattern in item.exclude),
            checksum=self.expand(item.checksum),
            unpack=item.unpack,
        )
        return {"created_by": wording.copy_created_by(item, copy, chmod), "copy": copy}

    _add = _copy

    def inline(self, item: ins.Copy, number: int) -> Inline:
        document = item.heredocs[number]
        text = document.text()
        if document.expand:
            text = expand_document(text, self.variables(), self.escape)
        return Inline(name=document.name, text=text)
