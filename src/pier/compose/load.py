"""A command line's words and a folder into a `Project`: the only door to reading compose files.

Reads files, never writes. Warnings go to the callback; everything wrong is raised with its place.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from pier.compose.interpolate import TemplateProblem, substitute
from pier.compose.layers import Layers
from pier.compose.locate import Location, Request, invalid_name, locate, normal_name
from pier.compose.model import Project
from pier.compose.project import build_project
from pier.compose.source import Source
from pier.compose.yamltree import parse
from pier.errors import Invalid

Warn = Callable[[str], None]


def load(request: Request, warn: Warn) -> Project:
    """The project that *request* names, complete and consistent."""
    location = locate(request, warn)
    home = request.environ.get("HOME", "/root")
    layers = Layers(directory=request.directory, home=home, warn=warn, stdin=request.stdin)
    sources = [layers.source(path) for path in location.files]
    name = location.name or _declared_name(sources, location) or normal_name(posixpath.basename(location.directory))
    if not name:
        raise Invalid(
            "project name must not be empty",
            why=f"the folder {location.directory} has no letter or digit in its name",
            hint="name the project: pier compose -p NAME",
        )
    environment = {**location.environment, "COMPOSE_PROJECT_NAME": name}
    tree = layers.merged(sources, location.directory, environment)
    return build_project(
        tree,
        name=name,
        location=location.replace(environment=environment),
        resolve_environment=request.resolve_environment,
        shown_from=request.directory,
    )


def _declared_name(sources: list[Source], location: Location) -> str:
    name = ""
    for source in sources:
        if "name" not in source.text:
            continue
        tree = parse(source)
        text = tree.get("name")
        if not isinstance(text, str) or not text:
            continue
        try:
            name = substitute(text, location.environment.get, lambda _name: None)
        except TemplateProblem as exc:
            raise tree.value_at("name").problem(str(exc), hint=exc.hint) from exc
        if name != normal_name(name):
            wrong = invalid_name(name)
            raise tree.value_at("name").problem(wrong.message, hint=f"write `name: {normal_name(name)}`")
    return name
