"""Lab 5 and 6: a project of two services comes up in order, talks by name, keeps its data, and goes again."""

from __future__ import annotations

import json
from pathlib import Path

import pexpect
import pytest

from harness import Pier, http_get, http_wait
from project import Stack

PLACES = ("R", "U")

TWO_SERVICES = """\
services:
  web:
    image: busybox
    command: httpd -f -p 80 -h /bin
    stop_signal: SIGKILL
  worker:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
"""


@pytest.fixture
def project(pier: Pier, tmp_path: Path) -> Path:
    """A project called two, of services that need no build."""
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "compose.yaml").write_text(TWO_SERVICES)
    return folder


def _services(pier: Pier, folder: Path, *options: str) -> dict[str, str]:
    """Service → state, as `compose ps` lists them."""
    rows = pier("compose", "ps", *options, "--format", "json", cwd=folder).rows()
    return {row["Service"]: row["State"] for row in rows}


def test_up_makes_networks_and_containers_and_down_removes_them(pier: Pier, project: Path) -> None:
    up = pier("compose", "up", "-d", cwd=project)
    for made in ("two_default", "two-web-1", "two-worker-1"):
        assert made in up.err
    assert _services(pier, project) == {"web": "running", "worker": "running"}
    assert "two_default" in pier("network", "ls", "--format", "{{.Name}}").lines
    down = pier("compose", "down", cwd=project)
    for removed in ("two-web-1", "two-worker-1", "two_default"):
        assert removed in down.err
    assert pier.names(all=True) == []
    assert "two_default" not in pier("network", "ls", "--format", "{{.Name}}").lines


def test_a_second_up_changes_nothing(pier: Pier, project: Path) -> None:
    pier("compose", "up", "-d", cwd=project)
    before = sorted(pier("ps", "-q", "--no-trunc").lines)
    pier("compose", "up", "-d", cwd=project)
    assert sorted(pier("ps", "-q", "--no-trunc").lines) == before


def test_compose_stop_removes_nothing(pier: Pier, project: Path) -> None:
    pier("compose", "up", "-d", cwd=project)
    pier("compose", "stop", cwd=project)
    assert _services(pier, project) == {}
    assert _services(pier, project, "-a") == {"web": "exited", "worker": "exited"}
    assert "two_default" in pier("network", "ls", "--format", "{{.Name}}").lines
    pier("compose", "start", cwd=project)
    assert _services(pier, project) == {"web": "running", "worker": "running"}


def test_services_find_each_other_by_name(pier: Pier, project: Path) -> None:
    pier("compose", "up", "-d", cwd=project)
    count = ("sh", "-c", "wget -q -O - http://web/busybox | wc -c")
    got = pier("compose", "exec", "-T", "worker", *count, cwd=project)
    assert int(got.words) > 100_000


def test_the_table_of_compose_ps_names_service_and_command(pier: Pier, project: Path) -> None:
    pier("compose", "up", "-d", cwd=project)
    head, *rows = pier("compose", "ps", cwd=project).lines
    assert head.split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"]
    assert [row.split()[0] for row in rows] == ["two-web-1", "two-worker-1"]


def test_ctrl_c_stops_a_project_in_the_foreground_and_keeps_its_containers(pier: Pier, project: Path) -> None:
    up = pier.terminal("compose", "up", cwd=project)
    up.expect("worker-1")
    up.expect("Attaching to|worker-1")
    up.sendintr()
    up.expect(pexpect.EOF, timeout=40)
    assert pier.names() == []
    assert sorted(pier.names(all=True)) == ["two-web-1", "two-worker-1"]


def test_the_lab_stack_comes_up_healthy_and_reads_its_database(stack: Stack) -> None:
    stack("up", "-d", "--wait")
    assert http_get(stack.url("/health")) == (200, '{"status":"ok"}')
    answer = json.loads(http_wait(stack.url("/db")))
    assert answer["version"].startswith("PostgreSQL 16.")
    assert answer["database"] == "demo"
    states = {row["Service"]: row["Health"] for row in stack("ps", "--format", "json").rows()}
    assert states == {"api": "healthy", "db": "healthy"}
    stack("down", "-v")


def test_the_database_starts_before_the_api(stack: Stack) -> None:
    stack("up", "-d", "--wait")
    started = {name: stack.pier.state(f"simple-api-{name}-1")["StartedAt"] for name in ("db", "api")}
    log = stack.pier.state("simple-api-db-1")["Health"]["Log"]
    healthy = [probe["End"] for probe in log if probe["ExitCode"] == 0]
    assert started["db"] < started["api"]
    assert healthy
    stack("down", "-v")


def test_psql_is_interactive_through_compose_exec(stack: Stack) -> None:
    stack("up", "-d", "--wait", "db")
    psql = stack.pier.terminal("compose", "exec", "db", "psql", "-U", "demo", "-d", "demo", cwd=stack.folder)
    psql.expect_exact("demo=#")
    psql.sendline("select 40 + 2 as answer;")
    psql.expect(r"\b42\b")
    psql.expect_exact("demo=#")
    psql.sendline("\\q")
    psql.expect(pexpect.EOF)
    psql.wait()
    assert psql.exitstatus == 0
    asked = stack(
        "exec", "-T", "db", "psql", "-U", "demo", "-d", "demo", "-tA", "-c", "select version(), current_database()"
    )
    assert asked.out.startswith("PostgreSQL 16.")
    assert asked.words.endswith("|demo")
    stack("down", "-v")


def test_data_survives_down_and_is_gone_after_down_with_volumes(stack: Stack) -> None:
    psql = ("exec", "-T", "db", "psql", "-U", "demo", "-d", "demo", "-tA", "-c")
    stack("up", "-d", "--wait", "db")
    stack(*psql, "create table kept (word text); insert into kept values ('still here')")
    stack("down")
    assert stack.pier("volume", "ls", "-q").lines == ["simple-api_db-data"]
    stack("up", "-d", "--wait", "db")
    assert stack(*psql, "select word from kept").words == "still here"
    down = stack("down", "-v")
    assert "simple-api_db-data" in down.err
    assert stack.pier("volume", "ls", "-q").lines == []
    stack("up", "-d", "--wait", "db")
    assert stack(*psql, "select to_regclass('kept') is null").words == "t"
    stack("down", "-v")
