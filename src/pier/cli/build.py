"""`pier build`: a Dockerfile into an image. What cannot be honoured is refused by name."""

from __future__ import annotations

import os
import sys

from pier import build as builder
from pier.build.hostenv import host_environment
from pier.build.options import BuildOptions, Secret
from pier.cli.options import Command, Misuse, flag, refused, value, values
from pier.cli.session import say
from pier.errors import Invalid, NotFound
from pier.ui import steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pier.build.options import BuildEvent
    from pier.cli.options import Arguments
    from pier.cli.session import Session

_NETWORKS = ("default", "host", "none")
_PROGRESS = ("auto", "plain", "tty", "quiet")
_LIMITS = "build steps run without limits of their own"
_NO_BUILDX = "pier has one builder and stores what it builds"


def build(session: Session, arguments: Arguments) -> int:
    """Build; print the image's id with -q, otherwise nothing on stdout."""
    progress = arguments.text("progress", "auto")
    if progress not in _PROGRESS:
        raise Misuse(f"invalid progress type: {progress} (one of {', '.join(_PROGRESS)})")
    quiet = arguments.flag("quiet") or progress == "quiet"
    options = _options(session, arguments)
    from pier.cli.obtaining import ensurer

    ensure_image = ensurer(session, pull=arguments.flag("pull"), quiet=quiet)
    show = shown(progress, quiet=quiet)

    def on_event(event: BuildEvent) -> None:
        if event.kind != "planned":
            show(event)
        elif session.debug:
            say(event.text)

    image = builder.build(session.engine, options, on_event=on_event, ensure_image=ensure_image)
    if arguments.text("iidfile"):
        with open(arguments.text("iidfile"), "w", encoding="ascii") as file:
            file.write(image.id)
    if quiet:
        sys.stdout.write(image.id + "\n")
    return 0


def _options(session: Session, arguments: Arguments) -> BuildOptions:
    context, dockerfile = arguments.positionals[0], arguments.text("file")
    if context == "-" and dockerfile == "-":
        raise Invalid("invalid argument: can't use stdin for both build context and dockerfile")
    network = arguments.text("network", "default")
    if network not in _NETWORKS:
        raise Invalid(f"build steps cannot join network {network}", hint="--network default, host or none")
    return BuildOptions(
        context="" if context == "-" else context,
        context_stream=sys.stdin.buffer if context == "-" else None,
        dockerfile="" if dockerfile == "-" else dockerfile,
        dockerfile_text=sys.stdin.read() if dockerfile == "-" else None,
        tags=arguments.texts("tag"),
        build_args=_build_args(arguments.texts("build-arg"), session.environ),
        target=arguments.text("target"),
        no_cache=arguments.flag("no-cache"),
        labels=arguments.pairs("label"),
        network=network,
        platform=arguments.text("platform"),
        secrets=tuple(_secret(text, session.environ) for text in arguments.texts("secret")),
        extra_hosts=tuple(_extra_host(text) for text in arguments.texts("add-host")),
        shm_bytes=arguments.number("shm-size") or 64 << 20,
        host=host_environment(session.environ),
    )


def _build_args(texts: tuple[str, ...], environ: Mapping[str, str]) -> dict[str, str]:
    """`NAME=value`; a name alone takes the value of the user's environment, and is left out where that has none."""
    found = {}
    for text in texts:
        name, equals, value_ = text.partition("=")
        if equals:
            found[name] = value_
        elif name in environ:
            found[name] = environ[name]
    return found


def _secret(text: str, environ: Mapping[str, str]) -> Secret:
    """`id=name,src=file`, `id=name,env=VARIABLE`, or `id=name`: a variable of that name, else a file."""
    fields = dict(field.partition("=")[::2] for field in text.split(","))
    unknown = set(fields) - {"id", "src", "source", "env", "type"}
    if unknown:
        raise Invalid(f"--secret {text}: unknown key {sorted(unknown)[0]}", hint="--secret id=NAME,src=FILE")
    name = fields.get("id", "")
    source = fields.get("src") or fields.get("source") or ""
    variable = fields.get("env") or (source if fields.get("type") == "env" else "")
    if not name:
        raise Invalid(f"--secret {text} has no id", hint="--secret id=NAME,src=FILE, or id=NAME,env=VARIABLE")
    if not source and not variable:
        variable = name if name in environ else ""
        source = "" if variable else name
    if variable:
        if variable not in environ:
            raise NotFound(f"--secret {text}: the environment has no {variable}")
        return Secret(id=name, value=environ[variable])
    if not os.path.isfile(source):
        raise NotFound(f"--secret {text}: {source}: no such file")
    return Secret(id=name, source=source)


def _extra_host(text: str) -> tuple[str, str]:
    """`name:address` or `name=address`."""
    name, separator, address = text.partition("=" if "=" in text else ":")
    if not name or not separator or not address:
        raise Invalid(f"bad format for add-host: {text}", hint="--add-host name:address")
    return name, address.strip("[]")


def shown(progress: str, *, quiet: bool) -> Callable[[BuildEvent], None]:
    """What draws a build's events on stderr, as --progress asks."""
    if quiet:
        return steps.quiet
    if progress == "tty" or (progress == "auto" and sys.stderr.isatty()):
        return steps.LiveSteps(sys.stderr, _columns)
    return steps.PlainSteps(sys.stderr)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


BUILD = Command(
    run=build,
    usage="[OPTIONS] PATH | -",
    arguments=(1, 1),
    options=(
        values("add-host", help='Add a custom host-to-IP mapping ("host:ip")'),
        values("build-arg", help="Set build-time variables"),
        value("file", "f", help='Name of the Dockerfile (default: "PATH/Dockerfile"; "-" reads stdin)'),
        flag("force-rm", help="Always remove intermediate containers (nothing is ever left)"),
        value("iidfile", help="Write the image ID to a file"),
        values("label", help="Set metadata for an image", kind="map"),
        flag("load", help="Accepted for docker buildx: the image is always stored"),
        value("network", help='Networking mode for RUN: "default" and "host" are the host\'s, or "none"'),
        flag("no-cache", help="Do not use cache when building the image"),
        value("platform", help="Accepted where it is this machine's"),
        value("progress", help='Set type of progress output ("auto", "plain", "tty", "quiet")', default="auto"),
        flag("pull", help="Always attempt to pull a newer version of the base images"),
        flag("quiet", "q", help="Suppress the build output and print image ID on success"),
        flag("rm", help="Remove intermediate containers (nothing is ever left)", default=True),
        values("secret", help='Secret to expose to the build: "id=mysecret[,src=/local/secret|,env=VARIABLE]"'),
        value("shm-size", help='Size of "/dev/shm"', kind="bytes"),
        values("tag", "t", help='Name and optionally a tag in the "name:tag" format'),
        value("target", help="Set the target build stage to build"),
        refused("allow", "build steps always run confined"),
        refused("annotation", "pier writes no annotations yet; use --label"),
        refused("build-arg-file", "name each one with --build-arg"),
        refused("build-context", "there is one build context; use a stage, or COPY --from=image"),
        refused("builder", _NO_BUILDX),
        refused("cache-from", "the build cache of this store is always used"),
        refused("cache-to", "the build cache of this store is always kept"),
        refused("cgroup-parent", _LIMITS),
        refused("compress", "there is no daemon to send a compressed context to", kind="bool"),
        refused("cpu-period", _LIMITS),
        refused("cpu-quota", _LIMITS),
        refused("cpu-shares", _LIMITS, short="c"),
        refused("cpuset-cpus", _LIMITS),
        refused("cpuset-mems", _LIMITS),
        refused("disable-content-trust", "pier verifies digests, and has no content trust", kind="bool"),
        refused("isolation", "there is one kind of isolation on Linux"),
        refused("memory", _LIMITS, short="m"),
        refused("memory-swap", _LIMITS),
        refused("metadata-file", "use --iidfile"),
        refused("no-cache-filter", "use --no-cache"),
        refused("output", "pier stores images and exports nothing else yet", short="o"),
        refused("provenance", "pier writes no attestations"),
        refused("push", "pier does not push images yet", kind="bool"),
        refused("sbom", "pier writes no attestations"),
        refused("security-opt", "build steps always run under the default profile"),
        refused("squash", "layers are kept as they are", kind="bool"),
        refused("ssh", "there is no agent forwarding; pass a key with --secret"),
        refused("ulimit", _LIMITS),
    ),
)
