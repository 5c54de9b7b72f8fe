"""The progress of a build, as a log and as a terminal sees it."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from pier.build.options import BuildEvent
from pier.ui.steps import LiveSteps, PlainSteps, cut

RUN = {"vertex": 1, "label": "[2/3]", "text": "RUN make"}


def plain(*events: BuildEvent) -> list[str]:
    stream = io.StringIO()
    show = PlainSteps(stream)
    for event in events:
        show(event)
    return stream.getvalue().splitlines()


def live(*events: BuildEvent, columns: int = 40) -> str:
    stream = io.StringIO()
    show = LiveSteps(stream, lambda: columns)
    for event in events:
        show(event)
    return stream.getvalue()


def test_a_log_names_a_command_before_its_output_and_its_time_after() -> None:
    assert plain(
        BuildEvent(kind="started", **RUN),
        BuildEvent(kind="output", text="gcc -c"),
        BuildEvent(kind="waiting", seconds=1.0),
        BuildEvent(kind="done", seconds=12.34, **RUN),
    ) == ["[2/3] RUN make", "  | gcc -c", "[2/3]  12.3s"]


def test_a_log_has_one_line_for_a_step_without_output() -> None:
    step = {"vertex": 1, "label": "[2/3]", "text": "WORKDIR /a"}
    assert plain(BuildEvent(kind="started", **step), BuildEvent(kind="done", seconds=0.04, **step)) == [
        "[2/3] WORKDIR /a  0.0s"
    ]


def test_a_log_says_cached_error_canceled_and_warning() -> None:
    assert plain(
        BuildEvent(kind="cached", **RUN),
        BuildEvent(kind="warning", text="odd"),
        BuildEvent(kind="started", **RUN),
        BuildEvent(kind="failed", seconds=1, **RUN),
        BuildEvent(kind="started", **RUN),
        BuildEvent(kind="canceled", seconds=1, **RUN),
    ) == [
        "[2/3] RUN make  CACHED",
        "WARNING: odd",
        "[2/3] RUN make",
        "[2/3]  ERROR 1.0s",
        "[2/3] RUN make",
        "[2/3]  CANCELED 1.0s",
    ]


def test_a_terminal_redraws_the_running_step_and_keeps_the_ended_one() -> None:
    drawn = live(
        BuildEvent(kind="started", **RUN),
        BuildEvent(kind="waiting", seconds=1.5),
        BuildEvent(kind="done", seconds=2.0, **RUN),
    )
    assert drawn.split("\033[1F\033[J") == [
        "[2/3] RUN make                     0.0s\n",
        "[2/3] RUN make                     1.5s\n",
        "[2/3] RUN make                     2.0s\n",
    ]


@given(st.text(max_size=80), st.integers(min_value=5, max_value=60))
def test_a_steps_output_can_neither_wrap_nor_move_the_cursor(text: str, columns: int) -> None:
    drawn = live(BuildEvent(kind="output", text=text), columns=columns)
    line = drawn.split("\n")[1]
    shown = line.removeprefix("\033[2m").removesuffix("\033[0m")
    assert "\033" not in shown and "\r" not in shown
    assert len(shown) <= max(20, columns - 1)


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    assert (cut("abcdef", 4), cut("abc", 4)) == ("abc…", "abc")
