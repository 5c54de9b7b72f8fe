"""Each mistake gets one clear message, the right exit code, and leaves nothing half-made."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from debian_registry import Registry
from harness import Pier, Result, small_disk, wait_until

PROGRAM_ON_A_PORT = """\
import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); input()
"""


def _errors(result: Result) -> list[str]:
    """The lines that say what failed; one is wanted."""
    return [line for line in result.err.splitlines() if line.lower().startswith("error")]


def _one_error(result: Result, *told: str) -> None:
    assert len(_errors(result)) == 1, str(result)
    assert "Traceback" not in result.err
    for part in told:
        assert part in result.err, f"{part!r} is not said: {result}"


def test_an_unknown_image_is_named(pier: Pier) -> None:
    refused = pier.fails("run", "--rm", "no-such-image-anywhere:9", code=125, timeout=60)
    _one_error(refused, "no-such-image-anywhere:9")
    assert pier.names(all=True) == []


def test_pull_of_an_unknown_image_fails_with_one(pier: Pier) -> None:
    _one_error(pier.fails("pull", "no-such-image-anywhere:9", code=1, timeout=60), "no-such-image-anywhere:9")


def test_an_image_never_to_be_pulled_is_not_asked_for(pier: Pier) -> None:
    refused = pier.fails("run", "--rm", "--pull", "never", "absent-image", code=125)
    _one_error(refused, "absent-image")


@pytest.mark.parametrize("name", ["UPPER", "two words", "a//b", "name:tag:tag", "-dash", "x@sha256:zz"])
def test_an_impossible_image_name_is_refused(pier: Pier, name: str) -> None:
    refused = pier.run("pull", "--", name)
    assert refused.code in (1, 125)
    _one_error(refused, name)


@pytest.mark.parametrize(
    "command", ["stop", "rm", "logs", "inspect", "start", "restart", "kill", "wait", "port", "top"]
)
def test_no_such_container_exits_with_one(pier: Pier, command: str) -> None:
    refused = pier.fails(command, "nobody", code=1)
    assert "nobody" in refused.err
    assert "no such" in refused.err.lower()


def test_no_such_container_for_exec_exits_with_one(pier: Pier) -> None:
    assert "No such container: nobody" in pier.fails("exec", "nobody", "true", code=1).err


def test_exec_in_a_stopped_container_is_refused(pier: Pier) -> None:
    pier("run", "--name", "over", "alpine", "true")
    refused = pier.fails("exec", "over", "true", code=1)
    _one_error(refused, "over", "not running")


def test_a_name_in_use_names_its_holder(pier: Pier) -> None:
    pier("run", "--name", "twin", "alpine", "true")
    refused = pier.fails("run", "--name", "twin", "alpine", "true", code=125)
    _one_error(refused, "twin", "already in use")
    assert pier.names(all=True) == ["twin"]


def test_an_invalid_name_says_what_is_allowed(pier: Pier) -> None:
    _one_error(pier.fails("run", "--name", "no spaces", "alpine", "true", code=125), "no spaces")


def test_a_port_held_by_a_process_names_the_process(pier: Pier) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM_ON_A_PORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        port = holder.stdout.readline().strip()
        refused = pier.fails(
            "run", "-d", "--name", "late", "-p", f"127.0.0.1:{port}:80", "alpine", "sleep", "9", code=125
        )
        holder.kill()
    _one_error(refused, port, str(holder.pid))


def test_a_port_held_by_a_container_names_the_container(pier: Pier, free_port: int) -> None:
    pier("run", "-d", "--name", "first", "-p", f"{free_port}:80", "alpine", "sleep", "1000")
    refused = pier.fails("run", "-d", "--name", "second", "-p", f"{free_port}:80", "alpine", "sleep", "1000", code=125)
    _one_error(refused, str(free_port), "first")


def test_a_command_not_found_is_127(pier: Pier) -> None:
    _one_error(pier.fails("run", "--rm", "alpine", "no-such-program", code=127), "no-such-program")
    assert pier.names(all=True) == []


def test_a_command_not_executable_is_126(pier: Pier) -> None:
    _one_error(pier.fails("run", "--rm", "alpine", "/etc/passwd", code=126), "/etc/passwd")
    _one_error(pier.fails("run", "--rm", "alpine", "/etc", code=126), "/etc")


def test_exec_tells_not_found_from_not_executable(pier: Pier) -> None:
    pier("run", "-d", "--name", "shell", "alpine", "sleep", "1000")
    pier.fails("exec", "shell", "no-such-program", code=127)
    pier.fails("exec", "shell", "/etc/passwd", code=126)
    assert pier.run("exec", "shell", "sh", "-c", "exit 42").code == 42


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--nmae", "x", "alpine"], ["--nmae", "--name"]),
        (["run", "-p", "99999:80", "alpine"], ["99999"]),
        (["run", "-p", "eighty:80", "alpine"], ["eighty"]),
        (["run", "-v", "relative/path:relative", "alpine"], ["relative"]),
        (["run", "--shm-size", "lots", "alpine"], ["lots"]),
        (["run", "--restart", "sometimes", "alpine"], ["sometimes"]),
        (["run", "--network", "nowhere", "alpine"], ["nowhere"]),
        (["run", "--env-file", "/no/such/file", "alpine"], ["/no/such/file"]),
        (["run", "-w", "relative", "alpine"], ["relative"]),
        (["run", "-u", "nobody-here", "alpine"], ["nobody-here"]),
        (["run", "--cap-add", "FLY", "alpine"], ["FLY"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_run_refuses_what_cannot_be_meant_with_125(pier: Pier, words: list[str], told: list[str]) -> None:
    refused = pier.fails(words[0], "--rm", *words[1:], "true", code=125)
    for part in told:
        assert part in refused.err
    assert pier.names(all=True) == []


def test_an_unknown_flag_suggests_the_likely_one(pier: Pier) -> None:
    refused = pier.run("ps", "--al")
    assert refused.code in (1, 125)
    assert "--al" in refused.err and "--all" in refused.err


def test_an_unknown_command_suggests_the_likely_one(pier: Pier) -> None:
    refused = pier.run("imagse")
    assert refused.code == 1
    assert "imagse" in refused.err and "image" in refused.err.replace("imagse", "")


@pytest.mark.parametrize(
    ("dockerfile", "told"),
    [
        ("FROM alpine\nRUNN echo hello\n", ["Dockerfile", "2", "RUNN echo hello", "RUN"]),
        ("FROM alpine\nCOPY only-one\n", ["Dockerfile", "2", "COPY"]),
        ("FROM alpine\nENV\n", ["Dockerfile", "2", "ENV"]),
        ("RUN echo first\n", ["Dockerfile", "1", "FROM"]),
        ("", ["Dockerfile"]),
        ("FROM alpine\nCOPY --form=x a b\n", ["2", "--form", "from"]),
        ("FROM alpine AS a\nCOPY --from=b /x /y\n", ["b"]),
    ],
    ids=["unknown word", "too few words", "nothing after ENV", "no FROM", "empty", "unknown flag", "unknown stage"],
)
def test_a_bad_dockerfile_line_is_shown(pier: Pier, tmp_path: Path, dockerfile: str, told: list[str]) -> None:
    (tmp_path / "Dockerfile").write_text(dockerfile)
    refused = pier.fails("build", "-t", "bad", ".", cwd=tmp_path, code=1, timeout=60)
    for part in told:
        assert part in refused.err, str(refused)
    assert pier("images", "-q", "bad").out == ""


def test_a_missing_copy_source_is_named_with_its_line(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\n\nCOPY setings.py /\n")
    (tmp_path / "settings.py").write_text("")
    refused = pier.fails("build", ".", cwd=tmp_path, code=1)
    for part in ("setings.py", "3"):
        assert part in refused.err


def test_a_failing_run_step_shows_its_output_and_exit_code(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nRUN echo telling; exit 3\n")
    refused = pier.fails("build", "-t", "bad", ".", cwd=tmp_path, code=1)
    for part in ("telling", "exit 3", "3"):
        assert part in refused.err
    assert pier("images", "-q", "bad").out == ""


def test_a_missing_dockerfile_is_named(pier: Pier, tmp_path: Path) -> None:
    assert "Dockerfile" in pier.fails("build", ".", cwd=tmp_path, code=1).err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services:\n  web:\n    image: alpine\n   ports: []\n", ["compose.yaml:4"]),
        ("services:\n  web: {image: alpine\n", ["compose.yaml:"]),
        ("services:\n  web:\n    imagee: alpine\n", ["compose.yaml:3:5", "imagee", "image"]),
        ("servces:\n  web: {image: alpine}\n", ["servces", "services"]),
        ("services:\n  web:\n    image: alpine\n    depends_on: [nobody]\n", ["web", "nobody"]),
        ("services:\n  web:\n    image: alpine\n    ports: ['eighty:80']\n", ["eighty"]),
        ("services:\n  a: {image: alpine, depends_on: [b]}\n  b: {image: alpine, depends_on: [a]}\n", ["a", "b"]),
        ("services:\n  web:\n    command: 'true'\n", ["web", "image"]),
    ],
    ids=["indentation", "open brace", "unknown key", "unknown top key", "dependency", "port", "circle", "no image"],
)
def test_a_bad_compose_file_is_pointed_at(pier: Pier, tmp_path: Path, text: str, told: list[str]) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    refused = pier.run("compose", "up", "-d", cwd=tmp_path)
    assert refused.code != 0
    assert "Traceback" not in refused.err
    for part in told:
        assert part in refused.err, str(refused)
    assert pier.names(all=True) == []
    assert len(pier("network", "ls", "-q").lines) == 3


def test_a_missing_compose_file_says_where_it_was_looked_for(pier: Pier, tmp_path: Path) -> None:
    assert "compose.yaml" in pier.run("compose", "up", cwd=tmp_path).err


def test_an_unknown_service_lists_the_known(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  web: {image: alpine}\n")
    refused = pier.run("compose", "up", "-d", "wep", cwd=tmp_path)
    assert refused.code != 0
    assert "wep" in refused.err and "web" in refused.err


def test_compose_port_in_use_leaves_no_half_made_project(pier: Pier, tmp_path: Path, free_port: int) -> None:
    (tmp_path / "compose.yaml").write_text(f"services:\n  web: {{image: alpine, ports: ['{free_port}:80']}}\n")
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", free_port))
        taken.listen()
        refused = pier.run("compose", "up", "-d", cwd=tmp_path)
    assert refused.code != 0
    assert str(free_port) in refused.err
    pier("compose", "down", cwd=tmp_path)
    assert pier.names(all=True) == []


@contextmanager
def _full(pier: Pier, tmp_path: Path, size: str) -> Iterator[Pier]:
    """The command line over a store on a disk of *size*."""
    with small_disk(tmp_path / "disk", size=size) as disk:
        yield Pier(pier.command, disk / "store", pier.cwd, children=pier.children)


def test_a_full_disk_at_pull_is_said_and_leaves_no_image(pier: Pier, tmp_path: Path) -> None:
    with _full(pier, tmp_path, "300k") as poor:
        refused = poor.run("pull", "alpine", timeout=300)
        assert refused.code == 1
        _one_error(refused, "space")
        assert poor.run("images", "-q").out == ""
        assert not list((poor.root / "tmp").glob("*"))


def test_a_full_disk_at_build_is_said_and_leaves_no_layer(pier: Pier, tmp_path: Path) -> None:
    with _full(pier, tmp_path, "40m") as poor:
        poor("pull", "alpine", timeout=300)
        layers = sorted(os.listdir(poor.root / "layers"))
        refused = poor.run(
            "build", "-t", "big", "-", stdin="FROM alpine\nRUN dd if=/dev/urandom of=/big bs=1M count=80\n"
        )
        assert refused.code == 1
        assert "space" in refused.err.lower()
        assert sorted(os.listdir(poor.root / "layers")) == layers
        assert poor("images", "-q", "big").out == ""
        assert poor("run", "--rm", "alpine", "echo", "works again").words == "works again"


def _fill(disk: Path) -> Path:
    """A file that takes what room there is on *disk*."""
    ballast = disk / "ballast"
    with ballast.open("wb") as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(1 << 16))
            out.flush()
    return ballast


def test_run_on_a_full_disk_makes_nothing_and_works_once_there_is_room(pier: Pier, tmp_path: Path) -> None:
    with _full(pier, tmp_path, "40m") as poor:
        poor("pull", "alpine", timeout=300)
        ballast = _fill(poor.root.parent)
        refused = poor.fails("run", "--name", "late", "alpine", "true", code=125)
        _one_error(refused, "space")
        ballast.unlink()
        assert poor("run", "--rm", "--name", "late", "alpine", "echo", "works").words == "works"


def test_on_a_full_disk_containers_run_on_and_can_be_removed(pier: Pier, tmp_path: Path) -> None:
    with _full(pier, tmp_path, "40m") as poor:
        poor("pull", "alpine", timeout=300)
        script = "trap 'exit 0' TERM; while :; do echo a line for the log; sleep 0.05; done"
        poor("run", "-d", "--name", "talker", "alpine", "sh", "-c", script)
        ballast = _fill(poor.root.parent)
        wait_until(lambda: poor.run("logs", "talker").out.count("\n") > 5, what="it talks")
        assert poor.state("talker")["Running"]
        assert "talker" in poor("ps").out
        poor("rm", "-f", "talker")
        assert poor("ps", "-aq").out == ""
        ballast.unlink()


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_damaged_layer_is_refused_and_named(bare_pier: Pier, registry: Registry, damage: str) -> None:
    name = registry.push("alpine")
    registry.damage_first_layer(name, damage)
    refused = bare_pier.fails("pull", name, code=1, timeout=60)
    _one_error(refused, "sha256:" if damage == "altered" else "127.0.0.1")
    assert bare_pier("images", "-q").out == ""
    assert not list((bare_pier.root / "layers").glob("*"))


@pytest.mark.parametrize("moment", [0.02, 0.1, 0.3, 0.8])
def test_ctrl_c_during_pull_leaves_nothing_half_made(bare_pier: Pier, moment: float) -> None:
    _interrupt(bare_pier, moment, "pull", "alpine")
    assert bare_pier("pull", "alpine", timeout=300).code == 0


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.5, 1.0])
def test_ctrl_c_during_build_leaves_nothing_half_made(pier: Pier, tmp_path: Path, moment: float) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM alpine\nRUN echo {moment} > /x\nRUN sleep 100\n")
    _interrupt(pier, moment, "build", "-t", "never", tmp_path)
    assert pier("images", "-q", "never").out == ""


@pytest.mark.parametrize("moment", [0.01, 0.03, 0.06, 0.2])
def test_ctrl_c_during_run_leaves_nothing_half_made(pier: Pier, moment: float) -> None:
    _interrupt(
        pier, moment, "run", "--rm", "--name", "cut", "alpine", "sh", "-c", "trap 'exit 130' INT; sleep 100 & wait"
    )
    wait_until(lambda: pier.names(all=True) == [], timeout=15, what="the container is removed")


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.5])
def test_ctrl_c_during_up_leaves_a_project_that_down_removes(pier: Pier, tmp_path: Path, moment: float) -> None:
    services = "".join(f"  s{n}: {{image: alpine, command: sleep 1000, stop_signal: SIGKILL}}\n" for n in range(4))
    (tmp_path / "compose.yaml").write_text("services:\n" + services)
    _interrupt(pier, moment, "compose", "--project-directory", tmp_path, "up", "-d")
    pier("compose", "--project-directory", tmp_path, "down")
    assert pier.names(all=True) == []


def _interrupt(pier: Pier, moment: float, *words: object) -> None:
    """Press Ctrl-C *moment* seconds into the command, on its terminal; it ends by itself and without a traceback."""
    command = pier.terminal(*words)
    ended = command.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=moment) == 0
    # A first process has no default actions (pid_namespaces(7)): until the shell has set its trap, a signal is lost.
    for _ in range(10):
        if ended:
            break
        command.sendintr()
        ended = command.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=4) == 0
    assert ended, "no end after ten times Ctrl-C"
    command.wait()
    said = command.before or ""
    assert "Traceback" not in said, said
    assert "bug in pier" not in said, said
    assert command.signalstatus in (None, signal.SIGINT)
