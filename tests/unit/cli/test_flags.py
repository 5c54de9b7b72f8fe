"""Every flag of Docker's is known: pier's declarations, Docker's help and docs/flags.md say the same."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pier.cli import table
from pier.cli.options import REPEATED, Misuse, Option, parse

CHECKOUT = Path(__file__).resolve().parents[3]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flags_tool", CHECKOUT / "tools" / "flags.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


flags = _tool()
DOCKERS: dict[str, list[list[str]]] = json.loads(flags.DATA.read_text())
EVERY = [(command, *flag) for command, known in DOCKERS.items() for flag in known]


def declared(command: str) -> dict[str, Option]:
    row, _ = table.find(command.split())
    assert row is not None, f"pier has no {command}"
    return {option.name: option for option in table.load(row).options}


@pytest.mark.parametrize(("command", "name", "short", "kind"), EVERY, ids=[f"{c} --{n}" for c, n, _, _ in EVERY])
def test_a_flag_of_dockers_is_done_or_refused_by_name(command: str, name: str, short: str, kind: str) -> None:
    option = declared(command).get(name)
    assert option is not None, f"pier {command} says 'unknown flag: --{name}'"
    assert option.short == short
    assert (option.kind == "bool") == (kind == "")
    if kind == "list":
        assert option.kind in (*REPEATED, "string") if option.refused else option.kind in REPEATED
    if option.refused:
        row, _ = table.find(command.split())
        assert row is not None
        with pytest.raises(Misuse, match=f"does not support --{name}"):
            parse(table.load(row), f"pier {command}", [f"--{name}=1"])


def test_the_page_of_flags_is_what_its_tool_writes() -> None:
    assert flags.PAGE.read_text() == flags.page(DOCKERS), "python tools/flags.py write"


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command to compare with")
def test_the_list_is_dockers_own() -> None:
    assert flags.docker_flags() == DOCKERS, "python tools/flags.py collect"
