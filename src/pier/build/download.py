"""Files that ADD fetches by address. One GET each build; the content decides about the cache. Loads httpx."""

from __future__ import annotations

import hashlib
import os
import ssl
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import httpx

from pier.errors import Corrupt, Denied, Invalid, NotFound, PierError, Unavailable
from pier.model.record import Record

_REFUSED = (401, 403, 407)
_MISSING = (404, 410)
_TIMEOUT = httpx.Timeout(30.0, read=120.0)


class Download(Record):
    """A fetched file: where it lies, what it is called, its SHA-256 and its Last-Modified time (-1 when unknown)."""

    real: str
    name: str
    digest: str
    mtime_ns: int = -1


def file_name(url: str) -> str:
    """The last part of the address's path; Invalid when it has none."""
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    if not name or "/" in name or name in (".", ".."):
        raise Invalid(f"cannot tell a file name from {url}", hint="give a destination without a trailing slash")
    return name


def fetch(url: str, directory: str, checksum: str, *, ca_bundle: str, name: str) -> Download:
    """*url* as a file in *directory*. *checksum* is `sha256:…` or "": Corrupt when it differs. *ca_bundle*: a file, or
    "".

    Unavailable when nobody answers; NotFound and Denied when the server says so.
    """
    real = f"{directory}/{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    seen = hashlib.sha256()
    verify = ssl.create_default_context(cafile=ca_bundle or None)
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT, verify=verify) as answer:
            _accept(url, answer)
            with open(real, "wb") as target:
                for block in answer.iter_bytes():
                    seen.update(block)
                    target.write(block)
            modified = answer.headers.get("last-modified", "")
    except httpx.HTTPError as exc:
        raise Unavailable(f"cannot fetch {url}", why=str(exc) or type(exc).__name__) from exc
    wanted = checksum.removeprefix("sha256:")
    if checksum and wanted != seen.hexdigest():
        os.unlink(real)
        raise Corrupt(f"{url} does not match its --checksum", why=f"it is sha256:{seen.hexdigest()}")
    return Download(real=real, name=name, digest=seen.hexdigest(), mtime_ns=_time(modified))


def _accept(url: str, answer: httpx.Response) -> None:
    code = answer.status_code
    if code < 400:
        return
    text = f"cannot fetch {url}: {code} {answer.reason_phrase}"
    if code in _MISSING:
        raise NotFound(text)
    raise Denied(text) if code in _REFUSED else PierError(text)


def _time(text: str) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 1_000_000_000
    except (ValueError, TypeError):
        return -1
