"""What `compose up` makes of a file: order, files, networks, and what it leaves alone the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.composing import Project
from harness import Pier


@pytest.fixture
def project(pier: Pier, tmp_path: Path) -> Project:
    folder = tmp_path / "demo"
    folder.mkdir()
    return Project(pier, folder)


def test_a_service_sees_its_files_variables_and_mounts(project: Project) -> None:
    project.write("A=file\nB=file\n", "app.env").write("hidden", "token.txt").write("seen", "data/inside")
    project.write("""\
        services:
          app:
            image: busybox
            command: sh -c 'echo $$A $$B $$C; cat /run/secrets/token /etc/app.conf /bound/inside /run/secrets/word;
              touch /bound/x 2>&1; grep -c -E " (/scratch tmpfs|/named) " /proc/mounts; hostname; id -u; pwd'
            environment: {B: own, C: "${OUTER:-default}"}
            env_file: app.env
            secrets: [token, word]
            configs: [{source: conf, target: /etc/app.conf}]
            volumes: ["./data:/bound:ro", "named:/named"]
            tmpfs: /scratch
            hostname: apphost
            user: "1000"
            working_dir: /tmp
        volumes: {named: {}}
        secrets:
          token: {file: token.txt}
          word: {environment: WORD}
        configs:
          conf: {content: "from=config\\n"}
        """)
    project("up", "-d", env={"WORD": "said\n"})
    project("wait", "app")
    out = project.lines("app")
    assert out[0] == "file own default"
    assert out[1] == "hiddenfrom=config"
    assert out[2] == "seensaid"
    assert "Read-only file system" in out[3]
    assert out[-4:] == ["2", "apphost", "1000", "/tmp"]
    project("down", "-v")
    assert project.pier("volume", "ls", "-q").lines == []


def test_a_job_ends_before_what_waits_for_it_begins(project: Project) -> None:
    project.write("""\
        services:
          app:
            image: busybox
            command: cat /shared/made
            volumes: ["shared:/shared"]
            depends_on: {job: {condition: service_completed_successfully}}
          job:
            image: busybox
            command: sh -c 'sleep 0.3; echo by the job > /shared/made'
            volumes: ["shared:/shared"]
        volumes: {shared: }
        """)
    up = project("up", "-d")
    assert "Container demo-job-1  Exited" in up.err
    project("wait", "app")
    assert project.lines("app") == ["by the job"]


def test_a_healthy_dependency_is_waited_for(project: Project) -> None:
    project.write("""\
        services:
          app:
            image: busybox
            command: sleep 1000
            stop_signal: SIGKILL
            depends_on: {db: {condition: service_healthy}}
          db:
            image: busybox
            command: sh -c 'sleep 0.5; touch /ready; sleep 1000'
            stop_signal: SIGKILL
            healthcheck: {test: [CMD, test, -f, /ready], interval: 100ms, retries: 50}
        """)
    up = project("up", "-d")
    told = [line.strip() for line in up.err.splitlines()]
    healthy = told.index("Container demo-db-1  Healthy")
    assert told.index("Container demo-db-1  Waiting") < healthy < told.index("Container demo-app-1  Starting")
    log = project.pier.state("demo-db-1")["Health"]["Log"]
    assert min(probe["End"] for probe in log if probe["ExitCode"] == 0) < project.pier.state("demo-app-1")["StartedAt"]


WEB = """\
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: [/anonymous]
    environment: {STAMP: "%s"}
  other:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
"""


def test_only_what_changed_is_made_again_and_keeps_its_anonymous_volume(project: Project) -> None:
    project.write(WEB % "1")("up", "-d")
    before = project.ids()
    project("exec", "-T", "web", "sh", "-c", "echo here > /anonymous/f")
    project("up", "-d")
    assert project.ids() == before
    again = project.write(WEB % "2")("up", "-d")
    assert "Container demo-web-1  Recreated" in again.err
    after = project.ids()
    assert after["demo-other-1"] == before["demo-other-1"]
    assert after["demo-web-1"] != before["demo-web-1"]
    assert project("exec", "-T", "web", "cat", "/anonymous/f").words == "here"
    project("up", "-d", "--force-recreate", "-V", "web")
    project.fails("exec", "-T", "web", "cat", "/anonymous/f")
    project("down", "-v")
    assert project.pier("volume", "ls", "-q").lines == []


def test_services_scale_and_orphans_are_removed_when_asked(project: Project) -> None:
    project.write(WEB % "1")("up", "-d", "--scale", "web=3")
    assert sorted(project.ids()) == ["demo-other-1", "demo-web-1", "demo-web-2", "demo-web-3"]
    project("scale", "web=1")
    assert sorted(project.ids()) == ["demo-other-1", "demo-web-1"]
    project.write("services:\n  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}\n")
    assert "Found orphan containers ([demo-other-1])" in project("up", "-d").err
    project("up", "-d", "--remove-orphans")
    assert sorted(project.ids()) == ["demo-web-1"]
    project("down", "-v")


def test_networks_keep_services_apart_and_aliases_are_found(project: Project) -> None:
    project.write("""\
        services:
          web:
            image: busybox
            command: httpd -f -p 80 -h /etc
            stop_signal: SIGKILL
            networks: {front: {aliases: [www]}}
          near: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, networks: [front]}
          far: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, networks: [back]}
          inside: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, network_mode: "service:web"}
        networks: {front: {}, back: {internal: true}}
        """)
    project("up", "-d")
    fetch = ("wget", "-q", "-O", "-")
    assert "root" in project("exec", "-T", "near", *fetch, "http://www/passwd").out
    assert "root" in project("exec", "-T", "inside", *fetch, "http://127.0.0.1/passwd").out
    project.fails("exec", "-T", "far", *fetch, "http://web/passwd")
    names = project.pier("network", "ls", "--format", "{{.Name}}").lines
    assert {"demo_front", "demo_back"} <= set(names)
    assert "demo_default" not in names
    project("down")
    assert project.pier("network", "ls", "-q", "--filter", "label=com.docker.compose.project=demo").lines == []


def test_profiles_start_what_was_asked_for(project: Project) -> None:
    project.write(WEB % "1" + "    profiles: [extra]\n")
    project("up", "-d")
    assert list(project.ids()) == ["demo-web-1"]
    project("--profile", "extra", "up", "-d")
    assert sorted(project.ids()) == ["demo-other-1", "demo-web-1"]
    project("--profile", "extra", "down", "-v")


def test_create_and_dry_run_start_nothing(project: Project) -> None:
    dry = project.write(WEB % "1")("up", "--dry-run")
    assert "Container demo-web-1  Starting" in dry.out
    assert project.ids() == {}
    project("create")
    assert set(project.states().values()) == {"created"}
    project("start")
    assert set(project.states().values()) == {"running"}
    project("down", "-v")


def test_an_image_is_built_from_the_file_beside(project: Project) -> None:
    project.write("FROM busybox\nARG WHO\nRUN echo made for $WHO > /made\n", "app/Containerfile")
    project.write("""\
        services:
          app:
            build: {context: app, dockerfile: Containerfile, args: {WHO: compose}}
            command: cat /made
          text:
            build: {dockerfile_inline: "FROM busybox\\nRUN echo inline > /made\\n"}
            command: cat /made
        """)
    project("up", "-d")
    project("wait", "app", "text")
    assert project.lines("app") == ["made for compose"]
    assert project.lines("text") == ["inline"]
    project("build", "-q")
    project("down", "--rmi", "local")
    assert project.pier("images", "-q", "demo-app").out == ""


def test_the_project_can_be_handled_by_name_from_anywhere(project: Project, tmp_path: Path) -> None:
    project.write(WEB % "1")("up", "-d")
    assert project.pier("compose", "-p", "demo", "ps", "--services", cwd=tmp_path).lines == ["other", "web"]
    assert "demo" in project.pier("compose", "ls", cwd=tmp_path).out
    project.pier("compose", "-p", "demo", "stop", cwd=tmp_path)
    assert set(project.states().values()) == {"exited"}
    project.pier("compose", "-p", "demo", "down", "-v", cwd=tmp_path)
    assert project.ids() == {}
