"""`compose ls`: the projects there are. Reads no compose file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pier.cli.options import Command, filters, flag, value, values
from pier.compose import observe, observed
from pier.errors import Invalid
from pier.model import jsontext
from pier.ui import tabular

if TYPE_CHECKING:
    from pier.cli.compose.context import Context
    from pier.cli.options import Arguments


def projects(context: Context, arguments: Arguments) -> int:
    """Print name, states and files of each project; without --all only of those that run."""
    chosen = arguments.text("format")
    if chosen not in ("", "table", "json"):
        raise Invalid(f"unsupported format {chosen!r}", hint="table or json")
    wanted = filters(arguments.texts("filter"))
    names = wanted.pop("name", ())
    if wanted:
        raise Invalid(f"invalid filter {next(iter(wanted))!r}", hint="name=TEXT")
    rows = [_row(context, name) for name in observe.project_names(context.engine)]
    if not arguments.flag("all"):
        rows = [row for row in rows if "running" in row["Status"]]
    rows = [row for row in rows if not names or any(name in row["Name"] for name in names)]
    if arguments.flag("quiet"):
        sys.stdout.write("".join(f"{row['Name']}\n" for row in rows))
    elif chosen == "json":
        sys.stdout.write(jsontext.dumps(rows) + "\n")
    else:
        table = [
            ["NAME", "STATUS", "CONFIG FILES"],
            *([row["Name"], row["Status"], row["ConfigFiles"]] for row in rows),
        ]
        sys.stdout.write(tabular.table(table))
    return 0


def _row(context: Context, name: str) -> dict[str, str]:
    found = observe.containers_of(context.engine, name)
    states: dict[str, int] = {}
    for item in found:
        states[item.state.status] = states.get(item.state.status, 0) + 1
    return {
        "Name": name,
        "Status": ", ".join(f"{state}({count})" for state, count in sorted(states.items())),
        "ConfigFiles": found[0].spec.labels.get(observed.FILES, ""),
    }


LIST = Command(
    run=projects,
    usage="[OPTIONS]",
    arguments=(0, 0),
    options=(
        flag("all", "a", "Show all stopped Compose projects"),
        values("filter", help="Filter output based on conditions provided", kind="filter"),
        value("format", help='Format the output. Values: [table | json] (default "table")'),
        flag("quiet", "q", "Only display project names"),
    ),
)
