"""JSON through the C accelerator says what `json` says."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.model import jsontext

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@given(_VALUES)
def test_what_is_written_is_what_json_writes(value: object) -> None:
    assert jsontext.dumps(value) == json.dumps(value, separators=(",", ":"))


@given(_VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    assert jsontext.loads(jsontext.dumps(value)) == value


@given(_VALUES, st.sampled_from([None, 2]), st.text(alphabet=" \t\r\n", max_size=3))
def test_text_of_any_layout_is_read_as_json_reads_it(value: object, indent: int | None, around: str) -> None:
    text = around + json.dumps(value, indent=indent, ensure_ascii=False) + around
    assert jsontext.loads(text) == json.loads(text)


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \\u\n', max_size=30))
def test_what_json_refuses_is_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            jsontext.loads(text)
    else:
        found = jsontext.loads(text)
        assert found == expected or (isinstance(expected, float) and math.isnan(expected))


def test_bytes_are_read_as_utf_8() -> None:
    assert jsontext.loads('{"é":"\\u00e9"}'.encode()) == {"é": "é"}


@pytest.mark.parametrize("text", ["", " ", "{} {}", "[1,]", "\ufeff{}", '{"a":1}x'])
def test_no_value_and_more_than_one_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        jsontext.loads(text)


def test_what_json_cannot_say_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        jsontext.dumps({"a": {1, 2}})


@pytest.mark.parametrize("text", ["{", "[1,", '"a', '{"a":}', "[1 2]", '{"a":1,}', "", "nul", '"\\x"'])
def test_broken_text_is_a_value_error_also_where_json_was_never_imported(text: str) -> None:
    script = (
        "import sys\n"
        "from pier.model import jsontext\n"
        "try: jsontext.loads(sys.argv[1])\n"
        "except ValueError: print('json' in sys.modules)"
    )
    path = next(entry for entry in sys.path if entry.endswith("/src"))
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {path!r})\n{script}", text]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_json_itself_does_the_work_where_the_accelerator_is_missing() -> None:
    script = (
        "import sys; sys.modules['_json'] = None\n"
        "from pier.model import jsontext\n"
        "assert jsontext._scan is None\n"
        'print(jsontext.dumps(jsontext.loads(\'{"a": [1, null, "x"]}\')))'
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == '{"a":[1,null,"x"]}\n'
