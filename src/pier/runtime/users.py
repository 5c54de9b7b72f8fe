"""Users and groups of a container, read from its passwd and group files as text: an NSS look-up would load code out of
the image. Pure.
"""

from __future__ import annotations

from pier.errors import Invalid
from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HIGHEST_ID = (1 << 31) - 1


class Identity(Record):
    """Numeric ids, and the home directory ("/" when the passwd file names none)."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


def identify(user: str, passwd: str, group: str, *, group_add: tuple[str, ...] = ()) -> Identity:
    """Who "name", "uid", "name:group" or "uid:gid" is. Invalid for a name the files do not hold."""
    wanted, _, wanted_group = user.partition(":")
    entry = _find(passwd, wanted or "0", number_field=2)
    if entry is None:
        if not _is_id(wanted or "0"):
            _refuse_number(wanted)
            raise Invalid(
                f"unable to find user {wanted}: no matching entries in passwd file",
                hint="use a numeric uid, or create the user in the image",
            )
        uid, gid, name, home = int(wanted or "0"), 0, "", "/"
    else:
        uid, gid, name, home = int(entry[2]), int(entry[3]), entry[0], entry[5] if len(entry) > 5 else "/"
    groups: list[int] = []
    if wanted_group:
        gid = _group_id(group, wanted_group)
    elif name:
        groups += [int(line[2]) for line in _lines(group) if len(line) > 3 and name in line[3].split(",")]
    groups += [_group_id(group, extra) for extra in group_add]
    return Identity(uid=uid, gid=gid, groups=tuple(dict.fromkeys([gid, *groups])), home=home or "/")


def home_of(uid: int, passwd: str) -> str:
    """The home directory of *uid*; "/" when the passwd file names none."""
    for fields in _lines(passwd):
        if int(fields[2]) == uid and len(fields) > 5:
            return fields[5] or "/"
    return "/"


def _group_id(group: str, wanted: str) -> int:
    entry = _find(group, wanted, number_field=2)
    if entry is not None:
        return int(entry[2])
    if not _is_id(wanted):
        _refuse_number(wanted)
        raise Invalid(
            f"unable to find group {wanted}: no matching entries in group file",
            hint="use a numeric gid, or create the group in the image",
        )
    return int(wanted)


def _find(text: str, wanted: str, *, number_field: int) -> list[str] | None:
    """The entry of that name; failing that, of that number."""
    by_number = None
    for fields in _lines(text):
        if fields[0] == wanted:
            return fields
        if by_number is None and fields[number_field] == wanted:
            by_number = fields
    return by_number


def _is_id(text: str) -> bool:
    # Docker's range. 2**32 - 1 would tell setresuid(2) to leave the ids as they are: root.
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _HIGHEST_ID


def _refuse_number(text: str) -> None:
    if text.isascii() and text.isdigit():
        raise Invalid(f"uids and gids must be in range 0-{_HIGHEST_ID}", why=f"{text} was asked for")


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) > 3 and _is_id(fields[2]) and (len(fields) == 4 or _is_id(fields[3])):
            yield fields
