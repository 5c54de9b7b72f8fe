"""Lists in every form of --format, and their columns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.ui import tabular
from pier.ui.listing import listing

HEADERS = {"ID": "CONTAINER ID", "Names": "NAMES"}
ROWS: list[dict[str, Any]] = [
    {"ID": "0123456789ab", "Names": "web", "Label": lambda name: name[:1]},
    {"ID": "ba9876543210", "Names": "a_longer_name", "Label": lambda name: ""},
]


def shown(chosen: str) -> str:
    return listing(ROWS, chosen, headers=HEADERS, columns=("ID", "Names"), type_name="*formatter.ContainerContext")


def test_the_default_is_a_table_of_columns():
    assert shown("") == shown("table")
    assert shown("") == "CONTAINER ID   NAMES\n0123456789ab   web\nba9876543210   a_longer_name\n"


def test_a_table_template_has_titles():
    assert shown(r"table {{.Names}}\t{{.ID}}").splitlines()[0] == "NAMES           CONTAINER ID"
    assert shown("table {{.Names | upper}}").splitlines() == ["NAMES", "WEB", "A_LONGER_NAME"]
    assert shown('table {{.Label "com.x-y"}}').splitlines() == ["X Y", "c", ""]


def test_json_leaves_functions_out():
    assert shown("json").splitlines()[0] == '{"ID":"0123456789ab","Names":"web"}'


def test_a_template_is_one_line_a_row():
    assert shown(r"{{.ID}}\t{{.Names}}").splitlines()[0] == "0123456789ab\tweb"


def test_an_unknown_field_names_the_type():
    with pytest.raises(Invalid, match="can't evaluate field Foo in type .formatter.ContainerContext"):
        shown("{{.Foo}}")


def test_columns_are_ten_wide_at_least():
    assert tabular.align("a\tb\nc\td") == "a         b\nc         d"


def test_ragged_lines_align_with_their_neighbours_only():
    assert tabular.align("long long long\tx\nnone\ny\tz") == "long long long   x\nnone\ny         z"


@given(st.lists(st.lists(st.text(alphabet="abc ", max_size=20), min_size=3, max_size=3), min_size=1, max_size=6))
def test_both_ways_to_set_a_table_agree(rows: list[list[str]]):
    assert tabular.table(rows) == tabular.align("\n".join("\t".join(row) for row in rows)) + "\n"
