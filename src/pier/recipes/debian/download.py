"""Files of an archive, fetched in parallel over kept connections and checked against their promised SHA-256.

What was checked is kept in a cache named by checksum, so that a second base costs no download. Trusts no server.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

from pier.errors import Corrupt, NotFound, Unavailable, Unsupported
from pier.model.record import Record
from pier.recipes.debian.aptconf import AptSettings, proxy_for
from pier.recipes.debian.sources import without_password
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import TracebackType
    from typing import Self, TypeVar

    import httpx

    T = TypeVar("T")

_PARALLEL = 6
_WAITING = 8
_TRIES = 3


class Wanted(Record):
    """One file to have: where it is and what it must be."""

    url: str
    sha256: str
    size: int


class Downloader:
    """Fetches http, https and file URLs, through apt's or the environment's proxies. Use it in a `with` block."""

    def __init__(self, cache: str, settings: AptSettings, environ: Mapping[str, str]) -> None:
        self._cache = files.ensure_dir(cache)
        self._settings = settings
        self._environ = environ
        self._clients: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        for client in self._clients.values():
            client.close()

    def get(self, url: str) -> bytes:
        """The bytes at *url*. NotFound when the server has no such file; Unavailable when it does not answer."""
        scheme, _, path = url.partition("://")
        if url.startswith(("file:", "copy:")):
            return _read_local("/" + url.partition(":")[2].lstrip("/"))
        if scheme not in ("http", "https"):
            raise Unsupported(
                f"cannot fetch {without_password(url)}",
                why=f"pier knows no {scheme} transport",
                hint="use an http mirror",
            )
        return self._get_http(url)

    def _get_http(self, url: str) -> bytes:
        import httpx

        shown = without_password(url)
        client = self._client(proxy_for(url, self._settings, self._environ))
        failure: httpx.HTTPError | None = None
        for _ in range(_TRIES):
            try:
                answer = client.get(url)
            except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                failure = exc
                break
            except httpx.HTTPError as exc:
                failure = exc
                continue
            if answer.status_code == 200:
                return answer.content
            if answer.status_code in (404, 410):
                raise NotFound(f"the mirror has no {shown}", hint="try again later, or name another mirror")
            if answer.status_code < 500:
                raise Unavailable(f"the mirror refused {shown}", why=f"it answered {answer.status_code}")
            failure = httpx.HTTPStatusError(
                f"it answered {answer.status_code}", request=answer.request, response=answer
            )
        raise Unavailable(
            f"cannot fetch {shown}",
            why=str(failure),
            hint="check the network and the proxies, or name another mirror with PIER_DEBIAN_MIRROR",
        ) from failure

    def _client(self, proxy: str) -> httpx.Client:
        import httpx

        with self._lock:
            if proxy not in self._clients:
                self._clients[proxy] = httpx.Client(
                    trust_env=False,
                    proxy=proxy or None,
                    verify=self._context(),
                    timeout=httpx.Timeout(20.0, connect=10.0),
                    follow_redirects=True,
                    limits=httpx.Limits(max_connections=_PARALLEL, max_keepalive_connections=_PARALLEL),
                )
            return self._clients[proxy]

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            bundle = self._environ.get("SSL_CERT_FILE", "")
            folder = self._environ.get("SSL_CERT_DIR", "")
            self._tls = ssl.create_default_context(
                cafile=bundle if os.path.isfile(bundle) else None, capath=folder if os.path.isdir(folder) else None
            )
        return self._tls

    def cached(self, wanted: Wanted) -> str:
        """The path of *wanted* in the cache, fetched if it is not there. Corrupt when the server's bytes are others."""
        path = os.path.join(self._cache, wanted.sha256)
        if _holds(path, wanted):
            return path
        data = self.get(wanted.url)
        found = hashlib.sha256(data).hexdigest()
        if found != wanted.sha256:
            raise Corrupt(
                f"{without_password(wanted.url)} is not what the archive's index promises",
                why=f"sha256 {found[:16]}… of {len(data)} bytes, promised {wanted.sha256[:16]}… of {wanted.size}",
                hint="the mirror or a proxy in between may be stale: try again, or name another mirror",
            )
        # Writers of the same file replace it by the same bytes: no lock is needed.
        temporary = f"{path}.{os.getpid()}.{threading.get_ident()}~"
        try:
            with open(temporary, "wb") as file:
                file.write(data)
            os.rename(temporary, path)
        except BaseException:
            files.unlink_quietly(temporary)
            raise
        return path

    def each(self, wanted: Sequence[Wanted], read: Callable[[Wanted, bytes], T]) -> Generator[T, None, None]:
        """What *read* makes of each file, in the order in which they are ready; fetched and read several at a time.

        At most a few results wait for the caller. The first failure is raised when the running downloads have ended;
        those not begun are given up.
        """
        room = threading.Semaphore(_WAITING)

        def load(item: Wanted) -> T:
            path = self.cached(item)
            room.acquire()
            with open(path, "rb") as file:
                return read(item, file.read())

        pool = ThreadPoolExecutor(max_workers=_PARALLEL)
        try:
            for job in as_completed([pool.submit(load, item) for item in wanted]):
                yield job.result()
                room.release()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            room.release(_PARALLEL)
            pool.shutdown(wait=True)


def _holds(path: str, wanted: Wanted) -> bool:
    """Whether the cache has *wanted*, whole: a disk may have failed since it was written."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == wanted.sha256
    except FileNotFoundError:
        return False


def _read_local(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as exc:
        raise NotFound(f"the mirror has no {path}") from exc
    except OSError as exc:
        raise Unavailable(f"cannot read {path}", why=exc.strerror or str(exc)) from exc
