"""Lab 7: watch, enter, restart, break, repair, clean up."""

from __future__ import annotations

import pexpect
import pytest

from harness import Pier, http_get, http_wait, wait_until
from project import Stack

PLACES = ("R", "U")


@pytest.fixture
def api(stack: Stack) -> Stack:
    """The stack, up, with its API answering."""
    stack("up", "-d", "--wait")
    return stack


def test_logs_follow_shows_the_start_and_each_request(api: Stack) -> None:
    follow = api.pier.terminal("compose", "logs", "-f", "api", cwd=api.folder)
    follow.expect("Application startup complete")
    http_get(api.url("/health"))
    http_get(api.url("/db"))
    follow.expect(r"GET /db HTTP/1.1")
    follow.sendintr()
    follow.expect(pexpect.EOF)
    assert "GET /health" in api("logs", "api").out
    assert api("logs", "--no-log-prefix", "--tail", "1", "api").lines
    api("down", "-v")


def test_a_shell_in_the_api_has_its_python(api: Stack) -> None:
    assert api("exec", "-T", "api", "python", "--version").out.startswith("Python 3.11.")
    shell = api.pier.terminal("compose", "exec", "api", "sh", cwd=api.folder)
    shell.expect_exact("# ")
    shell.sendline("pwd; python --version")
    shell.expect_exact("/app")
    shell.expect(r"Python 3\.11\.\d+")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    api("down", "-v")


@pytest.mark.parametrize("restart", [("compose", "restart"), ("restart", "simple-api-api-1")], ids=" ".join)
def test_health_answers_again_after_a_restart(api: Stack, restart: tuple[str, ...]) -> None:
    before = api.pier.state("simple-api-api-1")["StartedAt"]
    api.pier(*restart, cwd=api.folder)
    assert http_wait(api.url("/health")) == '{"status":"ok"}'
    assert http_wait(api.url("/db"))
    assert api.pier.state("simple-api-api-1")["StartedAt"] > before
    api("down", "-v")


def test_start_brings_a_stopped_service_back(api: Stack) -> None:
    api.pier("stop", "simple-api-api-1")
    api.pier("start", "simple-api-api-1")
    assert http_wait(api.url("/health")) == '{"status":"ok"}'
    api("down", "-v")


def test_a_broken_app_is_explained_by_up_itself(stack: Stack) -> None:
    stack.edit("app.py", "app = FastAPI", "appi = FastAPI")
    up = stack.run("up", "-d", "--wait", "--build")
    assert up.code != 0
    assert "Traceback (most recent call last)" in up.err or "NameError" in up.err
    for told in ("api", "exit", "1", "NameError: name 'app' is not defined"):
        assert told in up.err
    assert "NameError: name 'app' is not defined" in stack("logs", "api").out
    wait_until(lambda: not stack.pier.state("simple-api-api-1")["Running"], what="the api has exited")
    (row,) = [row for row in stack("ps", "-a", "--format", "json").rows() if row["Service"] == "api"]
    assert row["Status"].startswith("Exited (1)")
    stack("down", "-v")
    stack.pier("rmi", "simple-api")


def test_rm_refuses_what_runs_and_removes_what_stopped(pier: Pier) -> None:
    pier("run", "-d", "--name", "busy", "alpine", "sleep", "1000")
    refused = pier.fails("rm", "busy", code=1)
    assert "busy" in refused.err and "-f" in refused.err
    assert pier("rm", "-f", "busy").words == "busy"
    assert pier.names(all=True) == []


def test_rmi_removes_a_tag_and_then_the_image(pier: Pier) -> None:
    pier("tag", "alpine", "mine:1")
    assert "Untagged: mine:1" in pier("rmi", "mine:1").out
    pier("image", "inspect", "alpine")


def test_rmi_refuses_an_image_in_use(pier: Pier) -> None:
    pier("tag", "alpine", "mine:1")
    pier("run", "--name", "user", "mine:1", "true")
    refused = pier.fails("image", "rm", "alpine", "mine:1", code=1)
    assert "user" in refused.err
    pier("rm", "user")
    pier("tag", "mine:1", "alpine")
    pier("rmi", "mine:1")


def test_container_prune_names_what_it_removed(pier: Pier) -> None:
    pier("run", "--name", "gone", "alpine", "sh", "-c", "head -c 100000 /dev/zero > /big")
    identity = pier("ps", "-aq", "--no-trunc").words
    pier("run", "-d", "--name", "stays", "alpine", "sleep", "1000")
    pruned = pier("container", "prune", "-f")
    assert identity in pruned.out
    assert "Total reclaimed space: 1" in pruned.out
    assert pier.names(all=True) == ["stays"]


def test_volume_prune_spares_named_volumes_unless_asked(pier: Pier) -> None:
    pier("volume", "create", "named")
    pier("run", "--name", "anonymous", "-v", "/data", "alpine", "true")
    pier("rm", "anonymous")
    assert len(pier("volume", "ls", "-q").lines) == 2
    pier("volume", "prune", "-f")
    assert pier("volume", "ls", "-q").lines == ["named"]
    pier("volume", "prune", "-f", "-a")
    assert pier("volume", "ls", "-q").lines == []


def test_network_prune_spares_the_predefined_ones(pier: Pier) -> None:
    pier("network", "create", "unused")
    assert "unused" in pier("network", "prune", "-f").out
    assert {"bridge", "host", "none"} == set(pier("network", "ls", "--format", "{{.Name}}").lines)


def test_system_prune_leaves_volumes_images_in_use_and_says_the_space(pier: Pier) -> None:
    pier("volume", "create", "kept")
    pier("run", "--name", "gone", "alpine", "true")
    pier("network", "create", "unused")
    pruned = pier("system", "prune", "-f")
    assert "unused" in pruned.out
    assert "Total reclaimed space:" in pruned.out
    assert pier.names(all=True) == []
    assert pier("volume", "ls", "-q").lines == ["kept"]
    pier("image", "inspect", "alpine")


def test_image_prune_takes_dangling_images_only(pier: Pier, tmp_path: object) -> None:
    pier("build", "-t", "twice", "-", stdin="FROM alpine\nRUN echo 1 > /n\n")
    pier("build", "-t", "twice", "-", stdin="FROM alpine\nRUN echo 2 > /n\n")
    dangling = pier("images", "-q", "--no-trunc", "--filter", "dangling=true").words
    assert dangling
    assert dangling in pier("image", "prune", "-f").out
    assert pier("run", "--rm", "twice", "cat", "/n").words == "2"
    pier("rmi", "twice")


def test_system_df_adds_up(pier: Pier) -> None:
    pier("run", "--name", "writer", "alpine", "sh", "-c", "head -c 2000000 /dev/zero > /big")
    head, *rows = pier("system", "df").lines
    assert head.split()[:3] == ["TYPE", "TOTAL", "ACTIVE"]
    kinds = {row.split("  ")[0]: row for row in rows}
    assert set(kinds) >= {"Images", "Containers", "Local Volumes", "Build Cache"}
    assert "2MB" in kinds["Containers"].replace("2.0MB", "2MB").replace("2.001MB", "2MB")
