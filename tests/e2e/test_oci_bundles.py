"""The same bundle under runc, crun and `pier oci`: what one does, the others do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bundles
from bundles import Bundle, Runtime
from harness import Pier, wait_until

_NAME = "pier-bundle-test"


@pytest.fixture(params=["runc", "crun", "pier"])
def runtime(request: pytest.FixtureRequest, pier: Pier, tmp_path: Path) -> Iterator[Runtime]:
    """An OCI runtime; what it left of a container is deleted afterwards."""
    if not bundles.available(request.param):
        pytest.skip(f"needs {request.param} (apt)")
    found = bundles.runtime(request.param, pier, tmp_path / "state")
    found.containers.add(_NAME)
    yield found
    found.close()
    assert not list((tmp_path / "state").glob("*")), "the runtime has forgotten the container"


@pytest.fixture
def bundle(pier: Pier, tmp_path: Path) -> Bundle:
    return bundles.busybox(pier, tmp_path / "bundle")


def _run(runtime: Runtime, bundle: Bundle, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return runtime.run("run", *words, "--bundle", bundle.folder, _NAME, stdin=stdin)


def test_streams_and_exit_code_are_the_programs(runtime: Runtime, bundle: Bundle) -> None:
    done = _run(runtime, bundle.script("cat; echo wrong >&2; exit 7"), stdin="right\n")
    assert (done.stdout, done.returncode) == ("right\n", 7)
    assert "wrong" in done.stderr


def test_the_programs_place_is_as_the_configuration_says(runtime: Runtime, bundle: Bundle) -> None:
    def change(config: dict[str, Any]) -> None:
        config["process"]["user"] = {"uid": 1000, "gid": 5, "additionalGids": [10], "umask": 0o027}
        config["process"]["cwd"] = "/tmp"
        config["process"]["env"].append("WHERE=here")
        config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}

    script = "id -u; id -G; umask; pwd; echo $WHERE; hostname; cat /proc/sys/net/ipv4/ip_forward; ulimit -n; echo $$"
    done = _run(runtime, bundle.changed(change).script(script))
    assert done.stdout.splitlines() == ["1000", "5 10", "0027", "/tmp", "here", "bundle", "1", "1024", "1"], done.stderr


def test_what_the_program_may_do_is_as_the_configuration_says(runtime: Runtime, bundle: Bundle) -> None:
    done = _run(runtime, bundle.script("grep -e Cap -e NoNewPrivs: -e Seccomp: /proc/self/status"))
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found["CapEff:"] == found["CapPrm:"] == found["CapBnd:"] == "0000000020000420"
    assert found["CapInh:"] == found["CapAmb:"] == "0000000000000000"
    assert (found["NoNewPrivs:"], found["Seccomp:"]) == ("1", "0")


def test_the_host_is_out_of_reach(runtime: Runtime, bundle: Bundle) -> None:
    script = """
    touch /here 2>/dev/null && echo root is writable
    echo 1 2>/dev/null > /proc/sys/kernel/pid_max && echo proc is writable
    test -s /proc/timer_list && echo timer_list is readable
    ip -o link | cut -d: -f2
    ls /sys/firmware | wc -l
    """
    done = _run(runtime, bundle.script(script))
    assert done.stdout.split() == ["lo", "0"], done.stdout + done.stderr


def test_devices_are_the_standard_ones_and_those_asked_for(runtime: Runtime, bundle: Bundle) -> None:
    def change(config: dict[str, Any]) -> None:
        node = {"path": "/dev/fuse2", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 3, "gid": 4}
        config["linux"]["devices"] = [node]
        config["process"]["capabilities"]["bounding"] += ["CAP_MKNOD"]
        config["process"]["capabilities"]["effective"] += ["CAP_MKNOD"]
        config["process"]["capabilities"]["permitted"] += ["CAP_MKNOD"]

    script = """
    stat -c '%t:%T %a %u %g' /dev/fuse2
    for name in null zero full random urandom tty; do test -c /dev/$name || echo no $name; done
    readlink /dev/fd
    echo x > /dev/null && echo null
    mknod /dev/shm/kmsg c 1 11 2>/dev/null && cat /dev/shm/kmsg 2>/dev/null | head -n 1
    """
    done = _run(runtime, bundle.changed(change).script(script))
    assert done.stdout.splitlines() == ["a:e5 600 3 4", "/proc/self/fd", "null"], done.stdout + done.stderr


def test_mounts_are_made_in_order_with_their_options(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "file").write_text("from the host\n")

    def change(config: dict[str, Any]) -> None:
        source = str(tmp_path / "shared")
        config["mounts"] += [
            {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "noexec"]},
            {"destination": "/mnt/inner", "type": "bind", "source": source, "options": ["rbind", "ro"]},
        ]

    script = "cat /mnt/inner/file; touch /mnt/x && echo made; touch /mnt/inner/x 2>/dev/null || echo read-only"
    done = _run(runtime, bundle.changed(change).script(script + "; grep -c ' /mnt tmpfs rw,noexec' /proc/mounts"))
    assert done.stdout.splitlines() == ["from the host", "made", "read-only", "1"], done.stderr


def test_limits_are_in_force(runtime: Runtime, bundle: Bundle) -> None:
    def change(config: dict[str, Any]) -> None:
        config["linux"]["resources"]["pids"] = {"limit": 12}

    script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"
    done = _run(runtime, bundle.changed(change).script(script))
    assert done.stdout.split() == ["12"], done.stderr


def test_a_filter_answers_system_calls(runtime: Runtime, bundle: Bundle) -> None:
    def change(config: dict[str, Any]) -> None:
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}],
        }

    done = _run(runtime, bundle.changed(change).script("mkdir /dev/shm/x; grep Seccomp: /proc/self/status"))
    assert "No space left" in done.stderr
    assert done.stdout.split()[-1] == "2"


def test_a_container_waits_between_create_and_start(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    bundle.script("sleep 1000")
    pid_file = tmp_path / "pid"
    assert runtime.quiet("create", "--bundle", bundle.folder, "--pid-file", pid_file, _NAME) == 0
    state = runtime.state(_NAME)
    assert (state["status"], state["id"], state["bundle"]) == ("created", _NAME, str(bundle.folder))
    assert state["pid"] == int(pid_file.read_text())
    assert runtime.quiet("start", _NAME) == 0
    assert runtime.status(_NAME) == "running"
    assert runtime.run("delete", _NAME).returncode != 0
    assert runtime.run("start", _NAME).returncode != 0
    assert runtime.run("kill", _NAME, "KILL").returncode == 0
    wait_until(lambda: runtime.status(_NAME) == "stopped", what="the container has stopped")
    assert runtime.run("delete", _NAME).returncode == 0
    assert runtime.run("state", _NAME).returncode != 0


def test_a_further_process_is_confined_alike(runtime: Runtime, bundle: Bundle) -> None:
    bundle.script("sleep 1000")
    assert runtime.quiet("run", "--detach", "--bundle", bundle.folder, _NAME) == 0
    done = runtime.run("exec", "--env", "MORE=1", "--cwd", "/tmp", _NAME, "/bin/sh", "-c", "echo $MORE; pwd; exit 5")
    assert (done.stdout.split(), done.returncode) == (["1", "/tmp"], 5), done.stderr
    done = runtime.run("exec", _NAME, "/bin/grep", "CapEff", "/proc/self/status")
    assert done.stdout.split() == ["CapEff:", "0000000020000420"]


def test_a_terminal_goes_through_the_console_socket(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    bundle.changed(lambda config: config["process"].update(terminal=True)).script("tty; echo on a terminal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "console"))
        listener.listen()
        words = ("--bundle", bundle.folder, "--console-socket", tmp_path / "console", _NAME)
        assert runtime.quiet("create", *words) == 0
        terminal = bundles.receive_terminal(listener)
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        assert runtime.quiet("start", _NAME) == 0
        said = b""
        while b"on a terminal" not in said:
            said += stream.read(100)
    assert said.splitlines()[0] == b"/dev/pts/0"


def test_hooks_get_the_state_at_their_points(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        script = "cat > $0.$(date +%s%N)"
        kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
        config["hooks"] = {
            kind: [
                {"path": "/bin/sh", "args": ["sh", "-c", script, str(tmp_path / kind)], "env": ["PATH=/bin:/usr/bin"]}
            ]
            for kind in kinds
        }

    assert _run(runtime, bundle.changed(change).script("true")).returncode == 0
    states = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.*"), key=lambda path: path.suffix)]
    assert [state["id"] for state in states] == [_NAME] * 5
    order = [path.stem for path in sorted(tmp_path.glob("*.*"), key=lambda path: path.suffix)]
    assert order == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    assert states[-1]["status"] == "stopped"


def test_a_failing_hook_keeps_the_container_from_being_made(runtime: Runtime, bundle: Bundle) -> None:
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "exit 9"]}
    bundle.changed(lambda config: config.update(hooks={"createRuntime": [hook]})).script("echo ran")
    done = _run(runtime, bundle)
    assert done.returncode != 0
    assert "ran" not in done.stdout
    assert runtime.run("state", _NAME).returncode != 0


def test_a_program_that_is_not_there_is_told_at_once(runtime: Runtime, bundle: Bundle) -> None:
    done = runtime.run("create", "--bundle", bundle.command("nosuch").folder, _NAME)
    assert done.returncode != 0
    assert "not found in $PATH" in done.stderr


def test_file_descriptors_pass_only_when_asked_for(runtime: Runtime, bundle: Bundle) -> None:
    bundle.script("ls /proc/self/fd | wc -l")
    argv = ("sh", "-c", 'exec "$@" 3</dev/null', "sh", *runtime.prefix, "--root", str(runtime.root), "run")
    found = []
    for words in ((), ("--preserve-fds", "1")):
        command = [*argv, *words, "--bundle", str(bundle.folder), _NAME]
        found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    # ls opens the directory itself: 0, 1, 2 and that one.
    assert found == ["4", "5"]
