"""Immutable records: value equality, defaults, and the way to JSON and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.model import jsontext
from pier.model.container import (
    Container,
    ContainerSpec,
    ContainerState,
    Health,
    Healthcheck,
    HealthProbe,
    Mount,
    NetworkAttachment,
    Resources,
    RestartPolicy,
    Security,
    Ulimit,
)
from pier.model.ports import PortBinding

_WORDS = st.lists(st.text(max_size=8), max_size=3).map(tuple)
_MOUNTS = st.builds(Mount, kind=st.sampled_from(["bind", "volume", "tmpfs"]), target=st.text(), options=_WORDS)
_ULIMITS = st.builds(Ulimit, name=st.text(), soft=st.integers(), hard=st.integers())
_SPECS = st.builds(
    ContainerSpec,
    id=st.text(),
    name=st.text(),
    created=st.text(),
    image=st.text(),
    image_id=st.text(),
    command=_WORDS,
    labels=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    mounts=st.lists(_MOUNTS, max_size=3).map(tuple),
    ports=st.lists(st.builds(PortBinding, container_port=st.integers(1, 65535)), max_size=2).map(tuple),
    networks=st.lists(st.builds(NetworkAttachment, network=st.text(), aliases=_WORDS), max_size=2).map(tuple),
    healthcheck=st.none() | st.builds(Healthcheck, test=_WORDS, interval=st.integers(0, 10**12)),
    resources=st.builds(Resources, ulimits=st.lists(_ULIMITS, max_size=2).map(tuple)),
    security=st.builds(Security, cap_add=_WORDS, privileged=st.booleans()),
    restart=st.builds(RestartPolicy, name=st.text(), maximum=st.integers(0, 9)),
)
_PROBES = st.builds(HealthProbe, start=st.text(), end=st.text(), exit_code=st.integers(), output=st.text())
_STATES = st.builds(
    ContainerState,
    pid=st.integers(0),
    health=st.none() | st.builds(Health, log=st.lists(_PROBES, max_size=2).map(tuple)),
    addresses=st.dictionaries(
        st.text(max_size=4), st.dictionaries(st.text(max_size=4), st.text(max_size=4)), max_size=2
    ),
)


@given(_SPECS, _STATES)
def test_a_container_survives_its_way_through_the_store(spec: ContainerSpec, state: ContainerState) -> None:
    container = Container(spec=spec, state=state)
    text = jsontext.dumps(container.to_dict())
    assert Container.from_dict(jsontext.loads(text)) == container


@given(_SPECS)
def test_fields_of_a_newer_version_are_ignored(spec: ContainerSpec) -> None:
    assert ContainerSpec.from_dict({**spec.to_dict(), "of_tomorrow": [{"a": 1}]}) == spec


def test_fields_of_an_older_version_get_their_defaults() -> None:
    spec = ContainerSpec.from_dict({"id": "1", "name": "a", "created": "", "image": "i", "image_id": "sha256:0"})
    assert spec.stop_signal == "SIGTERM" and spec.restart == RestartPolicy()


def test_a_missing_field_is_a_type_error_that_names_it() -> None:
    with pytest.raises(TypeError, match="target"):
        Mount(kind="bind")  # type: ignore[call-arg]


def test_an_unknown_field_is_a_type_error_that_names_it() -> None:
    with pytest.raises(TypeError, match="colour"):
        Mount(kind="bind", target="/", colour="red")  # type: ignore[call-arg]


def test_a_record_cannot_be_changed_only_replaced() -> None:
    mount = Mount(kind="bind", target="/a")
    with pytest.raises(AttributeError):
        mount.target = "/b"  # type: ignore[misc]
    assert (mount.replace(target="/b").target, mount.target) == ("/b", "/a")


def test_equal_records_are_one_key_and_different_kinds_never_equal() -> None:
    assert len({Mount(kind="bind", target="/a"), Mount(kind="bind", target="/a")}) == 1
    assert RestartPolicy() != Resources()
