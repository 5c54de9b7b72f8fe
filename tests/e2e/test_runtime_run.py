"""What `run` promises of a container's program: its code, surroundings, streams and end."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pexpect
import pytest

from harness import Pier, wait_until


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 0"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill -15 $$; sleep 1"], 143),
        (["no-such-program"], 127),
        (["/no/such/program"], 127),
        (["/etc"], 126),
        (["/etc/passwd"], 126),
        ([""], 126),
    ],
)
def test_the_exit_code_is_the_programs_own_or_says_why_there_was_none(
    pier: Pier, command: list[str], code: int
) -> None:
    # The kernel shields a first process from signals that it does not handle, also from itself; a reaper does not.
    options = ["--init"] if "kill" in command[-1] else []
    assert pier.run("run", "--rm", *options, "alpine", *command).code == code


def test_engine_errors_are_125_and_leave_no_container(pier: Pier) -> None:
    pier.fails("run", "--cap-add", "FLY", "alpine", "true", code=125)
    pier.fails("run", "--name", "bad name", "alpine", "true", code=125)
    assert pier.names(all=True) == []


def test_a_container_that_cannot_start_stays_created_and_says_why(pier: Pier) -> None:
    pier.fails("run", "--name", "stillborn", "alpine", "no-such-program", code=127)
    state = pier.state("stillborn")
    assert (state["Status"], state["ExitCode"]) == ("created", 127)
    assert "no-such-program" in state["Error"]


def test_a_script_without_its_interpreter_says_which(pier: Pier) -> None:
    script = "printf '#!/bin/bash\\r\\necho x\\n' > /s; chmod +x /s; printf '#!/no/such\\n' > /t; chmod +x /t"
    pier("run", "-d", "--name", "scripts", "alpine", "sh", "-c", f"{script}; sleep 1000")
    wait_until(lambda: pier.run("exec", "scripts", "test", "-x", "/t").code == 0, what="the scripts are there")
    assert "CRLF" in pier.fails("exec", "scripts", "/s", code=127).err
    assert "/no/such" in pier.fails("exec", "scripts", "/t", code=127).err


def test_variables_come_from_image_options_and_files_in_this_order(pier: Pier, tmp_path: Path) -> None:
    pier("build", "-q", "-t", "vars", "-", stdin="FROM alpine\nENV A=image B=image C=image\n")
    (tmp_path / "env").write_text("# a comment\n\nB=file\nD=file with = and spaces \nFROM_HOST\n")
    words = ["run", "--rm", "-h", "box", "--env-file", tmp_path / "env", "-e", "C=option", "-e", "E=", "-e", "HOME_TOO"]
    result = pier(*words, "vars", "env", env={"FROM_HOST": "host", "SECRET": "kept"})
    found = dict(line.split("=", 1) for line in result.lines)
    assert (found["A"], found["B"], found["C"], found["D"]) == ("image", "file", "option", "file with = and spaces ")
    assert found["E"] == "" and found["FROM_HOST"] == "host"
    assert not {"HOME_TOO", "SECRET", "PIER_ROOT"} & set(found)
    assert found["HOSTNAME"] == "box" and found["HOME"] == "/root" and found["PATH"].startswith("/usr/local/sbin")
    pier("rmi", "vars")


def test_a_terminal_has_a_kind_and_pipes_have_none(pier: Pier) -> None:
    assert "TERM=" not in pier("run", "--rm", "alpine", "env").out
    assert "TERM=xterm" in pier.terminal("run", "-it", "--rm", "alpine", "env").read()


def test_user_and_working_directory_are_those_asked_for(pier: Pier) -> None:
    words = [
        "run",
        "--rm",
        "-u",
        "1234:567",
        "-w",
        "/made/for/it",
        "alpine",
        "sh",
        "-c",
        "id -u; id -g; pwd; stat -c %u .",
    ]
    assert pier(*words).lines == ["1234", "567", "/made/for/it", "0"]
    assert pier("run", "--rm", "-u", "nobody", "alpine", "id", "-un").words == "nobody"
    assert pier("run", "--rm", "--group-add", "4321", "alpine", "id", "-G").words.split()[-1] == "4321"


def test_a_hostname_is_known_to_kernel_and_hosts_file(pier: Pier) -> None:
    result = pier("run", "--rm", "-h", "castle", "alpine", "sh", "-c", "hostname; cat /etc/hostname; cat /etc/hosts")
    assert result.lines[:2] == ["castle", "castle"]
    assert re.search(r"^\d+\.\d+\.\d+\.\d+\s+castle$", result.out, re.M)


def test_entrypoint_and_command_combine_as_in_docker(pier: Pier) -> None:
    pier("build", "-q", "-t", "entry", "-", stdin='FROM alpine\nENTRYPOINT ["echo", "entry"]\nCMD ["cmd"]\n')
    assert pier("run", "--rm", "entry").words == "entry cmd"
    assert pier("run", "--rm", "entry", "mine").words == "entry mine"
    assert pier("run", "--rm", "--entrypoint", "echo", "entry").words == ""
    assert pier("run", "--rm", "--entrypoint", "echo", "entry", "mine").words == "mine"
    assert "no command specified" in pier.fails("run", "--rm", "--entrypoint", "", "entry", code=125).err
    pier("rmi", "entry")


def test_init_reaps_orphans_forwards_signals_and_passes_the_code_on(pier: Pier) -> None:
    assert pier.run("run", "--rm", "--init", "alpine", "sh", "-c", "exit 9").code == 9
    pier(
        "run",
        "-d",
        "--init",
        "--name",
        "reaped",
        "alpine",
        "sh",
        "-c",
        "trap 'exit 5' TERM; while :; do sleep 0.1; done",
    )
    pier("exec", "reaped", "sh", "-c", "(sleep 0.1 & exec true) & wait")
    wait_until(lambda: "Z" not in [row.split()[1] for row in _processes(pier, "reaped")], what="no zombie is left")
    pier("stop", "reaped")
    assert pier.state("reaped")["ExitCode"] == 5


def _processes(pier: Pier, name: str) -> list[str]:
    script = "for s in /proc/[0-9]*/stat; do sed 's/(.*)//' $s; done"
    return pier("exec", name, "sh", "-c", script).lines


def test_limits_are_set_for_run_and_exec(pier: Pier) -> None:
    pier("run", "-d", "--name", "limited", "--ulimit", "nofile=77:88", "alpine", "sleep", "1000")
    assert pier("exec", "limited", "sh", "-c", "ulimit -Sn; ulimit -Hn").lines == ["77", "88"]
    assert "77" in pier("exec", "limited", "grep", "open files", "/proc/1/limits").out


def _pattern(megabytes: int) -> bytes:
    return b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(megabytes << 15))


@pytest.mark.parametrize("how", ["run", "exec"])
def test_megabytes_pass_through_unharmed(pier: Pier, how: str) -> None:
    data = _pattern(6)
    words = ["run", "--rm", "-i", "alpine", "cat"]
    if how == "exec":
        pier("run", "-d", "--name", "pipe", "alpine", "sleep", "1000")
        words = ["exec", "-i", "pipe", "cat"]
    done = subprocess.run(pier.argv(words), input=data, capture_output=True, env=pier.env, timeout=60, check=True)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
    assert done.stderr == b""


def test_a_program_that_reads_nothing_and_writes_for_ever_keeps_the_monitor_small(pier: Pier) -> None:
    source = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    words = ["run", "-i", "--name", "talker", "alpine", "yes", "x" * 1000]
    reader = subprocess.Popen(pier.argv(words), stdin=source.stdout, stdout=subprocess.PIPE, env=pier.env)
    assert source.stdout is not None and reader.stdout is not None
    source.stdout.close()
    try:
        passed = 0
        while passed < 24 << 20:
            passed += len(reader.stdout.read(1 << 20))
        monitor = Path(f"/proc/{pier.state('talker')['Pid']}/stat").read_text().rpartition(")")[2].split()[1]
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{monitor}/status").read_text())
        assert resident is not None and int(resident.group(1)) < 40_000
    finally:
        pier("rm", "-f", "talker")
        source.kill()
        source.wait()
        reader.stdout.close()
        reader.wait()


def test_standard_input_ends_when_the_client_of_run_dies(pier: Pier) -> None:
    client = pier.start("run", "-i", "--name", "reader", "alpine", "sh", "-c", "cat > /dev/null; exit 3")
    wait_until(lambda: pier.names() == ["reader"], what="the container runs")
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    assert pier("wait", "reader", timeout=20).words == "3"


def test_a_command_signalled_passes_the_signal_on(pier: Pier) -> None:
    script = "trap 'echo hup' HUP; trap 'echo usr; exit 4' USR1; echo ready; while :; do sleep 0.05; done"
    client = pier.start("run", "--rm", "alpine", "sh", "-c", script)
    assert client.stdout is not None and client.stdout.readline() == "ready\n"
    client.send_signal(signal.SIGHUP)
    assert client.stdout.readline() == "hup\n"
    client.send_signal(signal.SIGUSR1)
    assert client.wait(20) == 4


def test_detach_keys_leave_the_container_running(pier: Pier) -> None:
    terminal = pier.terminal("run", "-it", "--name", "left", "alpine", "sh")
    terminal.expect_exact("# ")
    terminal.send("\x10\x11")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
    assert pier.state("left")["Running"]
    assert pier("exec", "left", "echo", "there").words == "there"


def test_other_detach_keys_can_be_chosen(pier: Pier) -> None:
    terminal = pier.terminal("run", "-it", "--detach-keys", "ctrl-x,y", "--name", "left", "alpine", "sh")
    terminal.expect_exact("# ")
    terminal.send("\x18y")
    terminal.expect(pexpect.EOF)
    assert pier.state("left")["Running"]


@pytest.mark.parametrize("how", ["run", "exec"])
def test_a_terminal_follows_the_users_in_run_and_exec(pier: Pier, how: str) -> None:
    words = ["run", "-it", "--rm", "alpine", "sh"]
    if how == "exec":
        pier("run", "-d", "--name", "box", "alpine", "sleep", "1000")
        words = ["exec", "-it", "box", "sh"]
    shell = pier.terminal(*words, size=(33, 111))
    shell.expect_exact("# ")
    shell.sendline("stty size")
    shell.expect_exact("33 111")
    shell.setwinsize(44, 99)

    def followed() -> bool:
        shell.sendline("stty size")
        return shell.expect(["44 99", "33 111"]) == 0

    wait_until(followed, timeout=10, what="the container's terminal has the new size")
    shell.sendline("exit 6")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 6


def test_ctrl_c_at_a_terminal_interrupts_the_program_and_not_the_container(pier: Pier) -> None:
    shell = pier.terminal("run", "-it", "--rm", "alpine", "sh")
    shell.expect_exact("# ")
    shell.sendline("sleep 1000")
    shell.expect_exact("sleep 1000\r\n")
    wait_until(lambda: "sleep" in pier("ps", "-q").out or pier("ps", "-q").lines, what="the container runs")
    shell.send("\x03")
    shell.expect_exact("# ")
    shell.sendline("exit 0")
    shell.expect(pexpect.EOF)


def test_rm_takes_the_container_its_name_and_its_anonymous_volumes_only(pier: Pier) -> None:
    pier("run", "--rm", "--name", "brief", "-v", "/anonymous", "-v", "kept:/kept", "alpine", "touch", "/kept/x")
    assert pier.names(all=True) == []
    assert pier("volume", "ls", "-q").lines == ["kept"]
    pier("run", "--rm", "--name", "brief", "-v", "kept:/kept", "alpine", "test", "-e", "/kept/x")
