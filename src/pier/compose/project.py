"""A merged tree into a `Project`: implied networks, names and dependencies added, references checked, profiles applied.

Reads env files and nothing else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import Any

from pier.compose import graph
from pier.compose.environment import resolve_build_arguments, resolve_environment_of, resolve_labels_of
from pier.compose.locate import Location
from pier.compose.model import FileObject, Project, ProjectNetwork, ProjectVolume, Service
from pier.compose.service import build_service
from pier.compose.source import Mark, MarkedMap, plain

_NAMESPACES = ("network_mode", "ipc", "pid", "uts")


def build_project(
    tree: MarkedMap, *, name: str, location: Location, resolve_environment: bool, shown_from: str
) -> Project:
    """The project *name* of the merged *tree*. SyntaxProblem for the first reference that leads nowhere."""
    services = tree.get("services")
    if not isinstance(services, MarkedMap) or not services:
        raise tree.mark.problem(
            "no service selected", why="the file defines no services", hint="add them under `services:`"
        )
    resources = {kind: _resources(tree, kind, name) for kind in ("networks", "volumes", "secrets", "configs")}
    for key, service in services.items():
        if not isinstance(service, MarkedMap):
            raise services.key_at(key).problem(f"services.{key} is empty")
        _complete(service, key)
        _check_references(service, key, services, resources)
        if resolve_environment:
            resolve_environment_of(service, location.environment, shown_from)
        resolve_labels_of(service, shown_from)
        resolve_build_arguments(service, location.environment)
    built = {key: build_service(key, service, name) for key, service in services.items()}
    enabled = {key: item for key, item in built.items() if _active(item.profiles, location.profiles)}
    graph.refuse_cycles({key: tuple(item.depends_on) for key, item in built.items()}, services)
    project = Project(
        name=name,
        directory=location.directory,
        files=tuple(posixpath.normpath(path) for path in location.files),
        services=enabled,
        disabled={key: item for key, item in built.items() if key not in enabled},
        networks={key: _network(key, item) for key, item in resources["networks"].items()},
        volumes={key: _volume(key, item) for key, item in resources["volumes"].items()},
        secrets={key: _file_object(key, item) for key, item in resources["secrets"].items()},
        configs={key: _file_object(key, item) for key, item in resources["configs"].items()},
        environment=dict(location.environment),
        model=_model(tree, name, services, resources),
    )
    _check_enabled(project, services)
    return project


def _active(wanted: Iterable[str], active: Iterable[str]) -> bool:
    wanted = set(wanted)
    return not wanted or bool(wanted & set(active)) or "*" in active


def _complete(service: MarkedMap, key: str) -> None:
    """Add what the specification implies: the default network, dependencies of shared namespaces, the Dockerfile."""
    if not service.get("image") and not service.get("build"):
        raise service.mark.problem(
            f'service "{key}" has neither an image nor a build context specified',
            hint="add `image: NAME` or `build: .`",
        )
    if service.get("network_mode") and service.get("networks"):
        raise service.key_at("networks").problem(
            f'service "{key}" has both `network_mode` and `networks`', hint="keep one of the two"
        )
    if not service.get("networks") and not service.get("network_mode"):
        service["networks"] = {"default": None}
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if build is not None and not build.get("dockerfile") and not build.get("dockerfile_inline"):
        build["dockerfile"] = "Dockerfile"
    for name, restart in _implied_dependencies(service):
        depends = service.setdefault("depends_on", MarkedMap(service.mark))
        if name not in depends:
            entry: dict[str, Any] = {"condition": "service_started"}
            depends[name] = {**entry, **({"restart": True} if restart else {}), "required": True}


def _implied_dependencies(service: MarkedMap) -> Iterable[tuple[str, bool]]:
    for key in _NAMESPACES:
        text = str(service.get(key) or "")
        if text.startswith("service:"):
            yield text.removeprefix("service:"), True
    for link in service.get("links") or ():
        yield link.split(":", 1)[0], True
    for source in service.get("volumes_from") or ():
        if not source.startswith("container:"):
            yield source.split(":", 1)[0], False


def _check_references(service: MarkedMap, key: str, services: MarkedMap, resources: dict[str, dict[str, Any]]) -> None:
    for kind in ("networks", "secrets", "configs"):
        value = service.get(kind) or ()
        names = value if isinstance(value, dict) else [item.get("source") for item in value]
        for index, name in enumerate(names):
            if name not in resources[kind] and not (kind == "networks" and name == "default"):
                at = value.key_at(name) if isinstance(value, MarkedMap) else _item_at(value, index, service)
                raise _undefined(at, key, kind.removesuffix("s"), name, resources[kind], kind)
    for index, mount in enumerate(service.get("volumes") or ()):
        source = mount.get("source")
        if mount["type"] == "volume" and source and source not in resources["volumes"]:
            at = _item_at(service["volumes"], index, service)
            raise _undefined(at, key, "volume", source, resources["volumes"], "volumes")
    depends = service.get("depends_on") or {}
    for name, entry in depends.items():
        if name not in services and entry.get("required", True):
            at = depends.key_at(name) if isinstance(depends, MarkedMap) else service.mark
            raise _undefined(at, key, "service", name, services, "services")
        if name == key:
            raise service.value_at("depends_on").problem(f'service "{key}" depends on itself')
    if service.get("container_name") and int(service.get("scale") or 1) > 1:
        raise service.key_at("container_name").problem(
            f'service "{key}" has a `container_name` and a scale of {service["scale"]}',
            why="container names are unique",
            hint="remove `container_name`",
        )


def _item_at(items: Any, index: int, service: MarkedMap) -> Mark:
    found = items.item_at(index) if hasattr(items, "item_at") else service.mark
    return found if isinstance(found, Mark) else service.mark


def _undefined(at: Mark, service: str, what: str, name: str, known: Iterable[str], kind: str) -> Exception:
    from pier.compose.nearest import nearest

    best = nearest(name, known)
    hint = f"did you mean {best}?" if best else f"define it under the top-level `{kind}:`"
    verb = "depends on" if what == "service" else "refers to"
    return at.problem(f'service "{service}" {verb} undefined {what} {name}', hint=hint)


def _check_enabled(project: Project, services: MarkedMap) -> None:
    for name, service in project.services.items():
        for other, dependency in service.depends_on.items():
            if dependency.required and other in project.disabled:
                profiles = ", ".join(project.disabled[other].profiles)
                tree = services[name].get("depends_on")
                at = tree.key_at(other) if isinstance(tree, MarkedMap) else services.key_at(name)
                raise at.problem(
                    f'service "{other}" is required by "{name}" but is disabled',
                    why=f"it belongs to the profiles: {profiles}",
                    hint=f"pier compose --profile {project.disabled[other].profiles[0]} …",
                )


def _resources(tree: MarkedMap, kind: str, project: str) -> dict[str, Any]:
    found = tree.get(kind) or MarkedMap(tree.mark)
    result: dict[str, Any] = {}
    for key, value in found.items():
        item = dict(value) if value is not None else {}
        if not item.get("name"):
            item["name"] = key if item.get("external") else f"{project}_{key}"
        if kind in ("secrets", "configs") and not any(item.get(one) for one in ("file", "environment", "content")):
            raise found.key_at(key).problem(f"{kind}.{key} says nothing about its content", hint="add `file: PATH`")
        result[key] = item
    if kind == "networks" and "default" not in result:
        result["default"] = {"name": f"{project}_default"}
    return result


def _network(key: str, item: dict[str, Any]) -> ProjectNetwork:
    pools = (item.get("ipam") or {}).get("config") or [{}]
    return ProjectNetwork(
        key=key,
        name=item["name"],
        driver=item.get("driver") or "",
        external=bool(item.get("external")),
        internal=bool(item.get("internal")),
        attachable=bool(item.get("attachable")),
        subnet=pools[0].get("subnet") or "",
        gateway=pools[0].get("gateway") or "",
        options=_texts(item.get("driver_opts")),
        labels=dict(item.get("labels") or {}),
    )


def _volume(key: str, item: dict[str, Any]) -> ProjectVolume:
    return ProjectVolume(
        key=key,
        name=item["name"],
        driver=item.get("driver") or "",
        external=bool(item.get("external")),
        labels=dict(item.get("labels") or {}),
    )


def _texts(options: dict[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (options or {}).items()}


def _file_object(key: str, item: dict[str, Any]) -> FileObject:
    return FileObject(
        key=key,
        name=item["name"],
        file=item.get("file") or "",
        environment=item.get("environment") or "",
        content=item.get("content") or "",
    )


def _model(tree: MarkedMap, name: str, services: MarkedMap, resources: dict[str, dict[str, Any]]) -> dict[str, Any]:
    model: dict[str, Any] = {"name": name, "services": plain(services)}
    model.update({kind: plain(items) for kind, items in resources.items() if items})
    model.update({key: plain(value) for key, value in tree.items() if key.startswith("x-")})
    return model


def selected(project: Project, names: Iterable[str], *, dependencies: bool = True) -> dict[str, Service]:
    """The services *names* (all enabled ones when none is named) and, with *dependencies*, what they depend on.

    Naming a service enables it whatever its profiles. NotFound for an unknown name.
    """
    wanted = list(names)
    if not wanted:
        return dict(project.services)
    everything = {**project.services, **project.disabled}
    chosen: dict[str, Service] = {}
    while wanted:
        name = wanted.pop()
        if name not in everything:
            raise no_such_service(name, everything)
        if name not in chosen:
            chosen[name] = everything[name]
            if dependencies:
                wanted += [other for other in everything[name].depends_on if other in everything]
    return {name: item for name, item in everything.items() if name in chosen}


def no_such_service(name: str, known: Iterable[str]) -> Exception:
    """The error for a service the project lacks."""
    from pier.compose.nearest import nearest
    from pier.errors import NotFound

    known = list(known)
    best = nearest(name, known)
    hint = f"did you mean {best}?" if best else "the project's services: " + ", ".join(sorted(known)) if known else ""
    return NotFound(f"no such service: {name}", hint=hint)
