"""`pier build` as typed: its output, its options, its failures, and what it leaves behind."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from pathlib import Path

import pexpect
import pytest

from harness import Pier, wait_until

SLOW = "FROM alpine\nRUN echo begun; sleep 1000\n"


def scratch_folders(pier: Pier) -> list[str]:
    return [name for name in os.listdir(pier.root / "tmp") if name.startswith("scratch-")]


def image_count(pier: Pier) -> int:
    return len(pier("images", "-aq").lines)


def built(pier: Pier, dockerfile: str, *args: object, **options: object) -> str:
    """The id of the image built from *dockerfile* in the test's folder, which is removed with the test's images."""
    return str(pier("build", "-q", *args, "-f", "-", ".", stdin=dockerfile, **options).words)


def output(pier: Pier, dockerfile: str, *args: object, **options: object) -> str:
    """What the steps say, each build from nothing."""
    return str(pier("build", "--no-cache", "-t", "said", *args, "-f", "-", ".", stdin=dockerfile, **options).err)


@pytest.fixture(autouse=True)
def _images_go_with_the_test(pier: Pier) -> object:
    before = set(pier("images", "-aq", "--no-trunc").lines)
    yield
    pier.end_children()
    for image in set(pier("images", "-aq", "--no-trunc").lines) - before:
        pier("rmi", "-f", image)


def test_a_file_of_the_context_runs_in_the_image(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "hello.sh").write_text("#!/bin/sh\necho hello from $(pwd), $WHO\n")
    (tmp_path / "hello.sh").chmod(0o755)
    (tmp_path / "Dockerfile").write_text(
        "FROM alpine\nARG WHO=nobody\nENV WHO=$WHO\nWORKDIR /srv/app\nCOPY hello.sh .\nRUN test -x hello.sh\n"
        'CMD ["./hello.sh"]\n'
    )
    shown = pier("build", "-t", "hello", "--build-arg", "WHO=you", ".")
    assert shown.out == ""
    assert "[2/4] WORKDIR /srv/app" in shown.err and "[4/4] RUN test -x hello.sh" in shown.err
    assert pier("run", "--rm", "hello").out == "hello from /srv/app, you\n"


def test_a_later_stage_takes_only_what_it_copies(pier: Pier) -> None:
    text = (
        "FROM alpine AS tools\nRUN mkdir /out && echo made > /out/thing && echo more > /out/rest\n"
        "FROM alpine AS unused\nRUN exit 9\n"
        "FROM scratch\nCOPY --from=tools /out/thing /thing\n"
    )
    image = built(pier, text)
    (shown,) = pier("inspect", image).json()
    assert len(shown["RootFS"]["Layers"]) == 1
    assert pier.run("build", "--target", "unused", "-f", "-", ".", stdin=text).code == 1


def test_quiet_prints_the_id_and_nothing_else(pier: Pier, tmp_path: Path) -> None:
    result = pier("build", "-q", "--iidfile", "id", "-f", "-", ".", stdin="FROM alpine\nRUN echo noise\n")
    assert result.out.startswith("sha256:") and result.err == ""
    assert (tmp_path / "id").read_text() == result.words


def test_a_failing_command_shows_its_line_its_code_and_its_last_words(pier: Pier) -> None:
    before = image_count(pier)
    failed = pier.fails("build", "-f", "-", ".", stdin="FROM alpine\nRUN echo one; echo two >&2; exit 7\n", code=1)
    assert "Dockerfile:2: " in failed.err and "exit code: 7" in failed.err
    assert "  | RUN echo one; echo two >&2; exit 7" in failed.err
    assert failed.err.index("its last output was") < failed.err.rindex("two")
    assert image_count(pier) == before
    assert scratch_folders(pier) == []


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM alpine\nRNU pip install x\n", ("Dockerfile:2:1", "RNU pip install x", "did you mean RUN?")),
        ("FROM alpine\nCOPY requirments.txt .\n", ("requirments.txt: not found", "did you mean requirements.txt?")),
        ('FROM alpine\nRUN ["/no/such"]\n', ("Dockerfile:2", "/no/such")),
        ("FROM alpine\nRUN --mount=type=ssh git clone x\n", ("Dockerfile:2", "ssh")),
        ("", ("empty",)),
    ],
)
def test_a_bad_dockerfile_gets_one_clear_message(
    pier: Pier, tmp_path: Path, dockerfile: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "requirements.txt").touch()
    failed = pier.fails("build", "-f", "-", ".", stdin=dockerfile, code=1)
    assert failed.err.count("Error: ") == 1
    for word in words:
        assert word in failed.err


def test_an_unsupported_option_is_refused_by_name(pier: Pier) -> None:
    failed = pier.run("build", "--ssh", "default", ".")
    assert failed.code != 0
    assert "--ssh" in failed.err and "--secret" in failed.err


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_build_ended_at_any_moment_leaves_nothing_that_runs(pier: Pier, how: str) -> None:
    (pier.cwd / "Dockerfile").write_text(SLOW)
    before = image_count(pier)
    building = pier.start("build", ".")
    assert building.stderr is not None
    for line in building.stderr:
        if "| begun" in line:
            break
    os.kill(building.pid, getattr(signal, how))
    assert building.wait(timeout=20) == (130 if how == "SIGINT" else -getattr(signal, how))
    if how == "SIGINT":
        assert scratch_folders(pier) == []
    wait_until(lambda: not _sleepers(pier), what="the step's processes are gone")
    built(pier, "FROM alpine\nENV A=1\n")
    assert scratch_folders(pier) == []
    assert image_count(pier) == before + 1


def _sleepers(pier: Pier) -> list[int]:
    """Processes whose root lies under the store: the step's."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/mountinfo") as file:
                if str(pier.root) in file.read().split("\n", 1)[0]:
                    found.append(int(name))
        except OSError:
            continue
    return found


def test_a_context_and_a_dockerfile_come_through_stdin(pier: Pier, tmp_path: Path) -> None:
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as tar:
        for name, text in (("sub/Dockerfile", b"FROM alpine\nCOPY word /word\n"), ("word", b"sent")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    pier("build", "-t", "sent", "-f", "sub/Dockerfile", "-", stdin=sent.getvalue().decode("latin-1"))
    assert pier("run", "--rm", "sent", "cat", "/word").out == "sent"


def test_a_secret_is_there_for_its_step_only(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    text = (
        "FROM alpine\nRUN --mount=type=secret,id=file,required --mount=type=secret,id=var,env=VAR "
        'test "$(cat /run/secrets/file)-$VAR" = s3cret-v4lue\nRUN test ! -e /run/secrets\n'
    )
    image = built(
        pier, text, "--secret", "id=file,src=token", "--secret", "id=var,env=FROM_HOST", env={"FROM_HOST": "v4lue"}
    )
    assert "s3cret" not in pier("inspect", image).out
    failed = pier.fails("build", "--no-cache", "-f", "-", ".", stdin=text, code=1)
    assert "secret file: not found" in failed.err


def test_a_cache_mount_outlives_the_build_and_stays_out_of_the_image(pier: Pier) -> None:
    text = "FROM alpine\nRUN --mount=type=cache,target=/c,id=counted echo x >> /c/n && wc -l < /c/n > /n\n"
    built(pier, text, "--no-cache", "-t", "first")
    built(pier, text, "--no-cache", "-t", "second")
    one, two = (int(pier("run", "--rm", tag, "cat", "/n").out) for tag in ("first", "second"))
    assert two == one + 1
    assert pier("run", "--rm", "second", "ls", "/").out.split().count("c") == 0


def test_bind_mounts_see_the_context_and_stages_and_keep_nothing(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/word").write_text("here")
    (tmp_path / "hidden").write_text("no")
    (tmp_path / ".dockerignore").write_text("hidden\n")
    text = (
        "FROM alpine AS s\nRUN echo staged > /f\nFROM alpine\n"
        "RUN --mount=type=bind,target=/ctx --mount=type=bind,from=s,source=/f,target=/g,rw "
        "cat /ctx/data/word /g > /both; test ! -e /ctx/hidden; echo changed > /g\n"
    )
    built(pier, text, "-t", "bound")
    assert pier("run", "--rm", "bound", "cat", "/both").out == "herestaged\n"
    assert pier.run("run", "--rm", "bound", "ls", "/ctx").code != 0


def test_a_step_without_network_has_only_its_loopback(pier: Pier) -> None:
    said = output(pier, "FROM alpine\nRUN --network=none tail -n +3 /proc/net/dev | grep -c : \n")
    assert "| 1" in said
    assert "| 1" in output(pier, "FROM alpine\nRUN tail -n +3 /proc/net/dev | grep -c :\n", "--network", "none")


def test_extra_hosts_and_proxies_reach_the_step_and_no_image(pier: Pier) -> None:
    text = "FROM alpine\nRUN grep 10.9.8.7 /etc/hosts; echo proxy=$http_proxy\n"
    said = output(pier, text, "--add-host", "far:10.9.8.7", env={"http_proxy": "http://proxy:1"})
    assert "10.9.8.7\tfar" in said and "proxy=http://proxy:1" in said
    assert "proxy" not in pier("inspect", "said").out.replace("proxy=$http_proxy", "")


def test_the_hosts_certificates_reach_the_step_and_no_image(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("the bundle")
    text = 'FROM alpine\nRUN test "$(cat $SSL_CERT_FILE)" = "the bundle"; echo n=$NODE_EXTRA_CA_CERTS\n'
    said = output(pier, text, env={"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
    assert "n=/dev/pier-host-ca.pem" in said
    (shown,) = pier("inspect", "said").json()
    assert [name for name in shown["Config"]["Env"] if "CERT" in name] == []
    assert pier.run("run", "--rm", "said", "ls", "/dev/pier-host-ca.pem").code != 0


def test_a_later_build_finds_steps_whatever_the_host_looks_like(pier: Pier) -> None:
    text = "FROM alpine\nRUN echo cached-step\n"
    built(pier, text, env={"http_proxy": "http://one:1"})
    again = pier("build", "-f", "-", ".", stdin=text, env={"http_proxy": "http://two:2", "SSL_CERT_FILE": "/nowhere"})
    assert again.err.count("CACHED") == 1


def test_a_terminal_sees_the_running_step_redrawn_and_a_clock(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nRUN echo loud; sleep 1\n")
    child = pier.terminal("build", "--no-cache", "-t", "drawn", ".")
    child.expect(r"\[2/2\] RUN echo loud; sleep 1 +0\.[0-9]s")
    child.expect("loud")
    child.expect(r"\x1b\[\d+F\x1b\[J")
    child.expect(r"sleep 1 +1\.[0-9]s")
    child.expect("naming to drawn:latest")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0


def test_an_instruction_for_children_runs_in_the_next_build(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("x")
    built(pier, "FROM alpine\nONBUILD COPY own /own\nONBUILD RUN echo triggered\n", "-t", "parent")
    shown = pier("build", "-t", "child", "-f", "-", ".", stdin="FROM parent\n")
    assert "COPY own /own" in shown.err and "| triggered" in shown.err
    pier("run", "--rm", "child", "cat", "/own")


def test_labels_and_metadata_are_in_the_image(pier: Pier) -> None:
    image = built(
        pier,
        "FROM alpine\nLABEL a=1 b=2\nEXPOSE 80\nVOLUME /v\nUSER 5\nHEALTHCHECK --interval=5s CMD true\n",
        "--label",
        "b=3",
    )
    config = pier("inspect", image).json()[0]["Config"]
    assert config["Labels"]["a"] == "1" and config["Labels"]["b"] == "3"
    assert (config["ExposedPorts"], config["Volumes"], config["User"]) == ({"80/tcp": {}}, {"/v": {}}, "5")
    assert config["Healthcheck"]["Interval"] == 5_000_000_000


def test_files_come_from_another_image(pier: Pier) -> None:
    built(pier, "FROM busybox\nCOPY --from=alpine /etc/os-release /taken\n", "-t", "taker")
    assert (
        pier("run", "--rm", "taker", "cat", "/taken").out == pier("run", "--rm", "alpine", "cat", "/etc/os-release").out
    )


def test_a_step_leaves_no_mount_point_in_the_image(pier: Pier) -> None:
    text = (
        "FROM busybox AS b\nRUN ln -s ../run/resolv.conf /etc/link\n"
        "FROM b\nRUN --mount=type=cache,target=/made/here --mount=type=tmpfs,target=/etc/link true\n"
    )
    built(pier, text, "-t", "clean")
    listed = pier("run", "--rm", "clean", "ls", "/", "/run").out.split()
    assert "made" not in listed and "resolv.conf" not in listed


def test_debug_prints_what_was_decided(pier: Pier) -> None:
    shown = pier("-D", "build", "-f", "-", ".", stdin="FROM alpine\nENV A=1\nRUN echo $A\n").err
    assert "3: [2/2] RUN echo $A" in shown and "RunPlan(argv=('/bin/sh', '-c', 'echo $A')" in shown
