"""The grammars of -v and --mount. Pure but for making relative host paths absolute."""

from __future__ import annotations

import os

from pier.errors import Invalid
from pier.model.container import Mount

_PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
_IGNORED_MODES = ("rw", "z", "Z", "consistent", "cached", "delegated")
_KINDS = ("bind", "volume", "tmpfs")


def parse_volume(text: str) -> Mount:
    """`target`, `name:target`, `/host:target`, each with `:ro,rslave,nocopy...` behind it. Invalid."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise Invalid(f"invalid volume specification: '{text}'", hint="-v NAME:/target or -v /host/path:/target[:ro]")
    if len(parts) == 1:
        return Mount(kind="volume", target=_target(text, parts[0]), anonymous=True)
    source, target = parts[0], _target(text, parts[1])
    read_only, propagation, copy_up = False, "rprivate", True
    for mode in parts[2].split(",") if len(parts) == 3 else ():
        if mode == "ro":
            read_only = True
        elif mode in _PROPAGATIONS:
            propagation = mode
        elif mode == "nocopy":
            copy_up = False
        elif mode not in _IGNORED_MODES:
            raise Invalid(f"invalid mode: {mode}", why=f"in the volume specification '{text}'", hint="ro, rw, rslave")
    if is_path(source):
        return Mount(
            kind="bind",
            source=os.path.abspath(os.path.expanduser(source)),
            target=target,
            read_only=read_only,
            propagation=propagation,
            create_source=True,
        )
    return Mount(kind="volume", source=source, target=target, read_only=read_only, copy_up=copy_up)


def is_path(source: str) -> bool:
    """Whether the word before the colon is a host path rather than a volume's name."""
    return source.startswith(("/", "./", "../", "~")) or source in (".", "..")


def _target(text: str, target: str) -> str:
    if not target.startswith("/"):
        raise Invalid(f"invalid volume specification: '{text}'", why=f"the mount path '{target}' is not absolute")
    return target


def parse_mount(text: str) -> Mount:
    """`type=bind,source=/host,target=/in,readonly` and its kin. Invalid names the field."""
    fields: dict[str, str] = {}
    for word in text.split(","):
        name, separator, setting = word.partition("=")
        name = {"src": "source", "destination": "target", "dst": "target", "ro": "readonly"}.get(name, name)
        if not separator and name not in ("readonly", "volume-nocopy"):
            raise Invalid(f"invalid field '{word}' must be a key=value pair", why=f"in --mount {text}")
        fields[name] = setting if separator else "true"
    kind = fields.pop("type", "volume")
    target = fields.pop("target", "")
    if not target:
        raise Invalid("target is required", why=f"in --mount {text}")
    read_only = _truth(fields.pop("readonly", "false"), text)
    source = fields.pop("source", "")
    if kind == "bind":
        mount = _bind(source, target, fields, text)
    elif kind == "volume":
        mount = _volume(source, target, fields, text)
    elif kind == "tmpfs":
        mount = _tmpfs(source, target, fields, text)
    else:
        raise Invalid(f"unknown mount type '{kind}'", hint=f"one of {', '.join(_KINDS)}")
    if fields:
        raise Invalid(f"unexpected key '{next(iter(fields))}' in --mount {text}")
    return mount.replace(read_only=read_only)


def _bind(source: str, target: str, fields: dict[str, str], text: str) -> Mount:
    if not source:
        raise Invalid("source is required for type bind", why=f"in --mount {text}")
    propagation = fields.pop("bind-propagation", "rprivate")
    if propagation not in _PROPAGATIONS:
        raise Invalid(f"invalid propagation: {propagation}", hint=f"one of {', '.join(_PROPAGATIONS)}")
    return Mount(kind="bind", source=os.path.abspath(source), target=target, propagation=propagation)


def _volume(source: str, target: str, fields: dict[str, str], text: str) -> Mount:
    labels: dict[str, str] = {}
    label = fields.pop("volume-label", "")
    if label:
        labels[label.partition("=")[0]] = label.partition("=")[2]
    return Mount(
        kind="volume",
        source=source,
        target=target,
        driver=fields.pop("volume-driver", ""),
        copy_up=not _truth(fields.pop("volume-nocopy", "false"), text),
        labels=labels,
        anonymous=not source,
    )


def _tmpfs(source: str, target: str, fields: dict[str, str], text: str) -> Mount:
    if source:
        raise Invalid("cannot use a source with type tmpfs", why=f"in --mount {text}")
    words = []
    if "tmpfs-size" in fields:
        words.append("size=" + fields.pop("tmpfs-size"))
    if "tmpfs-mode" in fields:
        words.append("mode=" + fields.pop("tmpfs-mode"))
    return Mount(kind="tmpfs", target=target, options=tuple(words))


def _truth(text: str, whole: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise Invalid(f"invalid value {text!r} for a true-or-false field", why=f"in --mount {whole}")
