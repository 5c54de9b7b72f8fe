"""attach, pause, unpause, diff, commit, export, rename, start -ai: each verb with Docker's output and exit codes."""

from __future__ import annotations

import io
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import Pier, wait_until


@pytest.fixture
def box(pier: Pier) -> str:
    """A running container called box."""
    pier("run", "-d", "--name", "box", "alpine", "sleep", "1000")
    return "box"


def test_attach_shows_output_and_returns_the_exit_code(pier: Pier) -> None:
    pier("run", "-di", "--name", "echo", "alpine", "sh", "-c", "read line; echo got $line; exit 7")
    attached = pier.fails("attach", "echo", stdin="hello\n", code=7)
    assert attached.words == "got hello"


def test_attach_detaches_on_its_keys_and_the_container_runs_on(pier: Pier) -> None:
    pier("run", "-dit", "--name", "shell", "alpine", "sh")
    terminal = pier.terminal("attach", "--detach-keys", "ctrl-a,d", "shell")
    terminal.send("echo in$((40+2))side\r")
    terminal.expect("in42side")
    terminal.send("\x01d")
    terminal.expect("read escape sequence")
    terminal.wait()
    assert terminal.exitstatus == 1
    assert pier.status("shell") == "running"


def test_attach_without_stdin_forwards_signals(pier: Pier) -> None:
    pier(
        "run",
        "-d",
        "--name",
        "polite",
        "alpine",
        "sh",
        "-c",
        "trap 'echo bye; exit 3' TERM; echo on; while :; do sleep 0.05; done",
    )
    wait_until(lambda: pier("logs", "polite").words == "on", what="the trap is set")
    attached = pier.start("attach", "--no-stdin", "polite")
    wait_until(
        lambda: "attach" in pier("events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}").lines,
        what="the command is attached",
    )
    wait_until(lambda: _catches(attached.pid, signal.SIGTERM), what="the command handles signals")
    attached.send_signal(signal.SIGTERM)
    out, _ = attached.communicate(timeout=30)
    assert (attached.returncode, out.strip()) == (3, "bye")


def _catches(pid: int, number: int) -> bool:
    """Does the process have a handler for the signal (proc(5), SigCgt)?"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = int(next(line for line in lines if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (number - 1) & 1)


def test_attach_refuses_what_does_not_run(pier: Pier, box: str) -> None:
    pier("pause", box)
    assert "cannot attach to a paused container, unpause it first" in pier.fails("attach", box, code=1).err
    pier("stop", "-t", "0", box)
    assert "cannot attach to a stopped container, start it first" in pier.fails("attach", box, code=1).err


def test_a_paused_container_stands_still_and_goes_on(pier: Pier, box: str) -> None:
    assert pier("pause", box).words == box
    assert pier.status(box) == "paused"
    assert "(Paused)" in pier("ps", "--filter", "status=paused", "--format", "{{.Status}}").out
    state = pier.state(box)
    assert (state["Paused"], state["Running"]) == (True, True)
    assert "is paused, unpause the container before exec" in pier.fails("exec", box, "true", code=1).err
    assert "is already paused" in pier.fails("pause", box, code=1).err
    assert pier("unpause", box).words == box
    assert pier("exec", box, "echo", "awake").words == "awake"
    assert "is not paused" in pier.fails("unpause", box, code=1).err
    actions = pier("events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}").lines
    assert actions.index("pause") < actions.index("unpause")


@pytest.mark.parametrize("words", [["kill"], ["rm", "-f"], ["stop", "-t", "0"]], ids=" ".join)
def test_a_paused_container_can_be_ended(pier: Pier, box: str, words: list[str]) -> None:
    pier("pause", box)
    pier(*words, box)
    assert pier.run("inspect", "-f", "{{.State.Status}}", box).words in ("exited", "")


def test_a_paused_container_whose_monitor_was_killed_is_cleared_away(pier: Pier, box: str) -> None:
    pier("pause", box)
    pid = pier.state(box)["Pid"]
    parent = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("PPid"))
    subprocess.run(["kill", "-9", parent.split()[1]], check=True)
    wait_until(lambda: pier.status(box) == "exited", what="the loss is noticed")
    assert _is_dead(pid)


def _is_dead(pid: int) -> bool:
    """Gone, or a zombie that nobody has waited for yet."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_health_checks_rest_while_the_container_is_paused(pier: Pier) -> None:
    pier("run", "-d", "--name", "ill", "--health-cmd", "true", "--health-interval", "100ms", "alpine", "sleep", "1000")
    wait_until(lambda: pier.state("ill")["Health"]["Status"] == "healthy", what="the first probe")
    pier("pause", "ill")
    assert pier.state("ill")["Health"]["Status"] == "healthy"
    pier("unpause", "ill")
    last = pier.state("ill")["Health"]["Log"][-1]["Start"]
    wait_until(lambda: pier.state("ill")["Health"]["Log"][-1]["Start"] > last, what="probes go on")


def test_a_renamed_running_container_keeps_its_promises(pier: Pier) -> None:
    pier("run", "-d", "--rm", "--name", "old", "alpine", "sleep", "1000")
    pier("rename", "old", "new")
    pier("stop", "-t", "0", "new")
    wait_until(lambda: pier.names(all=True) == [], what="it is removed under its new name")
    pier("create", "--name", "new", "alpine")


def test_diff_tells_what_was_added_changed_and_deleted(pier: Pier) -> None:
    pier(
        "run",
        "--name",
        "busy",
        "alpine",
        "sh",
        "-c",
        "mkdir /new; echo x > /new/f; echo x >> /etc/passwd; rm -r /media /srv",
    )
    lines = pier("diff", "busy").lines
    assert "A /new" in lines
    assert "A /new/f" in lines
    assert "C /etc" in lines
    assert "C /etc/passwd" in lines
    assert [line for line in lines if line.startswith("D ")] in (["D /media", "D /srv"], ["D /srv"], ["D /media"])
    pier("run", "--name", "idle", "alpine", "true")
    assert pier("diff", "idle").out == ""


def test_commit_makes_an_image_of_the_container(pier: Pier) -> None:
    pier(
        "run",
        "--name",
        "work",
        "-e",
        "KEPT=yes",
        "alpine",
        "sh",
        "-c",
        "echo made > /made; rm /etc/motd /etc/issue; true",
    )
    made = pier("commit", "-a", "A. Author", "-m", "a message", "-c", 'CMD ["cat", "/made"]', "-c", "LABEL x=y",
                "-c", "EXPOSE 80", "work", "mine:v1")  # fmt: skip
    assert made.words.startswith("sha256:")
    assert pier("run", "--rm", "mine:v1").words == "made"
    image = pier("image", "inspect", "mine:v1").json()[0]
    assert image["Author"] == "A. Author"
    assert image["Config"]["Labels"]["x"] == "y"
    assert "80/tcp" in image["Config"]["ExposedPorts"]
    assert "KEPT=yes" in image["Config"]["Env"]
    pier.fails("run", "--rm", "mine:v1", "ls", "/etc/motd", code=1)
    refused = pier.fails("commit", "-c", "RUN true", "work", code=1)
    assert "RUN is not a valid change command" in refused.err
    pier("rm", "work")
    pier("rmi", "mine:v1")


def test_commit_of_a_running_container_pauses_it_meanwhile(pier: Pier, box: str) -> None:
    image = pier("commit", box).words
    assert pier.status(box) == "running"
    actions = pier("events", "--since", "1m", "--until", "0s", "--format", "{{.Action}}").lines
    assert [action for action in actions if action in ("pause", "unpause", "commit")][-3:] == [
        "pause",
        "unpause",
        "commit",
    ]
    pier("rmi", image)


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_export_writes_the_files_without_the_mounts(pier: Pier, tmp_path: Path, running: bool) -> None:
    pier(
        "run",
        "-d",
        "--name",
        "box",
        "-v",
        "/data",
        "alpine",
        "sh",
        "-c",
        "echo x > /mark; echo y > /data/f; sleep 1000",
    )
    wait_until(lambda: pier.run("exec", "box", "cat", "/data/f").words == "y", what="the files are there")
    if not running:
        pier("stop", "-t", "0", "box")
    pier("export", "-o", tmp_path / "out.tar", "box")
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = archive.getnames()
        mark = archive.extractfile("mark")
        assert mark is not None
        assert mark.read() == b"x\n"
    assert "bin/busybox" in names
    assert "data" in names
    assert "data/f" not in names
    assert "does not exist" in pier.fails("export", "-o", tmp_path / "no/such/dir", "box", code=1).err


def test_start_attaches_and_gives_input(pier: Pier) -> None:
    pier("create", "-i", "--name", "filter", "alpine", "sh", "-c", "cat; exit 4")
    assert pier.fails("start", "-a", "-i", "filter", stdin="through\n", code=4).words == "through"


def test_start_refuses_a_paused_container(pier: Pier, box: str) -> None:
    pier("pause", box)
    assert "cannot start a paused container, try unpause instead" in pier.fails("start", box, code=1).err


def test_update_wants_something_to_change(pier: Pier, box: str) -> None:
    assert "you must provide one or more flags" in pier.fails("update", box, code=1).err


def test_a_tar_stream_of_an_export_is_whole(pier: Pier, box: str) -> None:
    done = subprocess.run(pier.argv(["export", box]), env=pier.env, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert "etc/passwd" in archive.getnames()
