"""A real registry (Debian's docker-registry) on a loopback port, fed from a store by skopeo."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import http_get, wait_until

_CONFIGURATION = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {data}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True)
class Registry:
    """*store* is the pier store whose image layout skopeo reads."""

    port: int
    data: Path
    store: Path

    def push(self, image: str) -> str:
        """Copy *image* of the store here; returns the reference to pull."""
        reference = f"127.0.0.1:{self.port}/lab/{image.replace(':', '-')}:1"
        layout = f"oci:{self.store}/images:{self._name_in_layout(image)}"
        subprocess.run(
            ["skopeo", "copy", "--dest-tls-verify=false", layout, f"docker://{reference}"],
            check=True,
            capture_output=True,
        )
        return reference

    def _name_in_layout(self, image: str) -> str:
        """The layout's own name for *image*, whatever form it has."""
        index = json.loads((self.store / "images/index.json").read_text())
        for entry in index["manifests"]:
            name: str = entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "")
            if name.endswith(image if ":" in image else f"{image}:latest"):
                return name
        raise AssertionError(f"{image} is not in the layout")

    def damage_first_layer(self, reference: str, damage: str) -> None:
        """Make the stored layer differ from its digest: "truncated" or "altered"."""
        asked = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
        manifest = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
        digest = manifest["layers"][0]["digest"].removeprefix("sha256:")
        blob = self.data / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 0xFF
        blob.write_bytes(content if damage == "altered" else content[: len(content) // 2])


def missing() -> str:
    """The program that is lacking, or nothing."""
    return next((program for program in ("docker-registry", "skopeo") if not shutil.which(program)), "")


@contextmanager
def serve(folder: Path, store: Path) -> Iterator[Registry]:
    """A registry that keeps its data in *folder*."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "registry.yaml"
    configuration.write_text(_CONFIGURATION.format(data=folder / "data", port=port))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(configuration)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        wait_until(lambda: _answers(port), what="the registry answers")
        yield Registry(port, folder / "data", store)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return http_get(f"http://127.0.0.1:{port}/v2/")[0] == 200
    except OSError:
        return False
