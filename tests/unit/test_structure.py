"""Holds the house to its plan: storeys, sizes, names, and what the commands typed most may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent.parent / "src"
PACKAGE = SOURCE / "pier"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 80

# A package may import from packages of a lower number. Of its own number, only what ALLOWED_BESIDE names.
STOREY = {
    "errors": 0,
    "__version__": 0,
    "model": 1,
    "kernel": 1,
    "state": 2,
    "images": 3,
    "volumes": 3,
    "network": 3,
    "runtime": 3,
    "engine": 4,
    "build": 5,
    "recipes": 5,
    "compose": 5,
    "ui": 6,
    "cli": 6,
    "__main__": 7,
}
# Dockerfiles of recipes are built; stacks have images built; commands render.
ALLOWED_BESIDE = {
    ("recipes", "build"),
    ("build", "recipes"),
    ("compose", "build"),
    ("compose", "recipes"),
    ("cli", "ui"),
}

MEANINGLESS_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

HOT_COMMANDS = ("run", "exec", "ps", "logs", "lifecycle", "start", "images")
# Measured over a bare interpreter's 7.4 ms: typing 12 ms, argparse 11, socket 10, json 9, re 6.5, signal 6, enum 5 ...
TOO_DEAR = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "functools",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "re",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "httpx",
    "pydantic",
    "rich",
    "yaml",
}


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of pier's own that *tree* imports, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pier":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "pier")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _package(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


def test_every_package_has_a_storey() -> None:
    found = {_package(_name(path)) for path in MODULES} - {""}
    assert found <= set(STOREY)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_imports_only_downwards(path: Path) -> None:
    own = _package(_name(path))
    for target in _imports(_tree(path)):
        other = _package(target)
        if not own or other == own:
            continue
        assert STOREY[other] < STOREY[own] or (own, other) in ALLOWED_BESIDE, f"{_name(path)} imports {target}"


def _runtime_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported, without the blocks for type checkers."""
    for statement in body:
        if isinstance(statement, ast.If):
            if not (isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"):
                yield from _runtime_statements(statement.body)
            yield from _runtime_statements(statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from _runtime_statements(statement.body)
        else:
            yield statement


def _graph() -> dict[str, set[str]]:
    known = {_name(path) for path in MODULES}
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        top = [s for s in _runtime_statements(_tree(path).body) if isinstance(s, ast.Import | ast.ImportFrom)]
        targets = {target for statement in top for target in _imports(statement)}
        nearest = {target if target in known else target.rpartition(".")[0] for target in targets}
        graph[_name(path)] = (nearest & known) - {_name(path)}
    return graph


def test_no_two_modules_import_each_other() -> None:
    graph = _graph()
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way[way.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                walk(target, (*way, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_file_fits_its_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE
    assert path.stem not in MEANINGLESS_NAMES
    assert ast.get_docstring(_tree(path)), "a module opens with its promise"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_function_fits_two_screens(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if _package(_name(path)) not in ("cli", "__main__")], ids=_name
)
def test_nothing_below_the_front_reads_the_environment_or_exits(path: Path) -> None:
    if _name(path) == "pier.state.paths":
        return
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            said = f"{node.value.id}.{node.attr}"
            assert said not in ("os.environ", "os.getenv", "sys.exit"), f"line {node.lineno}: {said}"


def _modules_after(code: str) -> set[str]:
    """What an interpreter started as the launcher starts it has imported after *code*."""
    script = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_launchers_interpreter_starts_without_what_is_too_dear() -> None:
    assert not _modules_after("pass") & TOO_DEAR


@pytest.mark.parametrize("command", HOT_COMMANDS)
def test_a_command_typed_often_imports_nothing_dear(command: str) -> None:
    assert not _modules_after(f"import pier.cli.main, pier.cli.{command}") & TOO_DEAR


@pytest.mark.parametrize("module", ["launch", "init", "join", "monitor"])
def test_what_starts_a_container_imports_nothing_dear(module: str) -> None:
    assert not _modules_after(f"import pier.runtime.{module}") & TOO_DEAR
