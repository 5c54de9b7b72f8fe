"""Images for services: built or fetched as the file and the flags say. Also `compose build` and `compose pull`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pier.cli.options import Command, flag, refused, value, values
from pier.compose.steps import Step
from pier.errors import Invalid, NotFound, PierError, Unsupported
from pier.model.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pier.build.options import Secret
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments
    from pier.compose.model import FileGrant, Project, Service
    from pier.model.image import Image

_PULLS = ("always", "missing", "never", "build", "policy", "if_not_present")


class Wishes(Record):
    """What the flags say about images. *pull* is `--pull`; "policy" leaves it to each service."""

    build: bool = False
    no_build: bool = False
    pull: str = "policy"
    quiet: bool = False
    no_cache: bool = False
    pull_bases: bool = False
    arguments: dict[str, str] = {}


def provide(context: Context, project: Project, services: Mapping[str, Service], wishes: Wishes) -> dict[str, Image]:
    """The image of each of *services*, built or fetched where it has to be."""
    if wishes.pull not in _PULLS:
        raise Invalid(f"invalid --pull option {wishes.pull!r}", hint="always, missing or never")
    found: dict[str, Image] = {}
    for name, service in services.items():
        shared = next((other for other in found if services[other].image == service.image), "")
        again = shared and not (wishes.build and service.builds)
        found[name] = found[shared] if again else _provide(context, project, service, wishes)
    return found


def _provide(context: Context, project: Project, service: Service, wishes: Wishes) -> Image:
    policy = wishes.pull if wishes.pull != "policy" else service.pull_policy or "missing"
    if service.builds and policy not in ("always", "never"):
        return _built(context, project, service, wishes, forced=wishes.build or policy == "build")
    if service.builds and (wishes.build or policy == "never"):
        return _built(context, project, service, wishes, forced=wishes.build)
    return fetched(context, service, "always" if policy == "always" else policy, quiet=wishes.quiet)


def _built(context: Context, project: Project, service: Service, wishes: Wishes, *, forced: bool) -> Image:
    if not forced:
        try:
            return context.engine.images.resolve(service.image)
        except NotFound:
            if wishes.no_build:
                raise PierError(
                    f"service {service.name}: its image {service.image} is not built",
                    why="--no-build was typed",
                    hint=f"pier compose build {service.name}",
                ) from None
    return build_service(context, project, service, wishes)


def fetched(context: Context, service: Service, policy: str, *, quiet: bool) -> Image:
    """The service's image from the store, or from where images come from when *policy* says so."""
    from pier.cli import obtaining

    chosen = {"if_not_present": "missing", "build": "missing"}.get(policy, policy)
    if chosen.startswith(("daily", "weekly", "every_", "refresh")):
        chosen = "missing"
    if chosen == "missing":
        try:
            return context.engine.images.resolve(service.image)
        except NotFound:
            pass
    context.progress.end()
    return obtaining.obtain(context.session, service.image, policy=chosen, platform=service.platform, quiet=quiet)


def build_service(context: Context, project: Project, service: Service, wishes: Wishes) -> Image:
    """Build the service's image and tag it."""
    from pier import build as builder
    from pier.build.hostenv import host_environment
    from pier.build.options import BuildOptions
    from pier.cli import build as build_command
    from pier.cli.obtaining import ensurer
    from pier.compose.canonical import is_remote

    wanted = service.build
    if wanted is None:
        raise Invalid(f"service {service.name} has no `build:`")
    if is_remote(wanted.context):
        raise Unsupported(
            f"service {service.name}: the build context {wanted.context} is remote", hint="fetch it first"
        )
    context.progress.end()
    options = BuildOptions(
        context=wanted.context,
        dockerfile=wanted.dockerfile if wanted.inline else _dockerfile(wanted.context, wanted.dockerfile),
        dockerfile_text=wanted.inline or None,
        tags=(service.image, *wanted.tags),
        build_args={**{name: text for name, text in wanted.args.items() if text is not None}, **wishes.arguments},
        target=wanted.target,
        no_cache=wanted.no_cache or wishes.no_cache,
        labels=wanted.labels,
        network=wanted.network or "default",
        platform=service.platform,
        secrets=tuple(_secret(project, grant) for grant in wanted.secrets),
        extra_hosts=tuple((name, address) for name, _, address in (text.partition(":") for text in wanted.extra_hosts)),
        host=host_environment(context.session.environ),
    )
    shown = build_command.shown("quiet" if wishes.quiet else "auto", quiet=wishes.quiet)
    ensure = ensurer(context.session, pull=wanted.pull or wishes.pull_bases, quiet=wishes.quiet)
    image = builder.build(context.engine, options, on_event=shown, ensure_image=ensure)
    context.progress.show(Step(subject=f"Service {service.name}", text="Built", state="done"))
    return image


def _dockerfile(context: str, name: str) -> str:
    return os.path.join(context, name)


def _secret(project: Project, grant: FileGrant) -> Secret:
    from pier.build.options import Secret
    from pier.compose import contents

    source = project.secrets[grant.source]
    if source.file:
        return Secret(id=grant.source, source=source.file)
    return Secret(id=grant.source, value=contents.value_of(project, source).decode())


def build(context: Context, arguments: Arguments) -> int:
    """Build the images of the services that have a `build:`."""
    project = context.project()
    services = context.services(project, arguments.positionals, dependencies=arguments.flag("with-dependencies"))
    wishes = Wishes(
        quiet=arguments.flag("quiet"),
        no_cache=arguments.flag("no-cache"),
        pull_bases=arguments.flag("pull"),
        arguments=dict(text.partition("=")[::2] for text in arguments.texts("build-arg")),
    )
    wanted = [service for service in services.values() if service.builds]
    if not wanted:
        context.session.warn("No services to build")
    for service in wanted:
        if context.dry_run:
            sys.stdout.write(f"Image {service.image}  Building from {service.build and service.build.context}\n")
            continue
        build_service(context, project, service, wishes)
    return 0


def pull(context: Context, arguments: Arguments) -> int:
    """Fetch the images of the services; those that are built are left out."""
    project = context.project(resolve_environment=False)
    services = context.services(project, arguments.positionals, dependencies=arguments.flag("include-deps"))
    failed = 0
    for service in services.values():
        if service.builds and (arguments.flag("ignore-buildable") or not service.config.get("image")):
            context.progress.show(Step(subject=service.name, text="Skipped - No image to be pulled", state="done"))
            continue
        if context.dry_run:
            sys.stdout.write(f"Image {service.image}  Pulling\n")
            continue
        policy = arguments.text("policy") or "always"
        try:
            fetched(context, service, policy, quiet=arguments.flag("quiet"))
        except PierError as exc:
            if service.builds:
                context.session.warn(f"{service.image} was not pulled and has to be built: {exc.message}")
                continue
            if not arguments.flag("ignore-pull-failures"):
                raise
            context.session.warn(exc.message)
            failed += 1
            continue
        context.progress.show(Step(subject=service.name, text="Pulled", state="done"))
    return 0


BUILD = Command(
    run=build,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        values("build-arg", help="Set build-time variables for services"),
        flag("no-cache", help="Do not use cache when building the image"),
        flag("pull", help="Always attempt to pull a newer version of the base images"),
        flag("quiet", "q", "Suppress the build output"),
        flag("with-dependencies", help="Also build dependencies (transitively)"),
        refused("push", "pier does not push images yet", kind="bool"),
        refused("builder", "pier has one builder"),
        refused("memory", "build steps run without limits of their own", short="m"),
        refused("ssh", "there is no agent forwarding; pass a key as a build secret"),
        refused("print", "pier has no bake files", kind="bool"),
        refused("check", "a build checks the Dockerfile before its first step", kind="bool"),
        refused("provenance", "pier writes no attestations"),
        refused("sbom", "pier writes no attestations"),
    ),
)

PULL = Command(
    run=pull,
    usage="[OPTIONS] [SERVICE...]",
    arguments=(0, None),
    options=(
        flag("ignore-buildable", help="Ignore images that can be built"),
        flag("ignore-pull-failures", help="Pull what it can and ignore images with pull failures"),
        flag("include-deps", help="Also pull services declared as dependencies"),
        value("policy", help='Apply pull policy ("missing"|"always")'),
        flag("quiet", "q", "Pull without printing progress information"),
    ),
)
