"""The option grammar, against what pflag's documentation and Docker's client say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.cli.options import (
    Arguments,
    Command,
    HelpWanted,
    Misuse,
    filters,
    flag,
    parse,
    refused,
    value,
    values,
)


def nothing(_session: object, _arguments: Arguments) -> int:
    return 0


RUN = Command(
    run=nothing,
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arguments=(1, None),
    interspersed=False,
    options=(
        flag("detach", "d"),
        flag("interactive", "i"),
        flag("tty", "t"),
        flag("rm"),
        flag("sig-proxy", default=True),
        value("hostname", "h"),
        value("name"),
        value("memory", "m", kind="bytes"),
        value("health-interval", kind="duration"),
        value("cpus", kind="decimal"),
        values("env", "e"),
        values("publish", "p"),
        refused("gpus", "pier hands no GPU over"),
    ),
)
STOP = Command(
    run=nothing,
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    arguments=(1, None),
    options=(value("timeout", "t", kind="int"), values("filter", "f", kind="filter"), flag("quiet", "q")),
)


def read(*words: str) -> Arguments:
    return parse(RUN, "pier run", words)


def failure(command: Command, *words: str) -> Misuse:
    with pytest.raises(Misuse) as caught:
        parse(command, "pier stop" if command is STOP else "pier run", words, summary="Stop one or more")
    return caught.value


def test_short_switches_may_be_grouped():
    found = read("-itd", "alpine")
    assert found.flag("interactive") and found.flag("tty") and found.flag("detach")
    assert not found.flag("rm")


@pytest.mark.parametrize("words", [("-p8000:80",), ("-p=8000:80",), ("-p", "8000:80"), ("--publish=8000:80",)])
def test_a_value_may_be_attached_or_follow(words: tuple[str, ...]):
    assert read(*words, "web").texts("publish") == ("8000:80",)


def test_the_last_letter_of_a_group_may_take_the_value():
    found = read("-ite", "A=1", "alpine")
    assert found.texts("env") == ("A=1",)
    assert found.positionals == ("alpine",)


def test_options_of_run_end_at_the_image():
    found = read("--rm", "alpine", "ls", "--color", "-l")
    assert found.positionals == ("alpine", "ls", "--color", "-l")


def test_options_of_stop_may_stand_behind_the_names():
    found = parse(STOP, "pier stop", ["a", "-t", "3", "b", "--", "-c"])
    assert found.number("timeout") == 3
    assert found.positionals == ("a", "b", "-c")


def test_a_switch_can_be_turned_off():
    assert not read("--sig-proxy=false", "x").flag("sig-proxy")
    assert read("x").flag("sig-proxy")


def test_a_lone_dash_is_an_argument():
    assert read("-").positionals == ("-",)


def test_h_is_help_only_where_it_is_nothing_else():
    assert read("-h", "box", "alpine").text("hostname") == "box"
    with pytest.raises(HelpWanted):
        parse(STOP, "pier stop", ["-h"])
    with pytest.raises(HelpWanted):
        read("--help")


def test_quantities_are_read_while_parsing():
    found = read("-m", "512m", "--health-interval", "1m30s", "--cpus", "1.5", "x")
    assert found.number("memory") == 512 << 20
    assert found.decimal("health-interval") == 90
    assert found.decimal("cpus") == 1.5


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--foo",), "unknown flag: --foo\nSee 'pier run --help'."),
        (("--nmae", "x"), "unknown flag: --nmae\nDid you mean --name?\nSee 'pier run --help'."),
        (("-itz", "a"), "unknown shorthand flag: 'z' in -z\nSee 'pier run --help'."),
        (("-p",), "flag needs an argument: 'p' in -p\nSee 'pier run --help'."),
        (("--name",), "flag needs an argument: --name\nSee 'pier run --help'."),
        (("--=x",), "bad flag syntax: --=x\nSee 'pier run --help'."),
        (
            ("--rm=xx",),
            'invalid argument "xx" for "--rm" flag: strconv.ParseBool: parsing "xx": invalid syntax\n'
            "See 'pier run --help'.",
        ),
        (
            ("--memory", "foo"),
            'invalid argument "foo" for "-m, --memory" flag: invalid size: \'foo\'\nSee \'pier run --help\'.',
        ),
        (
            ("--cpus=x",),
            'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number\nSee \'pier run --help\'.',
        ),
        (("--gpus", "all"), "Error: pier run does not support --gpus\n  why: pier hands no GPU over"),
    ],
)
def test_what_cannot_be_read_is_refused_in_dockers_words(words: tuple[str, ...], text: str):
    found = failure(RUN, *words)
    assert found.text == text
    assert found.exit_code == 125


def test_a_filter_without_equals_is_refused():
    assert "bad format of filter (expected name=value)" in failure(STOP, "-f", "oo").text


def test_too_few_arguments_are_a_usage_error():
    found = failure(STOP)
    assert found.exit_code == 1
    assert found.text == (
        "\"pier stop\" requires at least 1 argument.\nSee 'pier stop --help'.\n\n"
        "Usage:  pier stop [OPTIONS] CONTAINER [CONTAINER...]\n\nStop one or more"
    )


@pytest.mark.parametrize(
    ("bounds", "count", "demand"),
    [
        ((0, 0), 1, "accepts no arguments."),
        ((2, 2), 1, "requires exactly 2 arguments."),
        ((1, 1), 2, "requires exactly 1 argument."),
        ((0, 1), 2, "requires at most 1 argument."),
        ((2, None), 1, "requires at least 2 arguments."),
    ],
)
def test_counts_are_said_in_dockers_words(bounds: tuple[int, int | None], count: int, demand: str):
    command = Command(run=nothing, arguments=bounds)
    with pytest.raises(Misuse, match=demand.replace(".", r"\.")):
        parse(command, "pier x", ["a"] * count)


def test_asking_for_an_undeclared_option_is_our_mistake():
    with pytest.raises(KeyError):
        read("x").flag("undeclared")


def test_filters_are_grouped_by_name():
    assert filters(["name=a", "label=x=1", "name=b"]) == {"name": ("a", "b"), "label": ("x=1",)}


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_words_are_read_or_refused(words: list[str]):
    try:
        found = parse(RUN, "pier run", words)
    except (Misuse, HelpWanted):
        return
    assert len(found.positionals) >= 1


@given(st.lists(st.text(max_size=10), max_size=6))
def test_everything_behind_two_dashes_is_an_argument(words: list[str]):
    assert read("--", "image", *words).positionals == ("image", *words)


@given(st.lists(st.text(min_size=1, max_size=10), max_size=6))
def test_repeated_values_keep_their_order(words: list[str]):
    typed = [part for word in words for part in ("-e", word)]
    assert read(*typed, "image").texts("env") == tuple(words)
