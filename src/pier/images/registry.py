"""One registry over the OCI distribution protocol: manifests and blobs, with tokens, proxies and private CAs.

Reads no environment: `options_from` is given one. Keeps nothing on disk and verifies manifests; `download` verifies
blobs. Every failure is translated here, so that callers see Unavailable, NotFound, Denied, Exhausted or Corrupt.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from pier import __version__
from pier.errors import Corrupt, Denied, Exhausted, NotFound, PierError, Unavailable
from pier.images import credentials, manifest
from pier.images.credentials import Credentials
from pier.model.record import Record
from pier.model.reference import DEFAULT_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCKER_HUB_API = "registry-1.docker.io"  # where the registry named docker.io really answers

_LARGEST_MANIFEST = 4 << 20  # the limit that the distribution protocol sets
_MANY_REQUESTS = 429


class RegistryOptions(Record):
    """How to reach registries. *mirror*, a URL, is asked before Docker Hub; *no_proxy* holds hosts and suffixes."""

    mirror: str = ""
    docker_config: str = ""
    ca_file: str = ""
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: tuple[str, ...] = ()
    connect_seconds: float = 5.0
    read_seconds: float = 30.0


class Address(Record):
    """Where a registry's API lies: *base* is a URL without a path's end, *domain* the name it has in references."""

    base: str
    domain: str


def options_from(environ: Mapping[str, str]) -> RegistryOptions:
    """What an environment asks for: the usual proxy and CA variables, DOCKER_CONFIG, PIER_REGISTRY_MIRROR."""

    def first(*names: str) -> str:
        return next((environ[name] for name in names if environ.get(name)), "")

    config_dir = environ.get("DOCKER_CONFIG") or (environ["HOME"] + "/.docker" if environ.get("HOME") else "")
    bypass = first("no_proxy", "NO_PROXY")
    return RegistryOptions(
        mirror=first("PIER_REGISTRY_MIRROR"),
        docker_config=config_dir + "/config.json" if config_dir else "",
        ca_file=first("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        http_proxy=first("http_proxy", "HTTP_PROXY"),
        https_proxy=first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
        no_proxy=tuple(item.strip() for item in bypass.split(",") if item.strip()),
    )


def addresses(domain: str, options: RegistryOptions) -> tuple[Address, ...]:
    """Where to ask for *domain*, in order. Plain http only for this machine's own registries."""
    if domain == DEFAULT_DOMAIN:
        hub = Address(base=f"https://{DOCKER_HUB_API}", domain=domain)
        return (Address(base=options.mirror.rstrip("/"), domain=domain), hub) if options.mirror else (hub,)
    schemes = ("http", "https") if _is_local(domain) else ("https",)
    return tuple(Address(base=f"{scheme}://{domain}", domain=domain) for scheme in schemes)


class Registry:
    """A connection to one registry. Own it with `with`; it may be used by several threads."""

    def __init__(self, address: Address, options: RegistryOptions) -> None:
        self.address = address
        self._options = options
        self._tokens: dict[str, str] = {}
        self._authorizing = threading.Lock()
        self._reading: set[socket.socket] = set()
        self._client = httpx.Client(
            base_url=address.base + "/v2/",
            timeout=httpx.Timeout(options.read_seconds, connect=options.connect_seconds),
            verify=_trust(options) if address.base.startswith("https") or options.https_proxy else False,
            mounts=_proxies(options),
            trust_env=False,
            follow_redirects=True,
            headers={"User-Agent": f"pier/{__version__}"},
            event_hooks={"request": [self._refuse_downgrade]},
        )

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """No request succeeds any more."""
        self._client.close()

    def abort(self) -> None:
        """Answers that other threads are reading fail there at once, instead of at their time limit."""
        for connection in tuple(self._reading):
            try:
                # Not SSLSocket.shutdown, which would take the TLS state away under its reader.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:  # it ended by itself meanwhile
                continue

    def manifest(self, repository: str, wanted: str) -> tuple[str, str, bytes]:
        """Media type, digest and bytes of a manifest, by tag or digest. Corrupt where the digest does not match."""
        name = f"{self.address.domain}/{repository}"
        headers = {"Accept": ", ".join(manifest.ACCEPTED)}
        with self.get(repository, f"{repository}/manifests/{wanted}", headers) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_MANIFEST:
                    raise Corrupt(f"the manifest of {name} is too large", why="more than 4 MiB")
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            promised = wanted if wanted.startswith("sha256:") else answer.headers.get("Docker-Content-Digest", "")
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        if promised.startswith("sha256:") and promised != digest:
            raise Corrupt(
                f"the manifest of {name} is not what was promised",
                why=f"expected {promised}, got {digest}",
                hint="try again; if it stays, the registry or a proxy before it alters what it sends",
            )
        return media_type, digest, bytes(body)

    @contextmanager
    def get(self, repository: str, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A successful answer, not yet read, authorized as the registry asks for it."""
        with _translating(self.address):
            for attempt in range(2):
                with self._client.stream("GET", path, headers={**headers, **self._authorization(repository)}) as answer:
                    if answer.status_code == httpx.codes.UNAUTHORIZED and attempt == 0:
                        answer.read()
                        self._authorize(repository, answer)
                        continue
                    if not answer.is_success:
                        answer.read()
                        raise self._refusal(repository, path, answer)
                    with self._abortable(answer):
                        yield answer
                    return

    @contextmanager
    def _abortable(self, answer: httpx.Response) -> Iterator[None]:
        connection = answer.extensions["network_stream"].get_extra_info("socket")
        self._reading.add(connection)
        try:
            yield
        finally:
            self._reading.discard(connection)

    def _authorization(self, repository: str) -> dict[str, str]:
        token = self._tokens.get(repository)
        return {"Authorization": token} if token else {}

    def _authorize(self, repository: str, answer: httpx.Response) -> None:
        """Answer the challenge. Several threads meet it at once when a token expires: one asks for the next."""
        used = answer.request.headers.get("Authorization", "")
        with self._authorizing:
            if self._tokens.get(repository, "") != used:
                return
            known = credentials.look_up(self._options.docker_config, self.address.domain)
            for challenge in credentials.challenges(answer.headers.get("WWW-Authenticate", "")):
                if challenge.scheme == "bearer":
                    self._tokens[repository] = self._token(repository, challenge.parameters, known)
                    return
                if known and known.basic() != used:
                    self._tokens[repository] = known.basic()
                    return
        raise self._denied(repository, known, _registry_message(answer))

    def _token(self, repository: str, parameters: dict[str, str], known: Credentials) -> str:
        """A bearer token (distribution: token authentication). Passwords travel under TLS or stay on this machine."""
        realm = httpx.URL(parameters.get("realm", ""))
        if realm.scheme != "https" and not (realm.scheme == "http" and _is_local(realm.netloc.decode())):
            raise Denied(
                f"cannot log in to {self.address.domain}", why=f"it asks for the password at {realm}, without TLS"
            )
        query = {"scope": parameters.get("scope") or f"repository:{repository}:pull"}
        if parameters.get("service"):
            query["service"] = parameters["service"]
        headers = {"Authorization": known.basic()} if known else {}
        answer = self._client.get(realm, params=query, headers=headers)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._denied(repository, known, _registry_message(answer))
        if not answer.is_success:
            raise self._refusal(repository, str(realm.host), answer)
        value = manifest.load(answer.content, f"the token of {realm.host}")
        token = value.get("token") or value.get("access_token")
        if not isinstance(token, str) or not token:
            raise Denied(f"cannot log in to {self.address.domain}", why=f"{realm.host} gave no token")
        return "Bearer " + token

    def _refusal(self, repository: str, path: str, answer: httpx.Response) -> PierError:
        name = f"{self.address.domain}/{repository}"
        said = _registry_message(answer)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            known = credentials.look_up(self._options.docker_config, self.address.domain)
            return self._denied(repository, known, said)
        if answer.status_code == httpx.codes.NOT_FOUND:
            if "/manifests/" in path:
                wanted = path.rpartition("/")[2]
                joined = f"{name}@{wanted}" if ":" in wanted else f"{name}:{wanted}"
                return NotFound(f"image {joined} does not exist", why=said, hint="check the name and the tag")
            return NotFound(f"the registry lacks a part of {name}", why=f"{path.rpartition('/')[2]}: {said}")
        if answer.status_code == _MANY_REQUESTS:
            return _rate_limited(self.address.domain, answer, said)
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return Corrupt(f"the registry has only a part of {name}", why=f"{path.rpartition('/')[2]} ends early there")
        return Unavailable(
            f"the registry {self.address.domain} failed",
            why=f"HTTP {answer.status_code}: {said}",
            hint="try again later",
        )

    def _denied(self, repository: str, known: Credentials, said: str) -> Denied:
        domain = self.address.domain
        where = self._options.docker_config or "Docker's config.json"
        if known.helper:
            hint = f"pier does not run {known.helper}; put the login under auths in {where}"
        elif known:
            hint = f"check the login of {domain} in {where}"
        else:
            hint = f"check the name; a private image needs a login under auths in {where}"
        return Denied(f"access to {domain}/{repository} is denied", why=said, hint=hint)

    def _refuse_downgrade(self, request: httpx.Request) -> None:
        """Whatever began under TLS stays under it, redirects included."""
        if self.address.base.startswith("https") and request.url.scheme != "https":
            raise Unavailable(f"the registry {self.address.domain} redirects to {request.url.host}", why="without TLS")


@contextmanager
def _translating(address: Address) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as exc:
        raise _unavailable(address, f"no answer in time ({type(exc).__name__})") from exc
    except (httpx.TransportError, httpx.InvalidURL) as exc:
        raise _unavailable(address, str(exc) or type(exc).__name__) from exc
    except httpx.HTTPError as exc:
        raise Unavailable(f"the registry {address.domain} failed", why=str(exc)) from exc


def _unavailable(address: Address, why: str) -> Unavailable:
    return Unavailable(
        f"cannot reach the registry {address.domain}",
        why=f"{httpx.URL(address.base).host}: {why}",
        hint="check the network and the proxy variables, or name a mirror in PIER_REGISTRY_MIRROR",
    )


def _rate_limited(domain: str, answer: httpx.Response, said: str) -> Exhausted:
    facts = [said]
    for header in ("RateLimit-Limit", "RateLimit-Remaining", "Retry-After"):
        if header in answer.headers:
            facts.append(f"{header}: {answer.headers[header]}")
    return Exhausted(
        f"{domain} allows no more downloads now",
        why="; ".join(facts),
        hint="wait, log in (auths in Docker's config.json), or name a mirror in PIER_REGISTRY_MIRROR",
    )


def _registry_message(answer: httpx.Response) -> str:
    """What the registry said in the protocol's error object, else the status."""
    try:
        first = manifest.load(answer.content, "the answer")["errors"][0]
        return f"{first.get('message') or first.get('code')}"
    except (Corrupt, KeyError, IndexError, TypeError, AttributeError):
        return f"{answer.status_code} {answer.reason_phrase}"


def _trust(options: RegistryOptions) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if options.ca_file:
        try:
            context.load_verify_locations(cafile=options.ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise Unavailable(f"cannot read the certificates in {options.ca_file}", why=str(exc)) from exc
    elif not context.cert_store_stats()["x509_ca"] and not ssl.get_default_verify_paths().capath:
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    return context


def _proxies(options: RegistryOptions) -> dict[str, httpx.BaseTransport | None]:
    mounts: dict[str, httpx.BaseTransport | None] = {}
    for scheme, proxy in (("http://", options.http_proxy), ("https://", options.https_proxy)):
        if proxy:
            url = proxy if "://" in proxy else "http://" + proxy
            mounts[scheme] = httpx.HTTPTransport(proxy=url, verify=_trust(options))
    if mounts:
        for host in ("localhost", "127.0.0.1", "[::1]", *options.no_proxy):
            if host == "*":
                return {}
            bare = host.lstrip(".")
            mounts[f"all://{bare}"] = None
            if not bare[-1:].isdigit() and bare[:1] != "[":
                mounts[f"all://*.{bare}"] = None
    return mounts


def _is_local(domain: str) -> bool:
    host = domain.rpartition(":")[0] if domain.rpartition(":")[2].isdigit() and not domain.endswith("]") else domain
    parts = host.split(".")
    loopback = len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)
    return loopback or host in ("localhost", "[::1]")
