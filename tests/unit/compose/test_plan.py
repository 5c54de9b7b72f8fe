"""The plan: what is done, in which order, and what is left alone. Nothing runs here."""

from __future__ import annotations

import pytest

from pier.compose import graph, plan
from pier.compose.model import Project
from pier.compose.observed import Observed, ObservedContainer, ObservedResource
from pier.errors import NotFound
from unit.compose.projects import Folder

LAB = """\
services:
  api:
    image: api
    depends_on:
      db: {condition: service_healthy}
  db:
    image: postgres:16
    volumes: ["data:/d"]
  job:
    image: job
    profiles: [once]
volumes:
  data:
"""


def container(service: str, number: int = 1, **fields: object) -> ObservedContainer:
    known: dict[str, object] = {
        "id": f"id-{service}-{number}",
        "name": f"demo-{service}-{number}",
        "config_hash": f"h-{service}",
        "image_id": f"i-{service}",
        "status": "running",
    }
    return ObservedContainer(service=service, number=number, **{**known, **fields})  # type: ignore[arg-type]


def resource(name: str, project: str = "demo", key: str = "") -> ObservedResource:
    return ObservedResource(name=name, project=project, key=key)


NETWORKS = (resource("demo_default"),)
VOLUMES = (resource("demo_data"),)


def up(project: Project, observed: Observed, **options: object) -> list[str]:
    wanted = plan.Wanted(
        hashes={name: f"h-{name}" for name in project.services},
        images={name: f"i-{name}" for name in project.services},
    )
    named = plan.UpOptions(**options)  # type: ignore[arg-type]
    return [step.describe() for step in plan.up(project, project.services, observed, wanted, named)]


@pytest.fixture
def lab(folder: Folder) -> Project:
    return folder.file("compose.yaml", LAB).load()


def test_from_nothing_everything_is_made_and_started_in_order(lab: Project) -> None:
    assert up(lab, Observed()) == [
        "Network demo_default  Creating",
        "Volume demo_data  Creating",
        "Container demo-db-1  Creating",
        "Container demo-api-1  Creating",
        "Container demo-db-1  Starting",
        "Container demo-api-1  Starting once db is healthy",
    ]


def test_what_runs_as_wanted_is_left_alone(lab: Project) -> None:
    running = Observed(containers=(container("api"), container("db")), networks=NETWORKS, volumes=VOLUMES)
    assert up(lab, running) == []


def test_stopped_containers_are_started_not_made_again(lab: Project) -> None:
    stopped = Observed(
        containers=(container("api", status="exited"), container("db", status="exited")),
        networks=NETWORKS,
        volumes=VOLUMES,
    )
    assert up(lab, stopped) == [
        "Container demo-db-1  Starting",
        "Container demo-api-1  Starting once db is healthy",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"config_hash": "old"}, "configuration changed"), ({"image_id": "old"}, "image changed")],
)
def test_a_change_makes_only_that_container_again(lab: Project, change: dict[str, str], reason: str) -> None:
    observed = Observed(containers=(container("api", **change), container("db")), networks=NETWORKS, volumes=VOLUMES)
    assert up(lab, observed) == [
        f"Container demo-api-1  Recreate ({reason})",
        "Container demo-api-1  Starting once db is healthy",
    ]
    assert up(lab, observed, no_recreate=True) == []


def test_force_recreate_spares_what_was_not_named(lab: Project) -> None:
    observed = Observed(containers=(container("api"), container("db")), networks=NETWORKS, volumes=VOLUMES)
    forced = up(lab, observed, force_recreate=True, named=("api",))
    assert forced == ["Container demo-api-1  Recreate (forced)", "Container demo-api-1  Starting once db is healthy"]
    assert len(up(lab, observed, force_recreate=True)) == 4


def test_scaling_up_takes_free_numbers_and_down_the_highest(lab: Project) -> None:
    observed = Observed(containers=(container("db"), container("api", 2)), networks=NETWORKS, volumes=VOLUMES)
    assert [step for step in up(lab, observed, scales={"api": 3}) if "Creating" in step] == [
        "Container demo-api-1  Creating",
        "Container demo-api-3  Creating",
    ]
    three = Observed(
        containers=(container("db"), *(container("api", number) for number in (1, 2, 3))),
        networks=NETWORKS,
        volumes=VOLUMES,
    )
    assert up(lab, three, scales={"api": 1}) == [
        "Container demo-api-2  Stopping",
        "Container demo-api-2  Removing",
        "Container demo-api-3  Stopping",
        "Container demo-api-3  Removing",
    ]
    assert up(lab, three, scales={"api": 0})[-1] == "Container demo-api-3  Removing"


def test_orphans_go_only_when_asked(lab: Project) -> None:
    observed = Observed(
        containers=(container("api"), container("db"), container("gone"), container("job")),
        networks=NETWORKS,
        volumes=VOLUMES,
    )
    assert up(lab, observed) == []
    assert up(lab, observed, remove_orphans=True) == [
        "Container demo-gone-1  Stopping",
        "Container demo-gone-1  Removing",
    ]


def test_create_makes_and_starts_nothing(lab: Project) -> None:
    assert [step for step in up(lab, Observed(), start=False) if "Starting" in step] == []


def test_dependents_marked_restart_follow_a_recreated_dependency(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        "services:\n  a: {image: x, depends_on: {b: {condition: service_started, restart: true}}}\n  b: {image: y}\n",
    )
    observed = Observed(containers=(container("a"), container("b", config_hash="old")), networks=NETWORKS)
    assert up(folder.load(), observed) == [
        "Container demo-b-1  Recreate (configuration changed)",
        "Container demo-b-1  Starting",
        "Container demo-a-1  Restarting",
    ]


def test_a_shared_network_is_joined_again(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  a: {image: x, network_mode: 'service:b'}\n  b: {image: y}\n")
    observed = Observed(containers=(container("a"), container("b", image_id="old")), networks=NETWORKS)
    assert "Container demo-a-1  Recreate (shares the network of b)" in up(folder.load(), observed)


def test_external_things_must_exist(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        services:
          a: {image: x, networks: [out], volumes: ["kept:/k"]}
        networks:
          out: {external: true, name: other}
        volumes:
          kept: {external: true}
        """,
    )
    project = folder.load()
    with pytest.raises(NotFound, match="network other declared as external, but could not be found"):
        up(project, Observed())
    with pytest.raises(NotFound, match='external volume "kept" not found'):
        up(project, Observed(networks=(resource("other", ""),)))


def down(project: Project, observed: Observed, **options: object) -> list[str]:
    return [step.describe() for step in plan.down(project, observed, plan.DownOptions(**options))]  # type: ignore[arg-type]


EVERYTHING = Observed(
    containers=(
        container("db"),
        container("api", status="exited"),
        container("gone"),
        container("api", 9, one_off=True, name="demo-api-run-1"),
    ),
    networks=(*NETWORKS, resource("bridge", "")),
    volumes=(*VOLUMES, resource("mine", "")),
)


def test_down_stops_dependents_first_and_keeps_volumes(lab: Project) -> None:
    assert down(lab, EVERYTHING) == [
        "Container demo-api-run-1  Stopping",
        "Container demo-api-run-1  Removing",
        "Container demo-api-1  Removing",
        "Container demo-db-1  Stopping",
        "Container demo-db-1  Removing",
        "Network demo_default  Removing",
    ]


def test_down_with_volumes_takes_only_the_projects_own(lab: Project) -> None:
    assert [step for step in down(lab, EVERYTHING, volumes=True) if "Volume" in step] == ["Volume demo_data  Removing"]


def test_down_takes_images_and_orphans_when_asked(lab: Project) -> None:
    steps = down(lab, EVERYTHING, images="all", remove_orphans=True)
    assert "Image postgres:16  Removing" in steps
    assert "Container demo-gone-1  Removing" in steps


def test_stopping_goes_by_labels_where_there_is_no_file() -> None:
    found = [container("db"), container("api", depends_on=("db",)), container("web", depends_on=("api",))]
    assert [
        item.service for group in plan.stop_levels(Project(name="demo", directory="/"), found) for item in group
    ] == ["web", "api", "db"]


def test_a_cycle_is_found_wherever_it_hangs() -> None:
    assert graph.cycle({"x": ["a"], "a": ["b"], "b": ["a"]}) == ["a", "b", "a"]
    assert graph.cycle({"x": ["a"], "a": [], "y": ["a"]}) == []
    assert graph.ordered({"c": ["b", "a"], "b": ["a"], "a": []}) == ["a", "b", "c"]
