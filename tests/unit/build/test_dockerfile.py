"""The grammar: every instruction, and every mistake with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.build import instructions as ins
from pier.build.dockerfile import parse
from pier.build.forms import READERS, duration
from pier.errors import Invalid, PierError, SyntaxProblem, Unsupported


def one(line: str) -> ins.Instruction:
    """The only instruction after FROM."""
    (found,) = parse(f"FROM a\n{line}\n").stages[0].instructions
    return found


def refusal(line: str) -> SyntaxProblem:
    with pytest.raises(SyntaxProblem) as caught:
        parse(f"FROM a\n{line}\n", "Containerfile")
    assert (caught.value.file, caught.value.line) == ("Containerfile", 2)
    assert caught.value.text == line.split("\n")[0]
    return caught.value


def test_stages_have_names_and_numbers() -> None:
    found = parse("ARG V=1\nFROM --platform=linux/amd64 a:$V AS Build\nFROM b\n")
    assert [stage.name for stage in found.stages] == ["build", "1"]
    assert found.stages[0].start.platform == "linux/amd64"
    assert found.globals[0].pairs == (("V", "1"),)


def test_commands_have_a_shell_form_and_a_json_form() -> None:
    run = one("RUN echo hi && ls")
    assert isinstance(run, ins.Run)
    assert run.command == ins.Command(shell=True, text="echo hi && ls")
    cmd = one('CMD ["a", "b c"]')
    assert isinstance(cmd, ins.Cmd)
    assert cmd.command == ins.Command(shell=False, words=("a", "b c"))


def test_broken_json_is_the_shells_business() -> None:
    cmd = one("CMD ['a', 'b']")
    assert isinstance(cmd, ins.Cmd)
    assert cmd.command.shell


def test_json_of_other_things_than_strings_is_refused() -> None:
    assert "strings only" in refusal("CMD [1, 2]").message


def test_run_takes_mounts_and_a_network() -> None:
    run = one("RUN --mount=type=cache,target=/c,sharing=locked --mount=type=secret,id=t,required --network=none make")
    assert isinstance(run, ins.Run)
    assert [(mount.kind, mount.target, mount.id) for mount in run.mounts] == [("cache", "/c", ""), ("secret", "", "t")]
    assert (run.mounts[0].sharing, run.mounts[0].readonly, run.mounts[1].required) == ("locked", False, True)
    assert run.network == "none"


def test_copy_keeps_its_flags_and_quoted_words() -> None:
    copy = one('COPY --from=b --chown=1:2 --chmod=755 --link --exclude=*.md --exclude=x "a b" c /d/')
    assert isinstance(copy, ins.Copy)
    assert (copy.source_stage, copy.chown, copy.chmod, copy.link) == ("b", "1:2", "755", True)
    assert copy.exclude == ("*.md", "x")
    assert copy.sources == ('"a b"', "c")


def test_copy_takes_json_with_blanks() -> None:
    copy = one('COPY ["a b", "/c d/"]')
    assert isinstance(copy, ins.Copy)
    assert (copy.sources, copy.destination) == (("a b",), "/c d/")


def test_env_and_label_take_pairs_and_the_old_form() -> None:
    pairs = one("ENV A=1 B='x y' C=a\\ b")
    assert isinstance(pairs, ins.Env)
    assert pairs.pairs == (("A", "1"), ("B", "'x y'"), ("C", "a\\ b"))
    old = one("ENV A the rest = of it")
    assert isinstance(old, ins.Env)
    assert old.pairs == (("A", "the rest = of it"),)


def test_arg_tells_no_default_from_an_empty_one() -> None:
    arg = one("ARG A B= C=1")
    assert isinstance(arg, ins.Arg)
    assert arg.pairs == (("A", None), ("B", ""), ("C", "1"))


def test_healthcheck_reads_durations() -> None:
    check = one("HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f localhost")
    assert isinstance(check, ins.HealthCheck)
    assert (check.interval, check.timeout, check.retries) == (90_000_000_000, 500_000_000, 3)
    none = one("HEALTHCHECK NONE")
    assert isinstance(none, ins.HealthCheck) and none.disabled


def test_onbuild_keeps_its_trigger_as_text() -> None:
    found = one("ONBUILD COPY . /app")
    assert isinstance(found, ins.OnBuild)
    assert found.trigger == "COPY . /app"


def test_keywords_may_be_lower_case() -> None:
    assert one("workdir /app").keyword == "WORKDIR"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("RNU pip install x", ("RNU", "did you mean RUN?")),
        ("COYP a b", ("did you mean COPY?",)),
        ("COPY a", ("at least two",)),
        ("ENV", ("at least one",)),
        ("ENV A", ("no value",)),
        ("ENV A=1 B", ("no = in 'B'",)),
        ("ENV =1", ("no name",)),
        ("EXPOSE", ("needs an argument",)),
        ("RUN", ("needs an argument",)),
        ("RUN --mount=type=cash,target=/x y", ("cash",)),
        ("RUN --mount=type=cache y", ("target",)),
        ("RUN --mount=type=bind,taget=/x y", ("taget",)),
        ("RUN --network=bridge y", ("bridge",)),
        ("SHELL /bin/bash", ("JSON",)),
        ("HEALTHCHECK CDM x", ("CDM",)),
        ("HEALTHCHECK --interval=5 CMD x", ("duration",)),
        ("ONBUILD FROM x", ("FROM",)),
        ("ONBUILD RNU x", ("RNU",)),
        ("FROM a b", ("one or three",)),
        ("FROM a AS 1x", ("1x",)),
        ("COPY --chwon=1 a b", ("--chwon",)),
        ("COPY --chown=1 --chown=2 a b", ("twice",)),
        ("RUN <<EOF", ("unterminated",)),
        ("VOLUME []", ("empty",)),
    ],
)
def test_a_mistake_names_its_file_line_and_the_likely_word(line: str, words: tuple[str, ...]) -> None:
    problem = refusal(line)
    for word in words:
        assert word in f"{problem.message} {problem.hint}"


def test_an_unknown_flag_comes_with_the_likely_one() -> None:
    assert "chown" in refusal("COPY --chwon=1 a b").hint


def test_the_column_points_at_the_unknown_word() -> None:
    assert refusal("  RNU x").column == 3


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("RUN --mount=type=ssh git clone x", "ssh"),
        ("RUN --security=insecure x", "insecure"),
        ("COPY --parents a b", "--parents"),
        ("ADD --keep-git-dir=true a b", "--keep-git-dir"),
    ],
)
def test_what_pier_does_not_do_is_refused_by_name_and_line(line: str, word: str) -> None:
    with pytest.raises(Unsupported, match=word) as caught:
        parse(f"FROM a\n{line}\n")
    assert "Dockerfile:2" in caught.value.message


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "RUN x", "ARG A\n", "COPY a b\nFROM x"])
def test_a_dockerfile_begins_with_from(text: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert "FROM" in caught.value.hint


def test_two_stages_cannot_share_a_name() -> None:
    with pytest.raises(SyntaxProblem, match="two stages"):
        parse("FROM a AS x\nFROM b AS X\n")


@pytest.mark.parametrize("text", ["", "5", "s", "1.2.3s", "0.1us", "1y"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(Invalid):
        duration(text)


@given(
    st.lists(
        st.tuples(st.sampled_from([*READERS, "RNU", "#"]), st.text(alphabet="ab/=[]\"'$-{}:,<E \\\n", max_size=25)),
        max_size=6,
    )
)
def test_any_dockerfile_parses_or_is_refused_with_a_line_of_it(lines: list[tuple[str, str]]) -> None:
    text = "FROM a\n" + "\n".join(f"{keyword} {rest}" for keyword, rest in lines)
    try:
        found = parse(text)
    except SyntaxProblem as problem:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.text in text
    except PierError:
        return
    else:
        assert found.stages
