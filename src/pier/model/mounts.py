"""The grammars of -v and --mount. Pure but for making relative host paths absolute."""

from __future__ import annotations

import os

from pier.errors import Invalid, Unsupported
from pier.model import quantities
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
    labels: dict[str, str] = {}
    for word in _split(text):
        name, separator, setting = word.partition("=")
        name = name.strip().lower()
        name = {"src": "source", "destination": "target", "dst": "target", "ro": "readonly"}.get(name, name)
        if not separator and name not in ("readonly", "volume-nocopy", "bind-nonrecursive"):
            raise Invalid(f"invalid field '{word}' must be a key=value pair", why=f"in --mount {text}")
        if name == "volume-label":
            labels[setting.partition("=")[0]] = setting.partition("=")[2]
        else:
            fields[name] = setting if separator else "true"
    fields.pop("consistency", None)
    kind = fields.pop("type", "volume")
    target = fields.pop("target", "")
    if not target:
        raise Invalid("target is required", why=f"in --mount {text}")
    read_only = _truth(fields.pop("readonly", "false"), text)
    source = fields.pop("source", "")
    if kind == "bind":
        mount = _bind(source, target, fields, text)
    elif kind == "volume":
        mount = _volume(source, target, fields, text).replace(labels=labels)
    elif kind == "tmpfs":
        mount = _tmpfs(source, target, fields, text)
    elif kind in ("image", "npipe", "cluster"):
        raise Unsupported(f"--mount type={kind}: not supported", hint=f"one of {', '.join(_KINDS)}")
    else:
        raise Invalid(f"unknown mount type '{kind}'", hint=f"one of {', '.join(_KINDS)}")
    if labels and kind != "volume":
        raise Invalid(f"cannot mix 'volume-*' options with mount type '{kind}'")
    for name in fields:
        owner = name.partition("-")[0]
        if owner in _KINDS and owner != kind:
            raise Invalid(f"cannot mix '{owner}-*' options with mount type '{kind}'")
        raise Invalid(f"unexpected key '{name}' in '{name}={fields[name]}'", why=f"in --mount {text}")
    return mount.replace(read_only=read_only)


def _split(text: str) -> list[str]:
    """The comma-separated words of *text*; quotes keep commas together (RFC 4180), a doubled quote is one."""
    words, word, quoted = [], "", False
    for index, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
            if quoted and index and text[index - 1] == '"':
                word += letter
        elif letter == "," and not quoted:
            words.append(word)
            word = ""
        else:
            word += letter
    return [*words, word]


def _bind(source: str, target: str, fields: dict[str, str], text: str) -> Mount:
    if not source:
        raise Invalid("source is required for type bind", why=f"in --mount {text}")
    propagation = fields.pop("bind-propagation", "rprivate")
    if propagation not in _PROPAGATIONS:
        raise Invalid(f"invalid propagation: {propagation}", hint=f"one of {', '.join(_PROPAGATIONS)}")
    recursive = not _truth(fields.pop("bind-nonrecursive", "false"), text)
    wanted = fields.pop("bind-recursive", "enabled")
    if wanted not in ("enabled", "disabled", "readonly", "writable"):
        raise Invalid(f"invalid value for bind-recursive: {wanted}", hint="enabled or disabled")
    if wanted in ("readonly", "writable"):
        raise Unsupported(
            f"--mount bind-recursive={wanted}: not supported",
            why="a read-only bind is read-only below as well where the kernel can do it",
            hint="bind-recursive=enabled or disabled",
        )
    return Mount(
        kind="bind",
        source=os.path.abspath(source),
        target=target,
        propagation=propagation,
        recursive=recursive and wanted == "enabled",
    )


def _volume(source: str, target: str, fields: dict[str, str], text: str) -> Mount:
    if "volume-opt" in fields:
        raise Unsupported("--mount volume-opt: not supported", why="pier keeps volumes in folders of its store")
    return Mount(
        kind="volume",
        source=source,
        target=target,
        driver=fields.pop("volume-driver", ""),
        copy_up=not _truth(fields.pop("volume-nocopy", "false"), text),
        subpath=fields.pop("volume-subpath", ""),
        anonymous=not source,
    )


def _tmpfs(source: str, target: str, fields: dict[str, str], text: str) -> Mount:
    if source:
        raise Invalid("cannot use a source with type tmpfs", why=f"in --mount {text}")
    words = []
    if "tmpfs-size" in fields:
        words.append(f"size={_bytes(fields.pop('tmpfs-size'), text)}")
    if "tmpfs-mode" in fields:
        mode = fields.pop("tmpfs-mode")
        if not mode or set(mode) - set("01234567"):
            raise Invalid(f"invalid value for tmpfs-mode: {mode}", why=f"in --mount {text}", hint="octal, such as 1777")
        words.append("mode=" + mode)
    return Mount(kind="tmpfs", target=target, options=tuple(words))


def _bytes(size: str, whole: str) -> int:
    try:
        return quantities.parse_bytes(size)
    except ValueError as exc:
        raise Invalid(f"invalid value for tmpfs-size: {size}", why=f"in --mount {whole}") from exc


def _truth(text: str, whole: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise Invalid(f"invalid value {text!r} for a true-or-false field", why=f"in --mount {whole}")
