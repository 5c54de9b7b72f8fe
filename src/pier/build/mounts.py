"""`RUN --mount=…`: its grammar (Dockerfile reference, "RUN --mount"). Mounts nothing."""

from __future__ import annotations

from pier.build.likely import did_you_mean
from pier.errors import Invalid, Unsupported
from pier.model.record import Record

_ALIASES = {"dst": "target", "destination": "target", "src": "source", "rw": "readwrite", "ro": "readonly"}
_SWITCHES = ("readonly", "readwrite", "required")
_KEYS = {
    "bind": ("target", "source", "from", "readwrite", "readonly"),
    "cache": ("target", "source", "from", "id", "sharing", "mode", "uid", "gid", "readonly", "readwrite"),
    "tmpfs": ("target", "size"),
    "secret": ("target", "id", "env", "required", "mode", "uid", "gid"),
}
_SHARINGS = ("shared", "private", "locked")


class RunMount(Record):
    """One mount of a RUN step. *source_stage*: a stage, an image, or "" for the build context."""

    kind: str
    target: str = ""
    source: str = ""
    source_stage: str = ""
    id: str = ""
    env: str = ""
    sharing: str = "shared"
    mode: int = -1
    uid: int = 0
    gid: int = 0
    size: int = 0
    readonly: bool = True
    required: bool = False


def parse_mount(text: str) -> RunMount:
    """The mount that `type=cache,target=/root/.cache` means. Invalid with the likely key; ssh is refused by name."""
    values = _values(text)
    kind = values.pop("type", "bind")
    if kind == "ssh":
        raise Unsupported(
            "RUN --mount=type=ssh is not supported: there is no ssh agent to forward to a build step",
            hint="pass a deploy key with --secret and RUN --mount=type=secret",
        )
    if kind not in _KEYS:
        raise Invalid(f"unknown mount type: {kind}", hint=did_you_mean(kind, _KEYS))
    for key in values:
        if key not in _KEYS[kind]:
            raise Invalid(f"a {kind} mount knows no '{key}'", hint=did_you_mean(key, _KEYS[kind]))
    return _checked(kind, values)


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for field in text.split(","):
        key, equals, value = field.strip().partition("=")
        key = _ALIASES.get(key.lower(), key.lower())
        if not equals and key not in _SWITCHES:
            raise Invalid(f"--mount={text}: '{field}' needs a value", hint="--mount=type=cache,target=/root/.cache")
        if equals and key in _SWITCHES and value not in ("true", "false", "1", "0"):
            raise Invalid(f"--mount={text}: {key} is true or false, not {value}")
        values[key] = value if equals else "true"
    return values


def _checked(kind: str, values: dict[str, str]) -> RunMount:
    target = values.get("target", "")
    if not target and kind != "secret":
        raise Invalid(f"a {kind} mount needs a target", hint=f"--mount=type={kind},target=/path")
    if kind == "secret" and not values.get("id"):
        values["id"] = target.rsplit("/", 1)[-1]
        if not values["id"]:
            raise Invalid("a secret mount needs an id", hint="--mount=type=secret,id=name")
    sharing = values.get("sharing", "shared")
    if sharing not in _SHARINGS:
        raise Invalid(f"unknown sharing of a cache mount: {sharing}", hint="one of " + ", ".join(_SHARINGS))
    return RunMount(
        kind=kind,
        target=target,
        source=values.get("source", ""),
        source_stage=values.get("from", ""),
        id=values.get("id", ""),
        env=values.get("env", ""),
        sharing=sharing,
        mode=_number(values, "mode", 8, -1),
        uid=_number(values, "uid", 10, 0),
        gid=_number(values, "gid", 10, 0),
        size=_size(values.get("size", "")),
        readonly=_readonly(kind, values),
        required=values.get("required") in ("true", "1"),
    )


def _readonly(kind: str, values: dict[str, str]) -> bool:
    """bind: read-only unless asked for; cache: writable unless refused."""
    if "readwrite" in values:
        return values["readwrite"] in ("false", "0")
    if "readonly" in values:
        return values["readonly"] in ("true", "1")
    return kind != "cache"


def _number(values: dict[str, str], key: str, base: int, default: int) -> int:
    text = values.get(key)
    if text is None or "$" in text:
        return default
    try:
        return int(text, base)
    except ValueError:
        raise Invalid(f"{key} of a mount is a number, not {text}") from None


def _size(text: str) -> int:
    if not text:
        return 0
    digits = text.lower().rstrip("b")
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(digits[-1:], 1)
    digits = digits[:-1] if factor > 1 else digits
    if not digits.isdigit():
        raise Invalid(f"not a size: {text}", hint="64m, 1g")
    return int(digits) * factor
