"""Lists in the forms `--format` offers: the default table, `table TEMPLATE`, `json`, one template per row."""

from __future__ import annotations

from pier.ui import tabular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]


class Fields:
    """One row: each field is worked out from *subject* when it is asked for, because most are never shown."""

    __slots__ = ("_getters", "_subject")

    def __init__(self, getters: Mapping[str, Callable[[Any], Any]], subject: object) -> None:
        self._getters = getters
        self._subject = subject

    def __getitem__(self, name: str) -> Any:
        return self._getters[name](self._subject)

    def keys(self) -> KeysView[str]:
        return self._getters.keys()


def listing(
    rows: Iterable[Row | Fields],
    chosen: str,
    *,
    headers: Mapping[str, str],
    columns: Sequence[str],
    type_name: str,
) -> str:
    """All *rows* in the format *chosen*; "" and "table" mean the default *columns*.

    *headers* maps a field to its column's title. A row maps a field to its value, or to a function of template words.
    Invalid in Go's words for a template that cannot be meant.
    """
    if chosen in ("", "table"):
        body = [[str(row[name]) for name in columns] for row in rows]
        return tabular.table([[headers[name] for name in columns], *body])
    if chosen.startswith("table"):
        return _templated_table(rows, unescape(chosen[len("table") :].lstrip(" ")), headers, type_name)
    if chosen == "json":
        chosen = "{{json .}}"
    from pier.ui.gotemplate import Template

    template = Template(unescape(chosen))
    return "".join(template.render(dict(row), type_name=type_name) + "\n" for row in rows)


def _templated_table(rows: Iterable[Row | Fields], source: str, headers: Mapping[str, str], type_name: str) -> str:
    from pier.ui.gofunctions import HEADER_FUNCTIONS
    from pier.ui.gotemplate import Template

    template = Template(source)
    titles: dict[str, str | Callable[[str], str]] = {**headers, "Label": _label_title}
    head = template.render(titles, functions=HEADER_FUNCTIONS, lax=True)
    lines = [head, *(template.render(dict(row), type_name=type_name) for row in rows)]
    return tabular.align("\n".join(lines)) + "\n"


def _label_title(name: str) -> str:
    """`com.example.my-team` heads its column as MY TEAM."""
    return name.rsplit(".", 1)[-1].replace("-", " ").replace("_", " ").upper()


def unescape(text: str) -> str:
    """Shells pass `\\t` and `\\n` as two letters; lists take them for a tab and a new line, as Docker's client does."""
    return text.replace("\\t", "\t").replace("\\n", "\n")
