"""What a compose command is handed: the project, the engine, and how to show progress. Made from the global options."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pier.cli.compose.progress import Progress
from pier.compose import observe
from pier.compose.load import load
from pier.compose.locate import Request, invalid_name, normal_name
from pier.compose.project import no_such_service, selected
from pier.errors import Invalid, NotFound, PierError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.compose.model import Project, Service
    from pier.engine.context import Engine
    from pier.model.container import Container

_PROGRESS = ("auto", "tty", "plain", "quiet")
_ANSI = ("auto", "never", "always")


class Context:
    """One compose command's run."""

    def __init__(self, session: Session, options: Arguments, *, dry_run: bool) -> None:
        self.session = session
        self.options = options
        self.dry_run = dry_run or options.flag("dry-run")
        self._progress: Progress | None = None

    @property
    def engine(self) -> Engine:
        return self.session.engine

    @property
    def progress(self) -> Progress:
        """The lines on stderr that say how far things are."""
        if self._progress is None:
            mode = self.options.text("progress") or "auto"
            if mode not in _PROGRESS:
                raise Invalid(f'unsupported --progress value "{mode}"', hint="one of " + ", ".join(_PROGRESS))
            live = sys.stderr.isatty() and self.ansi != "never" if mode == "auto" else mode == "tty"
            self._progress = Progress(
                sys.stderr, live=live, colours=live and self.colours(sys.stderr.isatty()), quiet=mode == "quiet"
            )
        return self._progress

    @property
    def ansi(self) -> str:
        chosen = self.options.text("ansi")
        if not self.options.given("ansi"):
            chosen = self.session.environ.get("COMPOSE_ANSI", "") or chosen
        if chosen not in _ANSI:
            raise Invalid(f'invalid --ansi value "{chosen}"', hint="one of " + ", ".join(_ANSI))
        return chosen

    def colours(self, terminal: bool) -> bool:
        """May colours be written to a stream that is, or is not, a *terminal*?"""
        if self.session.environ.get("NO_COLOR"):
            return False
        return self.ansi == "always" or terminal and self.ansi == "auto"

    def request(self, *, resolve_environment: bool = True) -> Request:
        """The global options as the loader takes them."""
        files = self.options.texts("file")
        return Request(
            directory=os.getcwd(),
            environ=dict(self.session.environ),
            files=files,
            project_name=self.options.text("project-name"),
            project_directory=self.options.text("project-directory"),
            env_files=self.options.texts("env-file"),
            profiles=self.options.texts("profile"),
            resolve_environment=resolve_environment,
            stdin=sys.stdin.read() if "-" in files else "",
        )

    def project(self, *, resolve_environment: bool = True) -> Project:
        """The project of the compose files. SyntaxProblem, NotFound and the like when they cannot be used."""
        return load(self.request(resolve_environment=resolve_environment), self.session.warn)

    def known_project(self) -> Project:
        """The project of the compose files or, where only its name is given, as its containers' labels tell it."""
        name = self.options.text("project-name")
        if name and not self.options.texts("file"):
            if name != normal_name(name):
                raise invalid_name(name)
            return observe.remembered(self.engine, name)
        try:
            return load(self.request(resolve_environment=False), _quiet)
        except PierError:
            name = self.session.environ.get("COMPOSE_PROJECT_NAME", "")
            if not name or self.options.texts("file"):
                raise
            return observe.remembered(self.engine, name)

    def services(self, project: Project, names: Iterable[str], *, dependencies: bool = True) -> dict[str, Service]:
        """The services *names* of *project*, all when none is named; unknown ones are refused."""
        return selected(project, names, dependencies=dependencies)

    def containers(
        self, project: Project, names: Iterable[str] = (), *, one_off: bool = False, running: bool = False
    ) -> list[Container]:
        """The project's containers of the services *names* (all when none is named), by service and number."""
        wanted = list(names)
        found = observe.containers_of(self.engine, project.name)
        views = {item.id: observe.observed_container(item) for item in found}
        known = {*project.services, *project.disabled, *(view.service for view in views.values())}
        for name in wanted:
            if name not in known:
                raise no_such_service(name, known)
        return [
            item
            for item in found
            if (one_off or not views[item.id].one_off)
            and (not wanted or views[item.id].service in wanted)
            and (not running or views[item.id].running)
        ]

    def one(self, project: Project, service: str, index: int) -> Container:
        """The running container number *index* of *service*; 0 means the first there is. NotFound."""
        found = self.containers(project, [service], running=True)
        for item in found:
            if index in (0, observe.number_of(item)):
                return item
        if index:
            raise NotFound(f'service "{service}" is not running container #{index}', hint="pier compose ps")
        raise NotFound(f'service "{service}" is not running', hint=f"pier compose up -d {service}")


def _quiet(_message: str) -> None:
    """Commands that only look at containers repeat no warning about the file."""
