"""The build context and the Dockerfile: found, opened, filtered by `.dockerignore`. Fetches nothing."""

from __future__ import annotations

import os

from pier.build.sources import Origin
from pier.build.tree import Tree
from pier.errors import Denied, NotFound, Unsupported
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from pier.build.ignore import Rules
    from pier.build.options import BuildOptions

_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")
DEFAULT_NAME = "Dockerfile"


class Opened(Record):
    """*origin* is what COPY reads; *text* the Dockerfile's, *name* how messages call it."""

    NESTED = {"origin": Origin}

    origin: Origin
    text: str
    name: str


def open_context(options: BuildOptions, scratch: str) -> Opened:
    """The context of *options*; a streamed one is unpacked under *scratch*. NotFound, Unsupported, Denied."""
    context = options.context
    if context.startswith(_REMOTE) or context.partition("#")[0].endswith(".git"):
        raise Unsupported(
            f"cannot build from {context}: remote build contexts are not supported",
            hint="clone or download it, then build from the folder",
        )
    text = options.dockerfile_text
    if options.context_stream is not None:
        context, sent = _received(options.context_stream, scratch)
        text = text if sent is None else sent
    elif not context:
        os.mkdir(scratch + "/empty")
        context = scratch + "/empty"
    elif not os.path.isdir(context):
        what = "is not a directory" if os.path.exists(context) else "not found"
        raise NotFound(f'unable to prepare context: path "{context}" {what}', hint="pier build [OPTIONS] PATH | -")
    path = ""
    if text is None:
        path = _dockerfile_path(options, context)
    rules = _ignored(context, path)
    shown = f"the build context {options.context}" if options.context else "the build context"
    tree = Tree((context.rstrip("/") or "/",), overlay=False, hides=rules.hides if rules else None)
    name = options.dockerfile or DEFAULT_NAME
    return Opened(
        origin=Origin(tree=tree, spoken=shown, rules=rules), text=_text(path) if text is None else text, name=name
    )


def _received(stream: BinaryIO, scratch: str) -> tuple[str, str | None]:
    """The context that *stream* carries, and the Dockerfile where the stream is no archive but just that."""
    from shutil import copyfileobj

    from pier.build import archive
    from pier.build.place import Placer

    file, directory = scratch + "/received", scratch + "/context"
    os.mkdir(directory)
    with open(file, "wb") as target:
        copyfileobj(stream, target)
    if not archive.is_archive(file):
        return directory, _text(file)
    with open(file, "rb") as source, Placer((), directory) as placer:
        archive.unpack(source, placer, "/", (os.geteuid(), os.getegid()), spoken="the build context")
    os.unlink(file)
    return directory, None


def _dockerfile_path(options: BuildOptions, context: str) -> str:
    """As typed, from the working directory; failing that, inside the context (docker build does both)."""
    given = options.dockerfile
    inside = os.path.join(context, given or DEFAULT_NAME)
    if given and options.context_stream is None and os.path.isfile(given):
        return given
    if os.path.isfile(inside):
        return inside
    from pier.build.likely import likely

    close = likely(given or DEFAULT_NAME, sorted(os.listdir(context))[:1000])
    raise NotFound(
        f"failed to read dockerfile: {given or inside}: no such file or directory",
        why=f"there is none in {options.context or 'the build context'}" if not given else "",
        hint=f"did you mean -f {os.path.join(options.context, close)}?" if close else "name it with -f",
    )


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except PermissionError as exc:
        raise Denied(f"failed to read dockerfile: {path}: permission denied") from exc
    except UnicodeDecodeError as exc:
        raise Unsupported(f"failed to read dockerfile: {path} is not UTF-8 text", why=str(exc)) from exc


def _ignored(context: str, dockerfile: str) -> Rules | None:
    """The rules of `<Dockerfile>.dockerignore`, else of `.dockerignore`; None without either."""
    candidates = [dockerfile + ".dockerignore"] if dockerfile else []
    for path in (*candidates, os.path.join(context, ".dockerignore")):
        if os.path.isfile(path):
            from pier.build import ignore

            rules = ignore.parse(_text(path), os.path.basename(path))
            return rules if rules.rules else None
    return None
