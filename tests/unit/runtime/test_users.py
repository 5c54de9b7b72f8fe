"""Who a program runs as, by the text of the container's own files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.runtime.users import Identity, identify

PASSWD = """root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1001::/home/app:/bin/sh
42:x:7:8::/seven:/bin/sh
nohome:x:1002:1002:::
"""
GROUP = """root:x:0:
staff:x:50:app,other
web:x:60:other,app
app:x:1001:
broken:line
"""


def test_nobody_asked_for_is_root() -> None:
    assert identify("", PASSWD, GROUP) == Identity(uid=0, gid=0, groups=(0,), home="/root")
    assert identify("", "", "") == Identity(uid=0, gid=0, groups=(0,), home="/")


def test_a_name_brings_its_groups_and_its_home() -> None:
    assert identify("app", PASSWD, GROUP) == Identity(uid=1000, gid=1001, groups=(1001, 50, 60), home="/home/app")


def test_a_uid_that_has_a_name_is_that_user() -> None:
    assert identify("1000", PASSWD, GROUP) == identify("app", PASSWD, GROUP)


def test_a_uid_that_has_none_is_in_roots_group_as_in_docker() -> None:
    assert identify("4242", PASSWD, GROUP) == Identity(uid=4242, gid=0, groups=(0,), home="/")


def test_a_group_asked_for_replaces_those_of_the_user() -> None:
    assert identify("app:web", PASSWD, GROUP) == Identity(uid=1000, gid=60, groups=(60,), home="/home/app")
    assert identify("4242:4343", PASSWD, GROUP) == Identity(uid=4242, gid=4343, groups=(4343,), home="/")
    assert identify(":web", PASSWD, GROUP).gid == 60


def test_a_name_that_is_a_number_comes_before_the_number() -> None:
    assert identify("42", PASSWD, GROUP).uid == 7


def test_a_user_without_a_home_gets_the_root() -> None:
    assert identify("nohome", PASSWD, GROUP).home == "/"


def test_added_groups_come_by_name_or_number() -> None:
    assert identify("app", PASSWD, GROUP, group_add=("web", "99")).groups == (1001, 50, 60, 99)


@pytest.mark.parametrize(
    ("user", "named"), [("ghost", "ghost"), ("app:ghosts", "ghosts"), ("-1", "-1"), ("4294967295", "range")]
)
def test_who_is_not_there_is_named(user: str, named: str) -> None:
    with pytest.raises(Invalid, match=named):
        identify(user, PASSWD, GROUP)


@pytest.mark.parametrize("number", ["2147483648", "4294967295", "4294967296", "9" * 5000])
def test_numbers_that_setresuid_reads_as_no_change_are_refused(number: str) -> None:
    for user in (number, f"0:{number}"):
        with pytest.raises(Invalid, match="0-2147483647"):
            identify(user, PASSWD, GROUP)
    with pytest.raises(Invalid):
        identify("sly", f"sly:x:{number}:{number}::/:\n", "")


@given(st.text(alphabet="a:0-1\n,\0²٣x", max_size=80), st.text(alphabet="a:0\n,", max_size=40), st.text(max_size=6))
def test_hostile_files_give_an_identity_or_a_refusal(passwd: str, group: str, user: str) -> None:
    try:
        who = identify(user, passwd, group)
    except Invalid:
        return
    assert all(0 <= number < 2**31 for number in (who.uid, who.gid, *who.groups))
    assert who.gid in who.groups and who.home
