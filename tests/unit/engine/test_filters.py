"""`docker ps --filter`, key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pier.engine.context import Engine
from pier.engine.filters import condition
from pier.errors import Invalid, NotFound
from pier.model.container import (
    Container,
    ContainerSpec,
    ContainerState,
    Health,
    Mount,
    NetworkAttachment,
)
from pier.model.ports import PortBinding
from pier.state.paths import Paths

WEB = Container(
    spec=ContainerSpec(
        id="a" * 64,
        name="lab-web-1",
        created="2026-01-01T00:00:02Z",
        image="nginx",
        image_id="sha256:1",
        labels={"tier": "front", "empty": ""},
        mounts=(Mount(kind="volume", source="data", target="/data"),),
        ports=(PortBinding(container_port=80, host_port=8080),),
        exposed=("443/tcp",),
        networks=(NetworkAttachment(network="lab"),),
    ),
    state=ContainerState(status="running", health=Health(status="healthy")),
)
JOB = Container(
    spec=ContainerSpec(
        id="b" * 64,
        name="job",
        created="2026-01-01T00:00:01Z",
        image="alpine",
        image_id="sha256:2",
        network_mode="none",
    ),
    state=ContainerState(status="exited", exit_code=3),
)
ALL = [WEB, JOB]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Paths(root=str(tmp_path), run=str(tmp_path / "run")), lambda _text: None, {})


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, ALL),
        ({"name": ["web"]}, [WEB]),
        ({"name": ["^/?job$"]}, [JOB]),
        ({"name": ["web", "job"]}, ALL),
        ({"name": ["web"], "status": ["exited"]}, []),
        ({"id": ["aaa"]}, [WEB]),
        ({"label": ["tier"]}, [WEB]),
        ({"label": ["tier=front", "empty="]}, [WEB]),
        ({"label": ["tier=back"]}, []),
        ({"status": ["exited", "created"]}, [JOB]),
        ({"exited": ["3"]}, [JOB]),
        ({"exited": ["0"]}, []),
        ({"health": ["healthy"]}, [WEB]),
        ({"health": ["none"]}, [JOB]),
        ({"ancestor": ["alpine"]}, [JOB]),
        ({"before": ["lab-web-1"]}, [JOB]),
        ({"since": ["job"]}, [WEB]),
        ({"volume": ["data"]}, [WEB]),
        ({"volume": ["/data"]}, [WEB]),
        ({"network": ["lab"]}, [WEB]),
        ({"network": ["none"]}, [JOB]),
        ({"publish": ["80"]}, [WEB]),
        ({"publish": ["443"]}, []),
        ({"expose": ["440-450/tcp"]}, [WEB]),
    ],
)
def test_a_filter_keeps_what_docker_keeps(engine: Engine, filters: dict[str, list[str]], kept: list[Container]):
    keep = condition(engine, filters, ALL)
    assert [item for item in ALL if keep(item)] == kept


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"colour": ["red"]}, "invalid filter 'colour'"),
        ({"status": ["asleep"]}, "invalid filter 'status=asleep'"),
        ({"health": ["fine"]}, "invalid filter 'health=fine'"),
        ({"exited": ["x"]}, "invalid filter 'exited=x'"),
    ],
)
def test_what_no_filter_can_mean_is_refused(engine: Engine, filters: dict[str, list[str]], said: str):
    with pytest.raises(Invalid, match=said):
        condition(engine, filters, ALL)


def test_before_wants_a_container_that_exists(engine: Engine):
    with pytest.raises(NotFound, match="No such container: nobody"):
        condition(engine, {"before": ["nobody"]}, ALL)
