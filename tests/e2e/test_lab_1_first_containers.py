"""Lab 1 and 2: the first containers, typed as the lab types them."""

from __future__ import annotations

import re

import pexpect

from harness import Pier, wait_until

PLACES = ("R", "U")


def test_hello_world_greets_and_stays_listed_as_exited(pier: Pier) -> None:
    greeting = pier("run", "hello-world")
    assert "Hello from" in greeting.out
    (row,) = pier("ps", "-a", "--format", "json").rows()
    assert row["Image"] == "hello-world"
    assert row["Status"].startswith("Exited (0)")
    assert re.fullmatch(r"[a-z]+_[a-z]+", row["Names"])


def test_ps_without_all_shows_only_what_runs(pier: Pier) -> None:
    pier("run", "hello-world")
    assert pier.names() == []
    assert len(pier.names(all=True)) == 1


def test_an_absent_image_is_fetched_and_that_is_said(bare_pier: Pier) -> None:
    result = bare_pier("run", "alpine", "echo", "Bonjour depuis un conteneur Alpine", timeout=300)
    assert result.out == "Bonjour depuis un conteneur Alpine\n"
    assert "Unable to find image 'alpine:latest' locally" in result.err
    (row,) = bare_pier("ps", "-a", "--format", "json").rows()
    assert row["Status"].startswith("Exited (0)")


def test_a_present_image_is_not_spoken_of(pier: Pier) -> None:
    result = pier("run", "--rm", "alpine", "echo", "Bonjour depuis un conteneur Alpine")
    assert (result.out, result.err) == ("Bonjour depuis un conteneur Alpine\n", "")


def test_an_interactive_shell_has_its_own_root_hostname_and_processes(pier: Pier) -> None:
    shell = pier.terminal("run", "-it", "--name", "shell", "alpine", "sh")
    shell.expect_exact("# ")
    shell.sendline("ls -d /etc /work /root")
    shell.expect_exact("/etc")
    shell.expect_exact("# ")
    shell.sendline("echo [$(hostname)] [$(uname -s)] [$(ps | grep -c kthread)] [$$]")
    shell.expect(r"\[([0-9a-f]{12})\] \[Linux\] \[[01]\] \[1\]")
    assert pier("inspect", "shell").json()[0]["Id"].startswith(shell.match.group(1))
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 0
    assert pier.state("shell")["Status"] == "exited"


def test_a_terminal_takes_the_size_of_the_users_and_follows_it(pier: Pier) -> None:
    shell = pier.terminal("run", "-it", "--rm", "alpine", "sh", size=(30, 100))
    shell.expect_exact("# ")
    shell.sendline("stty size")
    shell.expect_exact("30 100")
    shell.setwinsize(41, 132)

    def followed() -> bool:
        shell.sendline("stty size")
        return shell.expect(["41 132", "30 100"]) == 0

    wait_until(followed, timeout=10, what="the container's terminal has the new size")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)


def test_the_shells_exit_code_is_the_commands(pier: Pier) -> None:
    shell = pier.terminal("run", "-it", "--rm", "alpine", "sh")
    shell.expect_exact("# ")
    shell.sendline("exit 7")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 7


def test_output_and_errors_stay_apart(pier: Pier) -> None:
    result = pier.run("run", "--rm", "alpine", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")


def test_standard_input_reaches_an_interactive_container(pier: Pier) -> None:
    assert pier("run", "--rm", "-i", "alpine", "wc", "-c", stdin="twelve bytes").words == "12"


def test_standard_input_is_empty_without_interactive(pier: Pier) -> None:
    assert pier("run", "--rm", "alpine", "wc", "-c", stdin="twelve bytes").words == "0"
