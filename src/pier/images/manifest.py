"""Manifests as registries send them: which kinds there are, the one for a platform, Docker's kind as OCI's. Pure.

image-spec manifest.md and image-index.md; Docker's schema 2 differs from them in its media types alone.
"""

from __future__ import annotations

from typing import Any

from pier.errors import Corrupt, NotFound, Unsupported
from pier.images.layout import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    descriptor,
)
from pier.model import jsontext
from pier.model.record import Record
from pier.model.reference import is_digest

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)

_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYERS = {
    OCI_LAYER: OCI_LAYER,
    OCI_LAYER_GZIP: OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD: OCI_LAYER_ZSTD,
    "application/vnd.docker.image.rootfs.diff.tar": OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": OCI_LAYER_ZSTD,
}
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
_LARGEST_LAYER = 1 << 40


class Platform(Record):
    """`linux/amd64`, `linux/arm/v7`."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class BlobRef(Record):
    """What a manifest says of one blob."""

    digest: str
    size: int
    media_type: str


class Manifest(Record):
    """An image manifest: its configuration and its layers, bottom first, with OCI media types."""

    NESTED = {"config": BlobRef, "layers": BlobRef}

    config: BlobRef
    layers: tuple[BlobRef, ...]

    def layer_descriptors(self) -> list[dict[str, Any]]:
        """The layers as the stored manifest lists them."""
        return [descriptor(layer.digest, layer.size, media_type=layer.media_type) for layer in self.layers]


def platform_of(machine: str) -> Platform:
    """The platform of a machine as uname(2) names it."""
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform(os="linux", architecture=architecture, variant=variant)


def parse_platform(text: str) -> Platform:
    """From `--platform`: os/architecture[/variant], or an architecture alone."""
    parts = text.lower().split("/")
    if len(parts) == 1:
        parts = ["linux", *parts]
    architecture, variant = _MACHINES.get(parts[1], (parts[1], ""))
    return Platform(os=parts[0], architecture=architecture, variant=parts[2] if len(parts) > 2 else variant)


def is_list(media_type: str, value: dict[str, Any]) -> bool:
    """Whether it names manifests by platform rather than layers."""
    return media_type in (OCI_INDEX, DOCKER_LIST) or ("manifests" in value and "layers" not in value)


def choose(value: dict[str, Any], platform: Platform, name: str) -> BlobRef:
    """The manifest for *platform* out of a list. NotFound, naming the platforms there are."""
    entries = [entry for entry in _objects(value, "manifests") if isinstance(entry.get("platform"), dict)]
    same = [entry for entry in entries if _architecture(entry) == (platform.os, platform.architecture)]
    # No variant, on either side, means any; of several the one that says it exactly.
    fitting = [entry for entry in same if _variant(entry) in ("", platform.variant) or not platform.variant]
    fitting.sort(key=lambda entry: _variant(entry) != platform.variant)
    if fitting:
        return _blob_ref(fitting[0])
    there = sorted({"/".join(filter(None, (*_architecture(entry), _variant(entry)))) for entry in entries})
    raise NotFound(
        f"no image for {platform} in {name}",
        why="it exists for " + ", ".join(text for text in there if "unknown" not in text),
        hint="pier pull --platform takes another one",
    )


def parse(media_type: str, value: dict[str, Any], name: str) -> Manifest:
    """An image manifest of either kind. Unsupported for schema 1, and for what is no container image."""
    if value.get("schemaVersion") == 1 or "prettyjws" in media_type:
        raise Unsupported(
            f"{name} has a manifest of Docker's schema 1",
            why="the format was withdrawn in 2019; it cannot be verified",
            hint="ask its publisher to push the image again with a current tool",
        )
    config = _blob_ref(_object(value, "config"))
    if config.media_type not in (OCI_CONFIG, _DOCKER_CONFIG):
        raise Unsupported(
            f"{name} is not a container image", why=f"it holds {config.media_type or 'something unnamed'}"
        )
    return Manifest(config=config, layers=tuple(_layer(entry, name) for entry in _objects(value, "layers")))


def load(body: bytes, what: str) -> dict[str, Any]:
    """The JSON object in *body*. Corrupt."""
    try:
        value = jsontext.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Corrupt(f"{what} is not JSON", why=str(exc)) from exc
    if not isinstance(value, dict):
        raise Corrupt(f"{what} is not a JSON object")
    return value


def diff_ids(config: dict[str, Any], count: int, name: str) -> tuple[str, ...]:
    """The digests of the *count* plain layers, out of an image configuration. Corrupt where they do not match."""
    found = _object(config, "rootfs").get("diff_ids") or []
    if not isinstance(found, list) or not all(isinstance(item, str) and is_digest(item) for item in found):
        raise Corrupt(f"the configuration of {name} is damaged", why="its diff_ids are no digests")
    if len(found) != count:
        raise Corrupt(
            f"the configuration of {name} does not match its manifest", why=f"{len(found)} diff_ids for {count} layers"
        )
    return tuple(found)


def _layer(entry: dict[str, Any], name: str) -> BlobRef:
    layer = _blob_ref(entry)
    if layer.media_type not in _LAYERS:
        why = "its publisher forbids registries to hand it on" if "foreign" in layer.media_type else layer.media_type
        raise Unsupported(f"{name} has a layer that pier cannot unpack", why=why)
    return layer.replace(media_type=_LAYERS[layer.media_type])


def _blob_ref(entry: dict[str, Any]) -> BlobRef:
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not digest.startswith("sha256:") or not is_digest(digest):
        raise Corrupt("a manifest is damaged", why=f"{digest!r} is not a sha256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST_LAYER:
        raise Corrupt("a manifest is damaged", why=f"{size!r} cannot be the size of {digest}")
    return BlobRef(digest=digest, size=size, media_type=str(entry.get("mediaType") or ""))


def _architecture(entry: dict[str, Any]) -> tuple[str, str]:
    platform = entry["platform"]
    return str(platform.get("os", "")), str(platform.get("architecture", ""))


def _variant(entry: dict[str, Any]) -> str:
    return str(entry["platform"].get("variant", ""))


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise Corrupt("a manifest is damaged", why=f"it has no {name!r}")
    return found


def _objects(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = value.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Corrupt("a manifest is damaged", why=f"it has no list of {name!r}")
    return found
