"""Mount options of an OCI configuration, both ways: words to flags, flags to words. Pure. See mount(8)."""

from __future__ import annotations

from pier.errors import Unsupported
from pier.kernel import mount
from pier.model.record import Record

# word: (flags set, flags cleared)
_FLAGS = {
    "defaults": (0, 0),
    "ro": (mount.MS_RDONLY, 0),
    "rw": (0, mount.MS_RDONLY),
    "nosuid": (mount.MS_NOSUID, 0),
    "suid": (0, mount.MS_NOSUID),
    "nodev": (mount.MS_NODEV, 0),
    "dev": (0, mount.MS_NODEV),
    "noexec": (mount.MS_NOEXEC, 0),
    "exec": (0, mount.MS_NOEXEC),
    "sync": (1 << 4, 0),
    "async": (0, 1 << 4),
    "mand": (1 << 6, 0),
    "nomand": (0, 1 << 6),
    "dirsync": (1 << 7, 0),
    "nosymfollow": (mount.MS_NOSYMFOLLOW, 0),
    "symfollow": (0, mount.MS_NOSYMFOLLOW),
    "noatime": (mount.MS_NOATIME, 0),
    "atime": (0, mount.MS_NOATIME),
    "nodiratime": (mount.MS_NODIRATIME, 0),
    "diratime": (0, mount.MS_NODIRATIME),
    "relatime": (mount.MS_RELATIME, 0),
    "norelatime": (0, mount.MS_RELATIME),
    "strictatime": (mount.MS_STRICTATIME, 0),
    "nostrictatime": (0, mount.MS_STRICTATIME),
    "iversion": (1 << 23, 0),
    "noiversion": (0, 1 << 23),
    "lazytime": (1 << 25, 0),
    "nolazytime": (0, 1 << 25),
    "silent": (1 << 15, 0),
    "loud": (0, 1 << 15),
}
_PROPAGATION = {
    "private": mount.MS_PRIVATE,
    "shared": mount.MS_SHARED,
    "slave": mount.MS_SLAVE,
    "unbindable": mount.MS_UNBINDABLE,
    "rprivate": mount.MS_PRIVATE | mount.MS_REC,
    "rshared": mount.MS_SHARED | mount.MS_REC,
    "rslave": mount.MS_SLAVE | mount.MS_REC,
    "runbindable": mount.MS_UNBINDABLE | mount.MS_REC,
}
# Recursive attributes need mount_setattr(2), id-mapped mounts a user namespace.
_REFUSED = frozenset(
    "rro rrw rnosuid rsuid rnodev rdev rnoexec rexec rnodiratime rdiratime rrelatime rnorelatime rnoatime ratime"
    " rstrictatime rnostrictatime rnosymfollow rsymfollow idmap ridmap".split()
)
# Written in this order, so that a plan is always written alike.
_WORDS = ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "strictatime", "nosymfollow")

KNOWN = (*_FLAGS, *_PROPAGATION, "bind", "rbind", "remount", "tmpcopyup")


class Options(Record):
    """What the words of one mount ask for. *data* goes to the file system."""

    flags: int = 0
    bind: bool = False
    recursive: bool = False
    remount: bool = False
    propagation: tuple[int, ...] = ()
    copy_up: bool = False
    data: str = ""


def parse(words: tuple[str, ...], where: str) -> Options:
    """The options of the mount whose field is *where*. Unsupported names a word pier knows and cannot do."""
    flags, data, propagation = 0, [], []
    for number, word in enumerate(words):
        if word in _FLAGS:
            on, off = _FLAGS[word]
            flags = (flags | on) & ~off
        elif word in _PROPAGATION:
            propagation.append(_PROPAGATION[word])
        elif word in _REFUSED:
            raise Unsupported(f"{where}[{number}] ({word}) is not supported", why="pier sets no recursive attributes")
        elif word not in ("bind", "rbind", "remount", "tmpcopyup"):
            data.append(word)
    return Options(
        flags=flags,
        bind="bind" in words or "rbind" in words,
        recursive="rbind" in words,
        remount="remount" in words,
        propagation=tuple(propagation),
        copy_up="tmpcopyup" in words,
        data=",".join(data),
    )


def words_of(flags: int, data: str = "") -> list[str]:
    """The words for *flags*, and *data* behind them."""
    words = [word for word in _WORDS if flags & _FLAGS[word][0]]
    return words + (data.split(",") if data else [])


def propagation_word(flag: int, *, recursive: bool) -> str:
    """The word for MS_PRIVATE and its like."""
    for word, value in _PROPAGATION.items():
        if value == flag | (mount.MS_REC if recursive else 0):
            return word
    raise ValueError(flag)
