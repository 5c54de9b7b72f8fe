"""From files and environment to a project: finding, naming, merging, extending, including."""

from __future__ import annotations

import pytest

from pier.compose.project import selected
from pier.errors import Denied, Invalid, NotFound, PierError
from unit.compose.projects import Folder

WEB = "services:\n  web:\n    image: alpine\n"


def test_the_file_is_found_from_a_folder_below(folder: Folder) -> None:
    folder.file("compose.yaml", WEB)
    below = Folder(folder.path / "src" / "deep")
    below.path.mkdir(parents=True)
    project = below.load()
    assert (project.name, project.directory) == ("demo", str(folder.path))


def test_the_modern_name_wins_and_the_choice_is_said(folder: Folder) -> None:
    folder.file("compose.yaml", WEB).file("docker-compose.yml", WEB)
    assert folder.load().files == (str(folder.path / "compose.yaml"),)
    assert folder.warnings == [
        "Found multiple config files with supported names: compose.yaml, docker-compose.yml; using compose.yaml"
    ]


def test_no_file_anywhere_says_where_it_looked(folder: Folder) -> None:
    with pytest.raises(NotFound) as caught:
        folder.load()
    assert caught.value.message == "no configuration file provided: not found"
    assert "compose.yaml" in caught.value.why


@pytest.mark.parametrize(
    ("head", "environ", "typed", "name"),
    [
        ("", {}, "", "demo"),
        ("name: from-file\n", {}, "", "from-file"),
        ("name: ${WHO:-x}-app\n", {"WHO": "me"}, "", "me-app"),
        ("name: from-file\n", {"COMPOSE_PROJECT_NAME": "from-env"}, "", "from-env"),
        ("name: from-file\n", {"COMPOSE_PROJECT_NAME": "from-env"}, "typed", "typed"),
    ],
)
def test_the_project_is_named_by_the_nearest_say(
    folder: Folder, head: str, environ: dict[str, str], typed: str, name: str
) -> None:
    assert folder.file("compose.yaml", head + WEB).load(environ=environ, project_name=typed).name == name


def test_the_folder_name_is_made_usable(folder: Folder) -> None:
    odd = Folder(folder.path / "_My App (2)")
    odd.path.mkdir()
    assert odd.file("compose.yaml", WEB).load().name == "myapp2"


def test_a_typed_name_that_is_none_is_refused(folder: Folder) -> None:
    with pytest.raises(Invalid, match="invalid project name"):
        folder.file("compose.yaml", WEB).load(project_name="My App")


def test_the_env_file_feeds_interpolation_and_the_caller_wins(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  web:\n    image: $NAME:$TAG\n").file(".env", "NAME=alpine\nTAG=1\n")
    assert folder.load(environ={"TAG": "2"}).services["web"].image == "alpine:2"


def test_an_env_file_may_be_named(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  web:\n    image: a:$TAG\n").file(".env", "TAG=1\n").file(
        "b.env", "TAG=2\n"
    )
    assert folder.load(env_files=("b.env",)).services["web"].image == "a:2"


def test_an_unset_variable_is_said_once(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  web:\n    image: a$GONE$GONE\n    user: $GONE\n")
    folder.load()
    assert folder.warnings == ['The "GONE" variable is not set. Defaulting to a blank string.']


def test_the_override_file_is_merged(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        services:
          web:
            image: a
            command: one
            environment: [A=1, B=1]
            ports: ["80:80"]
            volumes: ["./x:/data", "/keep"]
            labels: {x: "1"}
            dns: 1.1.1.1
        """,
    )
    folder.file(
        "compose.override.yaml",
        """\
        services:
          web:
            command: [two, words]
            environment: {B: 2, C: 3}
            ports: ["81:81", "80:80"]
            volumes: ["data:/data"]
            labels: [y=2]
            dns: [2.2.2.2]
        volumes:
          data:
        """,
    )
    web = folder.load().services["web"]
    assert web.command == ("two", "words")
    assert web.environment == {"A": "1", "B": "2", "C": "3"}
    assert [port.host_port for port in web.ports] == [80, 81]
    assert [(mount.source, mount.target) for mount in web.mounts] == [("data", "/data"), ("", "/keep")]
    assert web.labels == {"x": "1", "y": "2"}
    assert web.dns == ("1.1.1.1", "2.2.2.2")


def test_reset_removes_and_override_replaces(folder: Folder) -> None:
    folder.file(
        "compose.yaml", "services:\n  web:\n    image: a\n    ports: ['80:80']\n    environment: {A: 1}\n    user: me\n"
    )
    folder.file(
        "compose.override.yaml",
        "services:\n  web:\n    ports: !override ['81:81']\n    environment: !reset {}\n    user: !reset null\n",
    )
    web = folder.load().services["web"]
    assert [port.host_port for port in web.ports] == [81]
    assert (web.environment, web.user) == ({}, "")


def test_named_files_are_merged_in_order_and_paths_start_at_the_first(folder: Folder) -> None:
    folder.file("one/compose.yaml", "services:\n  web:\n    build: ./app\n").file(
        "two.yaml", "services:\n  web:\n    volumes: ['./d:/d']\n"
    )
    web = folder.load("one/compose.yaml", "two.yaml").services["web"]
    assert web.build is not None
    assert web.build.context == str(folder.path / "one" / "app")
    assert web.mounts[0].source == str(folder.path / "one" / "d")


def test_standard_input_is_a_file(folder: Folder) -> None:
    assert folder.load("-", stdin=WEB).services["web"].image == "alpine"


def test_anchors_and_merge_keys(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        x-base: &base
          restart: always
          environment: &env {A: "1"}
        services:
          web:
            <<: *base
            image: a
            environment:
              <<: *env
              B: "2"
        """,
    )
    web = folder.load().services["web"]
    assert (web.restart.name, web.environment) == ("always", {"A": "1", "B": "2"})


def test_extends_takes_over_a_service_of_another_file_with_its_paths(folder: Folder) -> None:
    folder.file(
        "base/common.yaml", "services:\n  base:\n    image: a\n    volumes: ['./d:/d']\n    environment: {A: 1, B: 1}\n"
    )
    folder.file(
        "compose.yaml",
        "services:\n  web:\n    extends: {file: base/common.yaml, service: base}\n    environment: {B: 2}\n",
    )
    web = folder.load().services["web"]
    assert (web.image, web.environment) == ("a", {"A": "1", "B": "2"})
    assert web.mounts[0].source == str(folder.path / "base" / "d")


def test_extends_in_a_circle_is_drawn(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  a: {extends: b}\n  b: {extends: a}\n")
    assert folder.problem().message == "services extend each other in a circle: a -> b -> a"


def test_include_brings_services_with_their_own_folder(folder: Folder) -> None:
    folder.file("db/compose.yaml", "services:\n  db:\n    image: postgres:${PG}\n    volumes: ['./init:/init']\n").file(
        "db/.env", "PG=16\n"
    )
    folder.file("compose.yaml", "include: [db/compose.yaml]\nservices:\n  web: {image: a, depends_on: [db]}\n")
    project = folder.load()
    assert project.services["db"].image == "postgres:16"
    assert project.services["db"].mounts[0].source == str(folder.path / "db" / "init")
    assert project.directory == str(folder.path)


def test_include_refuses_a_second_definition(folder: Folder) -> None:
    folder.file("other.yaml", "services:\n  web: {image: b}\n").file("compose.yaml", "include: [other.yaml]\n" + WEB)
    problem = folder.problem()
    assert problem.message == "include: services.web is defined differently in the included file"
    assert problem.why == "the other definition is at compose.yaml:3"


def test_files_that_include_each_other_are_refused(folder: Folder) -> None:
    folder.file("a.yaml", "include: [b.yaml]\n" + WEB).file("b.yaml", "include: [a.yaml]\n")
    assert "include each other in a circle" in folder.problem("a.yaml").message


def test_env_files_are_read_in_order_below_the_environment(folder: Folder) -> None:
    folder.file("one.env", "A=1\nB=1\nC=1\n").file("two.env", "B=2\nC=2\n")
    folder.file(
        "compose.yaml",
        """\
        services:
          web:
            image: a
            env_file: [one.env, two.env, {path: gone.env, required: false}]
            environment:
              C: 3
              FROM_CALLER:
              NOWHERE:
        """,
    )
    web = folder.load(environ={"FROM_CALLER": "x"}).services["web"]
    assert web.environment == {"A": "1", "B": "2", "C": "3", "FROM_CALLER": "x", "NOWHERE": None}


def test_profiles_choose_services(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  web: {image: a}\n  debug: {image: b, profiles: [dev]}\n")
    assert list(folder.load().services) == ["web"]
    assert list(folder.load(profiles=("dev",)).services) == ["web", "debug"]
    assert list(folder.load(environ={"COMPOSE_PROFILES": "x,dev"}).services) == ["web", "debug"]
    assert list(selected(folder.load(), ["debug"])) == ["debug"]


def test_a_dependency_behind_a_profile_is_told(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  web: {image: a, depends_on: [db]}\n  db: {image: b, profiles: [full]}\n")
    problem = folder.problem()
    assert problem.message == 'service "db" is required by "web" but is disabled'
    assert problem.hint == "pier compose --profile full …"


def test_selecting_a_service_brings_what_it_depends_on(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x}\n  c: {image: x}\n")
    project = folder.load()
    assert list(selected(project, ["a"])) == ["a", "b"]
    assert list(selected(project, ["a"], dependencies=False)) == ["a"]
    with pytest.raises(PierError, match="no such service: bb"):
        selected(project, ["bb"])


def test_shared_namespaces_and_links_imply_dependencies(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        services:
          a: {image: x, links: ["b:alias"]}
          b: {image: x, network_mode: "service:c"}
          c: {image: x, volumes_from: [d]}
          d: {image: x}
        """,
    )
    services = folder.load().services
    assert {name: list(item.depends_on) for name, item in services.items()} == {
        "a": ["b"],
        "b": ["c"],
        "c": ["d"],
        "d": [],
    }


def test_words_booleans_and_numbers_read_as_go_reads_them(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        services:
          web:
            image: a
            ports: [22:22]
            tty: yes
            environment: {A: yes, B: true, C: 0x10, D: 1.0, E: null, F: 010}
            command: sh -c 'echo "a b" $$X'
        """,
    )
    web = folder.load().services["web"]
    assert web.environment == {"A": "yes", "B": "true", "C": "16", "D": "1", "E": None, "F": "8"}
    assert (web.tty, web.ports[0].host_port) == (True, 22)
    assert web.command == ("sh", "-c", 'echo "a b" $X')


def test_a_file_that_cannot_be_used_is_told_apart(folder: Folder) -> None:
    (folder.path / "folder.yaml").mkdir()
    (folder.path / "latin.yaml").write_bytes(b"services: \xe9\n")
    for name, error in (("gone.yaml", NotFound), ("folder.yaml", Invalid), ("latin.yaml", Invalid)):
        with pytest.raises(error):
            folder.load(name)
    assert not issubclass(NotFound, Denied)
