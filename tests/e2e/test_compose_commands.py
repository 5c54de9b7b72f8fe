"""Each compose command on a running project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.composing import Project
from harness import Pier

TALKERS = """\
services:
  alpha:
    image: busybox
    command: sh -c 'for n in 1 2 3; do echo alpha $$n; done; echo odd >&2; exec sleep 1000'
    stop_signal: SIGKILL
    ports: ["127.0.0.1:${PORT}:80"]
  beta:
    image: busybox
    command: sh -c 'echo beta 1; exec sleep 1000'
    stop_signal: SIGKILL
    depends_on: [alpha]
"""


@pytest.fixture
def project(pier: Pier, tmp_path: Path, free_port: int) -> Project:
    """Two services that talk a little, up."""
    folder = tmp_path / "demo"
    folder.mkdir()
    pier.extra_env = {"PORT": str(free_port)}
    talkers = Project(pier, folder).write(TALKERS)
    talkers("up", "-d")
    return talkers


def test_ps_chooses_and_formats(project: Project) -> None:
    assert project("ps", "--services").lines == ["alpha", "beta"]
    assert len(project("ps", "-q").lines[0]) == 64
    project("stop", "beta")
    assert project("ps", "--format", "{{.Service}} {{.State}}").lines == ["alpha running"]
    assert project("ps", "--status", "exited", "--services").lines == ["beta"]
    (row,) = project("ps", "--format", "json", "alpha").rows()
    assert (row["Project"], row["ExitCode"], row["Publishers"][0]["TargetPort"]) == ("demo", 0, 80)


def test_logs_choose_prefix_and_tail(project: Project) -> None:
    assert project("logs", "beta").lines == ["beta-1  | beta 1"]
    assert project("logs", "--no-log-prefix", "alpha").lines == ["alpha 1", "alpha 2", "alpha 3", "odd"]
    assert project("logs", "--tail", "1", "alpha").lines == ["alpha-1  | odd"]
    (stamped,) = project("logs", "-t", "--no-log-prefix", "beta").lines
    assert stamped.endswith("Z beta 1")
    assert project("logs", "--since", "2999-01-01T00:00:00Z").out == ""
    assert {line.split()[0] for line in project("logs").lines} == {"alpha-1", "beta-1"}


def test_exec_gives_stdout_and_the_programs_own_code(project: Project) -> None:
    assert project(
        "exec", "-T", "-e", "A=1", "-w", "/tmp", "-u", "1000", "beta", "sh", "-c", "echo $A $PWD; id -u"
    ).out == ("1 /tmp\n1000\n")
    assert project("exec", "beta", "cat", stdin="through").out == "through"
    assert project.run("exec", "-T", "beta", "sh", "-c", "exit 9").code == 9
    assert project.run("exec", "-T", "beta", "nosuch").code == 127
    shell = project.terminal("exec", "beta", "sh")
    shell.expect_exact("# ")
    shell.sendline("tty; exit 5")
    shell.expect("/dev/pts/")
    shell.wait()
    assert shell.exitstatus == 5


def test_restart_stop_and_start_keep_the_containers(project: Project) -> None:
    before = project.ids()
    project("restart")
    project("restart", "alpha")
    project("stop")
    project("stop")
    assert set(project.states().values()) == {"exited"}
    project("start")
    assert set(project.states().values()) == {"running"}
    assert project.ids() == before


def test_kill_and_rm(project: Project) -> None:
    project("kill", "beta")
    assert project.states()["demo-beta-1"] == "exited"
    assert project.pier.state("demo-beta-1")["ExitCode"] == 137
    assert project("rm", "-f").err.count("Removed") == 1
    assert list(project.ids()) == ["demo-alpha-1"]
    project("rm", "-f", "-s")
    assert project.ids() == {}
    assert "No stopped containers" in project("rm", "-f").err


def test_cp_goes_both_ways(project: Project) -> None:
    (project.folder / "in.txt").write_text("carried")
    project("cp", "in.txt", "beta:/tmp/there")
    assert project("exec", "-T", "beta", "cat", "/tmp/there").out == "carried"
    project("cp", "beta:/tmp/there", "back.txt")
    assert (project.folder / "back.txt").read_text() == "carried"


def test_port_top_images_ls_and_version(project: Project, free_port: int) -> None:
    assert project("port", "alpha", "80").words == f"127.0.0.1:{free_port}"
    assert "no port 81/tcp" in project.fails("port", "alpha", "81").err
    assert "sleep 1000" in project("top").out
    assert project("images", "--format", "json").json()[0]["Repository"] == "busybox"
    assert project("ls", "--format", "json").json() == [
        {"Name": "demo", "Status": "running(2)", "ConfigFiles": str(project.folder / "compose.yaml")}
    ]
    assert project("version", "--short").words


def test_config_prints_lists_and_forms(project: Project, free_port: int) -> None:
    assert project("config", "--services").lines == ["alpha", "beta"]
    assert project("config", "--images").lines == ["busybox", "busybox"]
    assert project("config", "-q").out == ""
    shown = json.loads(project("config", "--format", "json").out)
    assert shown["services"]["alpha"]["ports"][0]["published"] == str(free_port)
    text = project("config").out
    assert text.startswith("name: demo\nservices:\n  alpha:\n")
    project.write(text, "again.yaml")
    assert project("-f", "again.yaml", "config").out == text


def test_run_is_a_container_of_its_own(project: Project) -> None:
    ran = project(
        "run",
        "--rm",
        "-T",
        "-e",
        "A=x",
        "--entrypoint",
        "sh",
        "beta",
        "-c",
        "echo $A; wget -q -O- alpha || echo no",
    )
    assert ran.out == "x\nno\n"
    assert project.run("run", "--rm", "-T", "beta", "sh", "-c", "exit 6").code == 6
    assert sorted(project.ids()) == ["demo-alpha-1", "demo-beta-1"]
    name = project("run", "-d", "--name", "single", "beta", "sleep", "1000").words
    assert name == "single"
    assert project.pier("ps", "--filter", "name=single", "--format", "{{.Ports}}").words == ""
    assert "single" not in project("logs").out
    project("down", "-t", "0")
    assert project.pier.names(all=True) == []


def test_wait_gives_the_exit_code(project: Project) -> None:
    waiting = project.pier.start("compose", "wait", "beta", cwd=project.folder)
    project("kill", "beta")
    assert waiting.wait(20) == 137
