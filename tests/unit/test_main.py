"""The finder for compiled modules: takes what is current, leaves the rest to the interpreter."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
from pathlib import Path

import pytest

from pier.__main__ import CompiledModules


@pytest.fixture
def home(tmp_path: Path) -> Path:
    package = tmp_path / "pier"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("depth = 1\n")
    (package / "inner" / "leaf.py").write_text("where = __file__\nvalue = 7\n")
    for source in package.rglob("*.py"):
        py_compile.compile(str(source), doraise=True)
    return tmp_path


@pytest.fixture
def finder(home: Path) -> CompiledModules:
    return CompiledModules(str(home), importlib.util.MAGIC_NUMBER)


def test_a_current_module_is_loaded_with_its_place(home: Path, finder: CompiledModules) -> None:
    spec = finder.find_spec("pier.inner.leaf")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    finder.exec_module(module)
    assert module.value == 7
    assert module.where == str(home / "pier" / "inner" / "leaf.py")


def test_a_package_knows_where_its_modules_lie(home: Path, finder: CompiledModules) -> None:
    spec = finder.find_spec("pier.inner")
    assert spec is not None
    assert spec.submodule_search_locations == [str(home / "pier" / "inner")]


def test_a_source_changed_since_is_left_to_the_interpreter(home: Path, finder: CompiledModules) -> None:
    source = home / "pier" / "inner" / "leaf.py"
    source.write_text("value = 8 # longer than before\n")
    assert finder.find_spec("pier.inner.leaf") is None


def test_a_source_of_another_time_is_left_to_the_interpreter(home: Path, finder: CompiledModules) -> None:
    os.utime(home / "pier" / "inner" / "leaf.py", (1, 1))
    assert finder.find_spec("pier.inner.leaf") is None


def test_a_compiled_file_of_another_interpreter_is_left_alone(home: Path, finder: CompiledModules) -> None:
    compiled = home / "pier" / "inner" / "__pycache__" / f"leaf.{sys.implementation.cache_tag}.pyc"
    compiled.write_bytes(b"\0\0\0\0" + compiled.read_bytes()[4:])
    assert finder.find_spec("pier.inner.leaf") is None


def test_what_is_not_compiled_or_not_ours_is_left_to_the_interpreter(home: Path, finder: CompiledModules) -> None:
    (home / "pier" / "fresh.py").write_text("")
    assert finder.find_spec("pier.fresh") is None
    assert finder.find_spec("pierced") is None
    assert finder.find_spec("json") is None
