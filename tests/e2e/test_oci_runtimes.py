"""`pier run --runtime`: crun and runc run pier's plan with the same result as pier itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import bundles
from harness import Pier, wait_until


@pytest.fixture(params=["pier", "crun", "runc"])
def runtime(request: pytest.FixtureRequest) -> str:
    if not bundles.available(request.param):
        pytest.skip(f"needs {request.param} (apt)")
    return str(request.param)


def _run(pier: Pier, runtime: str, *words: object, code: int = 0, stdin: str | None = None) -> list[str]:
    result = pier.run("run", "--rm", "--runtime", runtime, *words, stdin=stdin)
    assert result.code == code, str(result)
    return result.lines


def test_the_program_sees_what_it_sees_under_piers_own_runtime(pier: Pier, runtime: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    script = """
    id; pwd; hostname; cat /proc/sys/kernel/domainname; env | sort; ulimit -n; cat /proc/sys/net/ipv4/ip_forward
    grep -e Cap -e NoNewPrivs: -e Seccomp: /proc/self/status
    cut -d' ' -f 2,3 /proc/mounts | grep -v -e /sys/fs -e ^/proc/ -e devtmpfs | sort -u
    for name in /dev/*; do echo $name; done | grep -v core
    touch /denied 2>&1; cat /file; touch /file 2>&1; touch /scratch/x && echo written
    cat /proc/sys/kernel/shmmax >/dev/null; echo x 2>/dev/null >/proc/sys/kernel/shmmax || echo read-only
    true
    """
    options = (
        *("-e", "A=b", "-u", "1000:5", "--group-add", "10", "-w", "/tmp", "--read-only", "--tmpfs", "/scratch"),
        *("--sysctl", "net.ipv4.ip_forward=1", "--ulimit", "nofile=100:200", "--hostname", "h", "--domainname", "d"),
        *("--cap-drop", "CHOWN", "--cap-add", "NET_ADMIN", "-v", f"{tmp_path}/file:/file:ro", "--network", "none"),
    )
    own = _run(pier, "pier", *options, "busybox", "sh", "-c", script)
    assert "written" in own
    assert _run(pier, runtime, *options, "busybox", "sh", "-c", script) == own


def test_streams_and_exit_code_are_the_programs(pier: Pier, runtime: str) -> None:
    result = pier.run(
        "run", "--rm", "-i", "--runtime", runtime, "busybox", "sh", "-c", "cat; echo e >&2; exit 9", stdin="in\n"
    )
    assert (result.out, result.err, result.code) == ("in\n", "e\n", 9)


@pytest.mark.parametrize(("program", "code"), [("nosuch", 127), ("/no/such", 127), ("/etc", 126)])
def test_a_program_that_cannot_run_has_its_exit_code(pier: Pier, runtime: str, program: str, code: int) -> None:
    pier.fails("run", "--rm", "--runtime", runtime, "busybox", program, code=code)


def test_a_container_is_kept_as_any_other(pier: Pier, runtime: str) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    pier("run", "-d", "--name", "kept", "--runtime", runtime, "-v", "data:/data", "busybox", "sh", "-c", script)
    wait_until(lambda: "up" in pier("logs", "kept").out, what="the program runs")
    assert pier("exec", "-u", "5", "kept", "id", "-u").words == "5"
    pier("exec", "kept", "touch", "/data/file")
    other = pier(
        "run",
        "--rm",
        "--network",
        "container:kept",
        "--runtime",
        runtime,
        "busybox",
        "ip",
        "-o",
        "-4",
        "addr",
        "show",
        "eth0",
    )
    assert other.words
    pier("stop", "kept")
    assert pier.state("kept")["ExitCode"] == 3
    assert pier("logs", "kept").lines == ["up", "bye"]
    pier("start", "kept")
    assert pier.status("kept") == "running"
    pier("rm", "-f", "kept")
    assert pier("run", "--rm", "-v", "data:/data", "busybox", "ls", "/data").words == "file"


def test_a_terminal_is_a_terminal(pier: Pier, runtime: str) -> None:
    child = pier.terminal("run", "--rm", "-it", "--runtime", runtime, "busybox", "sh", "-c", "tty; exit 4")
    child.expect("/dev/pts/0")
    child.wait()
    assert child.exitstatus == 4


def test_limits_are_in_force(pier: Pier, runtime: str) -> None:
    script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true"
    assert _run(pier, runtime, "--pids-limit", "17", "busybox", "sh", "-c", script) == ["17"]


def test_a_policy_starts_it_again(pier: Pier, runtime: str) -> None:
    pier("run", "-d", "--name", "again", "--restart", "on-failure:2", "--runtime", runtime, "busybox", "false")
    wait_until(lambda: pier.status("again") == "exited", what="the last attempt has ended")
    assert pier("inspect", "-f", "{{.RestartCount}}", "again").words == "2"


def test_a_runtime_that_is_not_there_is_named_with_the_way_to_get_it(pier: Pier) -> None:
    result = pier.fails("run", "--rm", "--runtime", "youki", "busybox", "true", code=125)
    assert "no OCI runtime youki" in result.err
    assert not pier("ps", "-aq").lines


def test_what_another_runtime_cannot_do_is_refused(pier: Pier) -> None:
    if not bundles.available("runc"):
        pytest.skip("needs runc (apt)")
    result = pier.fails("run", "--rm", "--init", "--runtime", "runc", "busybox", "true", code=125)
    assert "--init" in result.err
