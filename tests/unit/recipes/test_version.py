"""Debian version numbers sort as deb-version(7) says, and as dpkg does where it is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pier.recipes.debian.version import compare, satisfies

ASCENDING = [
    "0~~",
    "0~",
    "0",
    "0.0.1~rc1",
    "0.0.1",
    "0.0.1-1",
    "0.0.1-1+b1",
    "0.0.1-10",
    "0.9",
    "0.10",
    "1.0~beta1~svn1245",
    "1.0~beta1",
    "1.0",
    "1.0a",
    "1.0+dfsg",
    "1.0.1",
    "2.36-9+deb12u9",
    "2.36-9+deb12u14",
    "1:0.5",
    "2:0",
]
versions = st.from_regex(r"\A(?:[0-9]:)?[0-9][0-9A-Za-z.+~]{0,6}(?:-[0-9a-z+.~]{1,4})?\Z")


def test_versions_sort_as_the_manual_says() -> None:
    for lower, higher in zip(ASCENDING, ASCENDING[1:], strict=False):
        assert compare(lower, higher) == -1, (lower, higher)
        assert compare(higher, lower) == 1, (lower, higher)


@pytest.mark.parametrize(("left", "right"), [("1.0", "1.00"), ("0:1", "1"), ("1.0-0", "1.0"), ("1", "1")])
def test_different_spellings_of_one_version_are_equal(left: str, right: str) -> None:
    assert compare(left, right) == 0


@given(versions, versions)
def test_order_is_antisymmetric(left: str, right: str) -> None:
    assert compare(left, right) == -compare(right, left)


@given(versions, versions, versions)
def test_order_is_transitive(a: str, b: str, c: str) -> None:
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg to compare with")
@settings(max_examples=40, deadline=None)
@given(versions, versions)
def test_order_is_that_of_dpkg(left: str, right: str) -> None:
    for relation, sign in (("lt", -1), ("eq", 0), ("gt", 1)):
        done = subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False)
        assert (done.returncode == 0) == (compare(left, right) == sign)


@pytest.mark.parametrize(
    ("version", "relation", "wanted", "holds"),
    [
        ("1.0", "", "", True),
        ("1.0", ">=", "1.0", True),
        ("1.0", ">>", "1.0", False),
        ("1.0", "<<", "1.1", True),
        ("1.0", "<=", "0.9", False),
        ("1.0-1", "=", "1.0-1", True),
    ],
)
def test_a_version_satisfies_its_relations(version: str, relation: str, wanted: str, holds: bool) -> None:
    assert satisfies(version, relation, wanted) is holds
