"""What a stage's instructions come to: scopes, configuration, history, keys. No file is touched."""

from __future__ import annotations

from typing import Any

import pytest

from pier.build.dockerfile import parse
from pier.build.graph import global_arguments, needed_stages
from pier.build.plan import DEFAULT_PATH, StageInput, plan_stage, scratch_config
from pier.build.steps import StagePlan
from pier.errors import Invalid, SyntaxProblem, Unsupported
from pier.model.image import ImageConfig

AMD64 = "linux/amd64"


def planned(body: str, *, before: str = "", config: ImageConfig | None = None, **given: Any) -> StagePlan:
    """The plan of one stage over an empty base."""
    dockerfile = parse(f"{before}FROM scratch\n{body}\n")
    build_args = given.pop("build_args", {})
    variables = global_arguments(dockerfile, build_args, {"TARGETARCH": "amd64"})
    return plan_stage(
        dockerfile,
        StageInput(
            stage=dockerfile.stages[0],
            base="scratch",
            config=config or scratch_config(),
            build_args=build_args,
            variables=variables,
            **given,
        ),
    )


def keys(body: str, **given: Any) -> list[str]:
    return [step.key("parent", "files") for step in planned(body, **given).steps if step.makes_layer]


def test_the_configuration_grows_step_by_step() -> None:
    plan = planned(
        "ENV A=1\nENV B=$A A=2\nWORKDIR /a\nWORKDIR b\nUSER $B\nEXPOSE 80 90-91/udp\nVOLUME /d ['x']\n"
        'LABEL k=v\nSTOPSIGNAL SIGINT\nSHELL ["/bin/bash","-c"]\nCMD run it\nONBUILD RUN x\nMAINTAINER me'
    )
    config = plan.config
    assert config.env == (f"PATH={DEFAULT_PATH}", "A=2", "B=1")
    assert (config.working_dir, config.user, config.stop_signal) == ("/a/b", "1", "SIGINT")
    assert config.exposed_ports == ("80/tcp", "90/udp", "91/udp")
    assert config.labels == {"k": "v"}
    assert config.cmd == ("/bin/bash", "-c", "run it")
    assert config.on_build == ("RUN x",)
    assert plan.author == "me"


def test_an_entrypoint_drops_the_bases_cmd_but_not_the_stages_own() -> None:
    base = ImageConfig(cmd=("old",))
    assert planned('ENTRYPOINT ["e"]', config=base).config.cmd == ()
    assert planned('CMD ["c"]\nENTRYPOINT ["e"]', config=base).config.cmd == ("c",)


def test_an_arg_before_from_needs_to_be_asked_for_again() -> None:
    plan = planned("RUN a\nARG V\nRUN b", before="ARG V=3\n")
    first, _, second = plan.steps
    assert first.run is not None and "V" not in first.run.env
    assert second.run is not None and second.run.env["V"] == "3"


def test_a_build_arg_wins_over_the_default_and_env_wins_over_both() -> None:
    plan = planned("ARG A=1 B=1\nENV B=env\nRUN x", build_args={"A": "2", "B": "2"})
    run = plan.steps[-1].run
    assert run is not None and (run.env["A"], run.env["B"]) == ("2", "env")
    assert plan.consumed == ("A", "B")
    assert plan.steps[-1].created_by == "RUN |1 A=2 /bin/sh -c x # buildkit"


def test_platform_arguments_are_there_once_declared() -> None:
    run = planned("ARG TARGETARCH\nRUN x").steps[-1].run
    assert run is not None and run.env["TARGETARCH"] == "amd64"


def test_predefined_proxies_are_in_neither_key_nor_history_unless_declared() -> None:
    assert keys("RUN x", build_args={"http_proxy": "p"}) == keys("RUN x")
    declared = planned("ARG http_proxy\nRUN x", build_args={"http_proxy": "p"}).steps[-1]
    assert "http_proxy=p" in declared.created_by


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN x", "RUN y"),
        ("ENV A=1\nRUN x", "ENV A=2\nRUN x"),
        ("ARG A=1\nRUN x", "ARG A=2\nRUN x"),
        ("USER a\nRUN x", "USER b\nRUN x"),
        ("RUN x", "RUN --network=none x"),
        ("RUN x", "RUN --mount=type=tmpfs,target=/t x"),
        ("COPY a /b", "COPY a /b/"),
        ("COPY a /b", "COPY --chmod=600 a /b"),
        ("COPY a /b", "ADD a /b"),
        ("COPY <<E /b\n1\nE", "COPY <<E /b\n2\nE"),
        ("RUN <<E\n1\nE", "RUN <<E\n2\nE"),
    ],
)
def test_what_changes_the_layer_changes_the_key(one: str, other: str) -> None:
    assert keys(one) != keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN x", "# comment\nRUN x"),
        ("RUN x", "LABEL a=b\nCMD y\nRUN x"),
        ("COPY a /b", "ENV A=1\nCOPY a /b"),
        ("COPY a /b", "COPY   a    /b"),
        ("WORKDIR /a\nWORKDIR b", "WORKDIR /a\nWORKDIR /a/b"),
    ],
)
def test_what_does_not_change_the_layer_keeps_the_key(one: str, other: str) -> None:
    assert keys(one) == keys(other)


def test_the_parent_and_the_files_are_part_of_the_key() -> None:
    step = planned("COPY a /b").steps[0]
    assert len({step.key("p", "f"), step.key("q", "f"), step.key("p", "g")}) == 3


def test_labels_count_the_steps_that_make_layers() -> None:
    plan = planned("ENV A=1\nRUN x\nCMD y\nCOPY a /", prefix="builder ")
    assert [step.label for step in plan.steps] == ["", "[builder 2/3]", "", "[builder 3/3]"]


def test_heredocs_of_run_become_a_script_or_stay_in_the_shells_text() -> None:
    lone, shebang, inner = (
        step.run for step in planned("RUN <<E\na\nb\nE\nRUN <<E\n#!/x\nE\nRUN cat <<E > f\na\nE").steps
    )
    assert lone is not None and lone.argv == ("/bin/sh", "-c", "a\nb\n")
    assert shebang is not None and (shebang.argv, shebang.script) == (("/dev/pipes/E",), ("E", "#!/x\n"))
    assert inner is not None and inner.argv[-1] == "cat <<E > f\na\nE"


def test_triggers_of_the_base_run_first_and_are_spent() -> None:
    plan = planned("RUN own", config=ImageConfig(on_build=("RUN inherited",)))
    assert [step.title for step in plan.steps] == ["RUN inherited", "RUN own"]
    assert plan.config.on_build == ()


def test_history_reads_as_buildkit_writes_it() -> None:
    plan = planned('ARG A=1\nENV E="a b"\nCOPY --chown=1 x y /z/\nEXPOSE 80\nCMD ["a"]\nWORKDIR /w\nHEALTHCHECK CMD c')
    assert [step.created_by for step in plan.steps] == [
        "ARG A=1",
        "ENV E=a b",
        "COPY --chown=1 x y /z/ # buildkit",
        "EXPOSE [80/tcp]",
        'CMD ["a"]',
        "WORKDIR /w",
        "HEALTHCHECK CMD c",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("EXPOSE 70000", "invalid container port"),
        ("EXPOSE 80/http", "invalid proto"),
        ("STOPSIGNAL SIGTREM", "invalid signal"),
        ("COPY --chmod=u+x a /b", "octal"),
        ("COPY a b /c", "must be a directory"),
        ("WORKDIR $unset", "empty"),
        ('ENV A="${B:?give B}"', "give B"),
        ("LABEL a='x", "never closed"),
    ],
)
def test_what_cannot_be_meant_names_its_line(line: str, words: str) -> None:
    with pytest.raises(SyntaxProblem, match=words) as caught:
        planned(f"RUN ok\n{line}")
    assert (caught.value.line, caught.value.text) == (3, line)


def order(text: str, target: str = "", **build_args: str) -> list[str]:
    dockerfile = parse(text)
    variables = global_arguments(dockerfile, build_args, {})
    return [node.stage.name for node in needed_stages(dockerfile, target, variables, AMD64)]


STAGES = "FROM x AS a\nFROM x AS unused\nFROM a AS b\nCOPY --from=0 p q\nFROM y AS c\nRUN --mount=from=b,target=/m z\n"


def test_only_needed_stages_are_built_in_order() -> None:
    assert order(STAGES) == ["a", "b", "c"]
    assert order(STAGES, "b") == ["a", "b"]
    assert order(STAGES, "0") == ["a"]


def test_an_unknown_target_names_the_stages_and_the_likely_one() -> None:
    with pytest.raises(Invalid, match="target stage unusd") as caught:
        order(STAGES, "unusd")
    assert (caught.value.hint, "a, unused, b, c" in caught.value.why) == ("did you mean unused?", True)


def test_from_takes_arguments() -> None:
    dockerfile = parse("ARG V=1\nARG I=img:$V\nFROM $I\n")
    node = needed_stages(dockerfile, "", global_arguments(dockerfile, {"V": "2"}, {}), AMD64)[0]
    assert node.base.name == "img:2"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("FROM $NO\n", 1, "blank"),
        ("FROM x\nCOPY --from=1 a b\n", 2, "invalid stage index"),
        ("FROM x\nCOPY --from=late a b\nFROM y AS late\nFROM 0\n", 2, "not an earlier one"),
        ("ARG A\nFROM x\nCOPY --from=$A a b\n", 3, "not expanded"),
    ],
)
def test_a_bad_reference_to_a_stage_names_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(SyntaxProblem, match=words) as caught:
        order(text, "0")
    assert caught.value.line == line


def test_other_platforms_are_refused() -> None:
    with pytest.raises(Unsupported, match="linux/arm64"):
        order("FROM --platform=linux/arm64 x\n")
    assert order("FROM --platform=linux/amd64 x\n") == ["0"]
