"""Fingerprints that tell whether a container, network or volume still is what the compose file asks for. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from pier.compose.model import Project, Service
from pier.model import jsontext

_NOT_HASHED = ("build", "pull_policy", "scale", "depends_on", "profiles", "develop")


def service_hash(project: Project, service: Service, contents: dict[str, bytes]) -> str:
    """The hash of what a container of *service* is made from. *contents* are its secrets and configs by target.

    Building, dependencies, scale and profiles do not count: they change no running container.
    """
    config = {key: value for key, value in service.config.items() if key not in _NOT_HASHED}
    deploy = {key: value for key, value in (config.pop("deploy", None) or {}).items() if key != "replicas"}
    config["deploy"] = deploy
    config["networks"] = {
        use.network: [project.networks[use.network].name, list(use.aliases), use.ip, use.mac]
        for use in service.networks
        if use.network in project.networks
    }
    config["volumes#names"] = sorted(
        project.volumes[mount.source].name for mount in service.mounts if mount.source in project.volumes
    )
    config["files#"] = {target: hashlib.sha256(data).hexdigest() for target, data in contents.items()}
    return _digest(config)


def resource_hash(value: dict[str, Any]) -> str:
    """The hash of a network or volume definition."""
    return _digest(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(jsontext.dumps(_ordered(value)).encode()).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    return value
