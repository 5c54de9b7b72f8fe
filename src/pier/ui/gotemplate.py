"""Go's text/template over plain values, as `--format` needs it. Returns the text; prints nothing.

Data are dicts, lists, strings, numbers, booleans and None; a function found as a field is called with the words behind
it (`{{.Label "x"}}`). Errors carry the words of Go's library.
"""

from __future__ import annotations

from pier.errors import Invalid
from pier.ui import goprint, gosyntax
from pier.ui.gofunctions import FUNCTIONS, CallProblem, truth
from pier.ui.gosyntax import Branch, Call, Command, Leave, Literal, Path, Pipeline, Print, Text
from pier.ui.jsonout import is_struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from pier.ui.gosyntax import Node


class Template:
    """One parsed template. Invalid in Go's words where *source* does not parse."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._nodes = gosyntax.parse(source, FUNCTIONS)

    def render(
        self,
        data: Any,
        *,
        type_name: str = "",
        functions: Mapping[str, Callable[..., Any]] = FUNCTIONS,
        lax: bool = False,
    ) -> str:
        """The text for *data*. *type_name* is the name of its type in messages; *lax* lets missing fields pass."""
        run = _Run(self.source, data, type_name, functions, lax)
        run.walk(self._nodes, data)
        return "".join(run.out)


class _Left(Exception):
    """`break` or `continue` was reached."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Run:
    """One evaluation: the output so far and the variables in sight, innermost last."""

    def __init__(
        self, source: str, data: Any, type_name: str, functions: Mapping[str, Callable[..., Any]], lax: bool
    ) -> None:
        self.source = source
        self.root = data
        self.type_name = type_name
        self.functions = functions
        self.lax = lax
        self.out: list[str] = []
        self.variables: list[tuple[str, Any]] = [("$", data)]

    def walk(self, nodes: Iterable[Node], dot: Any) -> None:
        for node in nodes:
            if isinstance(node, Text):
                self.out.append(node.source)
            elif isinstance(node, Print):
                value = self.pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    self.out.append(goprint.plain(value))
            elif isinstance(node, Branch):
                self._branch(node, dot)
            elif isinstance(node, Leave):
                raise _Left(node.kind)

    def _branch(self, node: Branch, dot: Any) -> None:
        mark = len(self.variables)
        try:
            if node.kind == "range":
                self._range(node, dot)
                return
            value = self.pipeline(node.pipeline, dot)
            chosen = node.body if truth(value) else node.other
            self.walk(chosen, value if node.kind == "with" and truth(value) else dot)
        finally:
            del self.variables[mark:]

    def _range(self, node: Branch, dot: Any) -> None:
        pipeline = node.pipeline
        value = self.pipeline(pipeline.replace(variables=()), dot)
        items = self._items(node, value)
        if not items:
            self.walk(node.other, dot)
            return
        mark = len(self.variables)
        for key, item in items:
            del self.variables[mark:]
            if pipeline.variables:
                named = (key, item) if len(pipeline.variables) == 2 else (item,)
                for name, bound in zip(pipeline.variables, named, strict=True):
                    self._assign(name, bound, declares=pipeline.declares)
            try:
                self.walk(node.body, item)
            except _Left as left:
                if left.kind == "break":
                    return

    def _items(self, node: Branch, value: Any) -> list[tuple[Any, Any]]:
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, (list, tuple)):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return [(number, number) for number in range(value)]
        if value is None:
            return []
        raise self.fault(node.pipeline, f"range can't iterate over {goprint.text_of(value)}")

    def _assign(self, name: str, value: Any, *, declares: bool) -> None:
        if not declares:
            for place in range(len(self.variables) - 1, -1, -1):
                if self.variables[place][0] == name:
                    self.variables[place] = (name, value)
                    return
        self.variables.append((name, value))

    def pipeline(self, node: Pipeline, dot: Any) -> Any:
        value: Any = None
        for place, command in enumerate(node.commands):
            value = self._command(command, dot, (value,) if place else ())
        for name in node.variables:
            self._assign(name, value, declares=node.declares)
        return value

    def _command(self, command: Command, dot: Any, piped: tuple[Any, ...]) -> Any:
        head, words = command.words[0], command.words[1:]
        if isinstance(head, Call):
            return self._call(head.name, command, words, dot, piped)
        if isinstance(head, Path) and head.names:
            return self._path(head, dot, lambda: [*(self._operand(word, dot) for word in words), *piped])
        if isinstance(head, Literal) and head.value is None:
            raise self.fault(head, "nil is not a command")
        if words or piped:
            raise self.fault(head, f"can't give argument to non-function {head.source}")
        return self._operand(head, dot)

    def _operand(self, node: Node, dot: Any) -> Any:
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Path):
            return self._path(node, dot, None)
        if isinstance(node, Call):
            return self._call(node.name, node, (), dot, ())
        raise self.fault(node, "can't handle this operand")

    def _call(self, name: str, place: Node, words: tuple[Node, ...], dot: Any, piped: tuple[Any, ...]) -> Any:
        if name in ("and", "or"):
            return self._early(name, place, words, dot, piped)
        values = [*(self._operand(word, dot) for word in words), *piped]
        try:
            return self.functions[name](*values)
        except CallProblem as exc:
            raise self.fault(place, f"error calling {name}: {exc}") from exc
        except TypeError as exc:
            raise self.fault(place, f"wrong number or type of args for {name}: {len(values)} given") from exc

    def _early(self, name: str, place: Node, words: tuple[Node, ...], dot: Any, piped: tuple[Any, ...]) -> Any:
        """`and` stops at the first empty argument, `or` at the first that is not."""
        if not words and not piped:
            raise self.fault(place, f"wrong number of args for {name}: want at least 1 got 0")
        value: Any = None
        for word in words:
            value = self._operand(word, dot)
            if truth(value) == (name == "or"):
                return value
        return piped[0] if piped else value

    def _path(self, node: Path, dot: Any, arguments: Callable[[], list[Any]] | None) -> Any:
        if node.inner is not None:
            value = self.pipeline(node.inner, dot)
        elif node.base == ".":
            value = dot
        else:
            value = next(bound for name, bound in reversed(self.variables) if name == node.base)
        for place, name in enumerate(node.names):
            last = place == len(node.names) - 1
            value = self._field(node, value, name, arguments if last else None)
        return value

    def _field(self, node: Path, value: Any, name: str, arguments: Callable[[], list[Any]] | None) -> Any:
        if isinstance(value, dict):
            if name not in value:
                return self._missing(node, value, name)
            found = value[name]
            given = arguments() if arguments else []
            if callable(found):
                return self._method(node, found, name, given)
            if given:
                raise self.fault(node, f"{name} has arguments but cannot be invoked as function")
            return found
        if value is None:
            if self.lax:
                return None
            raise self.fault(node, f"nil pointer evaluating interface {{}}.{name}")
        kind = goprint.type_name(value)
        raise self.fault(node, f"can't evaluate field {name} in type {kind}")

    def _missing(self, node: Path, value: dict[str, Any], name: str) -> Any:
        if self.lax or not is_struct(value):
            return None
        if value is self.root and self.type_name:
            raise self.fault(node, f"can't evaluate field {name} in type {self.type_name}")
        raise self.fault(node, f'map has no entry for key "{name}"')

    def _method(self, node: Path, method: Callable[..., Any], name: str, given: list[Any]) -> Any:
        try:
            return method(*given)
        except TypeError as exc:
            raise self.fault(node, f"wrong number of args for {name}: {len(given)} given") from exc

    def fault(self, node: Node, message: str) -> Invalid:
        """Go's execution error at *node*."""
        line = self.source.count("\n", 0, node.at) + 1
        column = node.at - (self.source.rfind("\n", 0, node.at) + 1)
        place = f'template: :{line}:{column}: executing "" at <{node.source}>'
        return Invalid(f"template parsing error: {place}: {message}")
