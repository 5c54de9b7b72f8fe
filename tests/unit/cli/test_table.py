"""The command table: every row can be loaded and explained, and nothing is answered by chance."""

from __future__ import annotations

import pytest

from pier.cli import table, usage
from pier.cli.options import HelpWanted, Misuse, parse

ROWS = table.rows()


def name_of(row: table.Row) -> str:
    return row.names[0]


def test_no_two_commands_share_a_name():
    names = [name for row in ROWS for name in row.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_every_command_loads_and_has_help(row: table.Row):
    command = table.load(row)
    text = usage.command_help(command, f"pier {row.names[0]}", row.summary, table.other_names(row, "pier"))
    assert text.startswith(f"Usage:  pier {row.names[0]}")
    assert row.summary in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_every_option_is_declared_once_and_explained(row: table.Row):
    options = table.load(row).options
    longs = [option.name for option in options]
    shorts = [option.short for option in options if option.short]
    assert len(longs) == len(set(longs))
    assert len(shorts) == len(set(shorts))
    assert all(option.help or option.refused for option in options)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_every_command_answers_help_and_refuses_a_foreign_flag(row: table.Row):
    command = table.load(row)
    with pytest.raises(HelpWanted):
        parse(command, "pier x", ["--help"])
    with pytest.raises(Misuse) as caught:
        parse(command, "pier x", ["--no-such-flag"])
    assert caught.value.exit_code == 125


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["ps", "-a"], "container ls", ["-a"]),
        (["container", "ls"], "container ls", []),
        (["image", "rm", "x"], "image rm", ["x"]),
        (["rmi", "x"], "image rm", ["x"]),
        (["inspect", "volume", "x"], "inspect", ["volume", "x"]),
        (["run", "ls"], "container run", ["ls"]),
    ],
)
def test_commands_are_found_by_all_their_names(words: list[str], name: str, rest: list[str]):
    row, left = table.find(words)
    assert row is not None
    assert (row.names[0], left) == (name, rest)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["pss"], "pier: 'pss' is not a pier command.\nDid you mean 'pier ps'?\nSee 'pier --help'"),
        (["imges"], "pier: 'imges' is not a pier command.\nDid you mean 'pier images'?\nSee 'pier --help'"),
        (
            ["volume", "lst"],
            "pier: 'volume lst' is not a pier command.\nDid you mean 'pier volume list'?\nSee 'pier volume --help'",
        ),
        (["xyzzy"], "pier: 'xyzzy' is not a pier command.\nSee 'pier --help'"),
        (["swarm"], "pier: 'swarm' is a Docker command that pier does not have.\nSee 'pier --help'"),
    ],
)
def test_an_unknown_command_is_refused_with_the_likely_one(words: list[str], text: str):
    problem = usage.unknown_command("pier", words)
    assert problem.text == text
    assert problem.exit_code == 1


def test_help_is_laid_out_as_dockers():
    row, _ = table.find(["stop"])
    assert row is not None
    text = usage.command_help(table.load(row), "pier stop", row.summary, table.other_names(row, "pier"))
    assert text == (
        "Usage:  pier stop [OPTIONS] CONTAINER [CONTAINER...]\n"
        "\n"
        "Stop one or more running containers\n"
        "\n"
        "Aliases:\n"
        "  pier container stop, pier stop\n"
        "\n"
        "Options:\n"
        "  -s, --signal string   Signal to send to the container\n"
        "      --time int        Older spelling of --timeout\n"
        "  -t, --timeout int     Seconds to wait before killing the container\n"
    )


def test_what_is_refused_is_named_in_the_help():
    row, _ = table.find(["logs"])
    assert row is not None
    text = usage.command_help(table.load(row), "pier logs", row.summary)
    assert "Docker's options that pier refuses by name:\n  --details\n" in text


def test_the_overview_names_every_command():
    from pier.cli.main import GLOBAL

    text = usage.overview("pier", GLOBAL)
    for row in ROWS:
        for name in row.names:
            if " " not in name:
                assert f"\n  {name} " in text
