"""A registry in a thread, with the faults a test asks for, and the pushing of images into any registry.

It speaks the part of the OCI distribution protocol that pulling needs. Knows nothing of pier.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from archives import gzipped

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Pushable:
    """An image as its blobs and its manifest."""

    manifest: bytes
    media_type: str
    blobs: dict[str, bytes]
    layers: list[str]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def image_of(*archives: bytes, docker: bool = False, os: str = "linux", **config: Any) -> Pushable:
    """An image of plain layer *archives*, bottom first, in OCI's manifest or in Docker's schema 2."""
    kinds = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (MANIFEST, CONFIG, LAYER)
    rootfs = {"type": "layers", "diff_ids": [digest_of(plain) for plain in archives]}
    configuration = json.dumps({"architecture": "amd64", "os": os, "rootfs": rootfs, "config": config}).encode()
    packed = [gzipped(plain) for plain in archives]

    def describe(data: bytes, kind: str) -> dict[str, Any]:
        return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": kinds[0],
        "config": describe(configuration, kinds[1]),
        "layers": [describe(data, kinds[2]) for data in packed],
    }
    blobs = {digest_of(data): data for data in (configuration, *packed)}
    return Pushable(json.dumps(manifest).encode(), kinds[0], blobs, [digest_of(data) for data in packed])


def index_of(images: dict[str, Pushable], media_type: str = INDEX) -> bytes:
    """An index of *images* by platform ("linux/arm64/v8")."""
    entries = []
    for platform, image in images.items():
        names = ("os", "architecture", "variant")
        entries.append(
            {
                "mediaType": image.media_type,
                "digest": image.digest,
                "size": len(image.manifest),
                "platform": dict(zip(names, platform.split("/"), strict=False)),
            }
        )
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()


@dataclass
class FaultyRegistry:
    """What it holds, and how it misbehaves. Each fault names the blob it applies to."""

    address: str = ""
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)
    forged: dict[str, bytes] = field(default_factory=dict)
    hidden_digest: bool = False
    ranges: bool = True
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""
    basic: bool = False
    tokens: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def push(self, repository: str, image: Pushable, *tags: str) -> None:
        self.blobs |= image.blobs
        for name in (image.digest, *tags):
            self.manifests[repository, name] = (image.media_type, image.manifest)

    def push_index(self, repository: str, images: dict[str, Pushable], tag: str, media_type: str = INDEX) -> bytes:
        for image in images.values():
            self.push(repository, image)
        body = index_of(images, media_type)
        self.manifests[repository, tag] = self.manifests[repository, digest_of(body)] = (media_type, body)
        return body

    def asked(self, digest: str) -> list[str]:
        """The Range headers of the requests for a blob, "" where there was none."""
        return [ranges for path, ranges in self.requests if path.endswith(digest)]


@contextmanager
def serving(registry: FaultyRegistry, *, certificate: str = "") -> Iterator[FaultyRegistry]:
    """*registry* answers on a loopback port; under TLS with the key and *certificate* in one file."""

    class Handler(_Handler):
        faulty = registry

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        for event in registry.held.values():
            event.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    faulty: FaultyRegistry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        registry = self.faulty
        registry.requests.append((self.path, self.headers.get("Range", "")))
        if self.path.startswith("/token"):
            self._token()
        elif registry.status:
            self._answer(
                registry.status, "application/json", b'{"errors":[{"code":"X","message":"as told"}]}', registry.headers
            )
        elif not self._authorized():
            scheme = (
                'Basic realm="r"' if registry.basic else f'Bearer realm="http://{registry.address}/token",service="s"'
            )
            self._answer(401, "application/json", b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": scheme})
        else:
            self._content()

    def _content(self) -> None:
        repository, kind, name = self.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests" and (repository, name) in self.faulty.manifests:
            media_type, body = self.faulty.manifests[repository, name]
            more = {} if self.faulty.hidden_digest else {"Docker-Content-Digest": digest_of(body)}
            self._answer(200, media_type, self.faulty.forged.get(name, body), more)
        elif kind == "blobs" and name in self.faulty.blobs:
            self._blob(name)
        else:
            code = b"MANIFEST_UNKNOWN" if kind == "manifests" else b"BLOB_UNKNOWN"
            self._answer(404, "application/json", b'{"errors":[{"code":"%s","message":"unknown to us"}]}' % code)

    def _blob(self, digest: str) -> None:
        body = self.faulty.forged.get(digest, self.faulty.blobs[digest])
        start = 0
        wanted = self.headers.get("Range", "")
        if wanted and self.faulty.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self._answer(416, "text/plain", b"")
                return
        cuts = self.faulty.cut_after.get(digest) or [len(body)]
        cut = cuts.pop(0) if len(cuts) > 1 or digest in self.faulty.cut_after else len(body)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        held = self.faulty.held.get(digest)
        try:
            if held is not None:
                self.wfile.write(body[start : start + len(body) // 2])
                self.wfile.flush()
                held.wait()
                self.wfile.write(body[start + len(body) // 2 :])
            else:
                self.wfile.write(body[start : start + cut])
        except OSError:
            return
        if start + cut < len(body):
            self.close_connection = True

    def _authorized(self) -> bool:
        given = self.headers.get("Authorization", "")
        if not self.faulty.user:
            return True
        return given == self._expected() if self.faulty.basic else given.removeprefix("Bearer ") in self.faulty.tokens

    def _token(self) -> None:
        if self.headers.get("Authorization", "") != self._expected():
            self._answer(401, "application/json", b'{"errors":[{"message":"wrong password"}]}')
            return
        token = f"token{len(self.faulty.tokens)}"
        self.faulty.tokens.add(token)
        self._answer(200, "application/json", json.dumps({"token": token}).encode())

    def _expected(self) -> str:
        return "Basic " + base64.b64encode(f"{self.faulty.user}:{self.faulty.password}".encode()).decode()

    def _answer(self, status: int, media_type: str, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
