"""Values of the image configuration, from the words of ENV, EXPOSE, WORKDIR, STOPSIGNAL, HEALTHCHECK and --chmod.
Pure.
"""

from __future__ import annotations

import posixpath

from pier.build.expansion import expand_words
from pier.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pier.build.instructions import HealthCheck
    from pier.model.image import ImageConfig

_PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST_PORT = 65535


def environment(config: ImageConfig) -> dict[str, str]:
    """The configuration's environment by name."""
    return {name: value for name, _, value in (entry.partition("=") for entry in config.env)}


def with_environment(env: tuple[str, ...], pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """*env* with *pairs*: a known name keeps its place."""
    merged = {entry.partition("=")[0]: entry for entry in env}
    merged.update({name: f"{name}={value}" for name, value in pairs})
    return tuple(merged.values())


def absolute(path: str, working_dir: str) -> str:
    """*path* from *working_dir*, clean, without a trailing slash. Invalid when empty."""
    if not path:
        raise Invalid("the path is empty", hint="a variable in it may be unset")
    joined = posixpath.normpath(posixpath.join("/", working_dir, path))
    return "/" + joined.lstrip("/")


def destination(path: str, working_dir: str) -> str:
    """Like `absolute`; a trailing slash, "." and "/." say that it is a directory, and leave a slash at the end."""
    clean = absolute(path, working_dir)
    is_directory = path.endswith(("/", "/.")) or path == "."
    return clean + "/" if is_directory and clean != "/" else clean


def ports(words: Iterable[str], variables: Mapping[str, str], escape: str) -> list[str]:
    """`8000`, `8000/udp` and `8000-8002` as `number/protocol`, sorted."""
    found: set[str] = set()
    for word in words:
        for port in expand_words(word, variables, escape):
            found.update(_port(port))
    return sorted(found)


def _port(text: str) -> list[str]:
    numbers, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    first, dash, last = numbers.partition("-")
    last = last if dash else first
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last) <= _HIGHEST_PORT):
        raise Invalid(f"invalid container port: {text}", hint="EXPOSE 8000, or EXPOSE 8000-8002/udp")
    if protocol not in _PROTOCOLS:
        raise Invalid(f"invalid proto: {protocol}", hint="one of " + ", ".join(_PROTOCOLS))
    return [f"{number}/{protocol}" for number in range(int(first), int(last) + 1)]


def signal_name(text: str) -> str:
    """*text*, if it names a signal or is its number."""
    import signal

    bare = text.upper().removeprefix("SIG")
    known = {item.name.removeprefix("SIG") for item in signal.Signals} | {"RTMIN", "RTMAX"}
    if text.isdigit() and 0 < int(text) <= signal.NSIG:
        return text
    if bare in known or bare.startswith(("RTMIN+", "RTMAX-")):
        return text
    from pier.build.likely import did_you_mean

    raise Invalid(f"invalid signal: {text}", hint=did_you_mean("SIG" + bare, {"SIG" + name for name in known}))


def healthcheck(item: HealthCheck) -> dict[str, Any]:
    """Docker's `Healthcheck` object; times in nanoseconds, zeros left out."""
    if item.disabled:
        return {"Test": ["NONE"]}
    test = ["CMD-SHELL", item.command.text] if item.command.shell else ["CMD", *item.command.words]
    found: dict[str, Any] = {"Test": test}
    for name, value in (
        ("Interval", item.interval),
        ("Timeout", item.timeout),
        ("StartPeriod", item.start_period),
        ("StartInterval", item.start_interval),
        ("Retries", item.retries),
    ):
        if value:
            found[name] = value
    return found


def mode(text: str) -> int:
    """The permission bits of --chmod; -1 for "". Octal only."""
    if not text:
        return -1
    if not text.isascii() or not text.isdigit() or any(digit in "89" for digit in text) or int(text, 8) > 0o7777:
        raise Invalid(f"--chmod={text} is no octal mode", hint="--chmod=755")
    return int(text, 8)
