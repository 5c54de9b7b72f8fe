"""`compose config` and `compose version`: what the files say, in one canonical form. Touches no engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pier import __version__
from pier.cli.options import Command, flag, refused, value
from pier.compose import confighash, configtext, contents
from pier.errors import Invalid

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.compose.model import Project


def config(context: Context, arguments: Arguments) -> int:
    """Print the project, or the one list asked for."""
    project = context.project(resolve_environment=not arguments.flag("no-env-resolution"))
    services = context.services(project, arguments.positionals)
    text = _list(project, list(services), arguments)
    if text is None:
        if arguments.flag("quiet"):
            return 0
        text = _whole(project, list(services), arguments, everything=context.options.flag("all-resources"))
    if arguments.text("output"):
        with open(arguments.text("output"), "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    return 0


def _whole(project: Project, services: list[str], arguments: Arguments, *, everything: bool) -> str:
    chosen = arguments.text("format")
    document = configtext.normalised(project.model, services, everything=everything)
    if chosen == "json":
        text = configtext.json_text(document) + "\n"
    elif chosen in ("", "yaml"):
        text = configtext.yaml_text(document)
    else:
        raise Invalid(f"unsupported format {chosen!r}", hint="yaml or json")
    return text.replace("$", "$$")


def _list(project: Project, services: list[str], arguments: Arguments) -> str | None:
    known = {**project.services, **project.disabled}
    if arguments.flag("services"):
        return _lines(services)
    if arguments.flag("volumes"):
        return _lines(sorted(project.volumes))
    if arguments.flag("networks"):
        return _lines(sorted(project.networks))
    if arguments.flag("images"):
        return _lines([known[name].image for name in services])
    if arguments.flag("profiles"):
        return _lines(sorted({name for service in known.values() for name in service.profiles}))
    if arguments.flag("environment"):
        return _lines([f"{name}={text}" for name, text in sorted(project.environment.items())])
    if arguments.given("hash"):
        wanted = services if arguments.text("hash") == "*" else arguments.text("hash").split(",")
        return _lines([f"{name} {_hash(project, name)}" for name in wanted])
    return None


def _hash(project: Project, name: str) -> str:
    from pier.compose.project import no_such_service

    known = {**project.services, **project.disabled}
    if name not in known:
        raise no_such_service(name, known)
    found = contents.by_target(contents.contents(project, known[name]))
    return confighash.service_hash(project, known[name], found)


def _lines(texts: list[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def version(context: Context, arguments: Arguments) -> int:
    """Print pier's version."""
    if arguments.flag("short"):
        sys.stdout.write(f"{__version__}\n")
    elif arguments.text("format") == "json":
        sys.stdout.write(f'{{"version":"v{__version__}"}}\n')
    elif arguments.text("format") in ("", "pretty"):
        sys.stdout.write(f"pier compose version v{__version__}\n")
    else:
        raise Invalid(f"unsupported format {arguments.text('format')!r}", hint="pretty or json")
    return 0


_NOT_YET = "pier does not have it yet"

CONFIG = Command(
    run=config,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("environment", help="Print environment used for interpolation"),
        value("format", help='Format the output. Values: [yaml | json] (default "yaml")'),
        value("hash", help='Print the service config hash, one per line ("*" for all)'),
        flag("images", help="Print the image names, one per line"),
        flag("networks", help="Print the network names, one per line"),
        flag("no-env-resolution", help="Don't resolve service env files"),
        value("output", "o", "Save to file (default to stdout)"),
        flag("profiles", help="Print the profile names, one per line"),
        flag("quiet", "q", "Only validate the configuration, don't print anything"),
        flag("services", help="Print the service names, one per line"),
        flag("volumes", help="Print the volume names, one per line"),
        refused("no-interpolate", _NOT_YET, kind="bool"),
        refused("no-normalize", _NOT_YET, kind="bool"),
        refused("no-path-resolution", _NOT_YET, kind="bool"),
        refused("no-consistency", "what is inconsistent cannot be run", kind="bool"),
        refused("resolve-image-digests", _NOT_YET, kind="bool"),
        refused("lock-image-digests", _NOT_YET, kind="bool"),
        refused("variables", _NOT_YET, kind="bool"),
        refused("models", "pier runs no language models", kind="bool"),
    ),
)

VERSION = Command(
    run=version,
    usage="[OPTIONS]",
    arguments=(0, 0),
    options=(
        value("format", "f", "Format the output. Values: [pretty | json]. (Default: pretty)"),
        flag("short", help="Shows only the version number"),
    ),
)
