"""-v and --mount."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.model.container import Mount
from pier.model.mounts import parse_mount, parse_volume


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data", Mount(kind="volume", target="/data", anonymous=True)),
        ("db:/data", Mount(kind="volume", source="db", target="/data")),
        ("db:/data:ro", Mount(kind="volume", source="db", target="/data", read_only=True)),
        ("db:/data:nocopy", Mount(kind="volume", source="db", target="/data", copy_up=False)),
        ("/srv:/data", Mount(kind="bind", source="/srv", target="/data", create_source=True)),
        ("/srv/:/data:rw,z", Mount(kind="bind", source="/srv", target="/data", create_source=True)),
        (
            "/srv:/data:ro,rslave",
            Mount(kind="bind", source="/srv", target="/data", read_only=True, propagation="rslave", create_source=True),
        ),
    ],
)
def test_v_is_read_as_docker_reads_it(text: str, mount: Mount) -> None:
    assert parse_volume(text) == mount


@pytest.mark.parametrize("source", [".", "./data", "..", "../data"])
def test_a_relative_folder_is_taken_from_where_the_user_stands(source: str) -> None:
    assert parse_volume(f"{source}:/data").source == os.path.abspath(source)


@pytest.mark.parametrize("text", ["", ":", "a:", ":/b", "a:b", "a:/b:rx", "a:/b:ro:ro", "data", "a:/b:"])
def test_v_refuses_what_cannot_be_meant(text: str) -> None:
    with pytest.raises(Invalid):
        parse_volume(text)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=bind,src=/srv,dst=/data", Mount(kind="bind", source="/srv", target="/data")),
        ("type=bind,source=/srv,target=/data,ro", Mount(kind="bind", source="/srv", target="/data", read_only=True)),
        (
            "type=bind,source=/srv,target=/data,bind-propagation=rshared,readonly=false",
            Mount(kind="bind", source="/srv", target="/data", propagation="rshared"),
        ),
        ("source=db,target=/data", Mount(kind="volume", source="db", target="/data")),
        ("target=/data", Mount(kind="volume", target="/data", anonymous=True)),
        (
            "type=volume,src=db,dst=/data,volume-nocopy,volume-label=a=b",
            Mount(kind="volume", source="db", target="/data", copy_up=False, labels={"a": "b"}),
        ),
        (
            "type=tmpfs,destination=/tmp,tmpfs-size=64m,tmpfs-mode=1770",
            Mount(kind="tmpfs", target="/tmp", options=("size=67108864", "mode=1770")),
        ),
    ],
)
def test_mount_is_read_as_docker_reads_it(text: str, mount: Mount) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("type=bind,source=/srv", "target is required"),
        ("type=bind,target=/data", "source is required"),
        ("type=nfs,target=/data", "unknown mount type 'nfs'"),
        ("type=tmpfs,source=/a,target=/data", "cannot use a source"),
        ("type=bind,source=/srv,target=/data,colour=red", "colour"),
        ("type=bind,source=/srv,target=/data,readonly=maybe", "maybe"),
        ("type=bind,source=/srv,target=/data,bind-propagation=far", "far"),
        ("target", "key=value"),
        ("", "key=value"),
    ],
)
def test_mount_names_the_field_that_is_wrong(text: str, named: str) -> None:
    with pytest.raises(Invalid, match=named):
        parse_mount(text)


@given(st.text(alphabet="ab/:.,=ro", max_size=20), st.sampled_from([parse_volume, parse_mount]))
def test_whatever_is_typed_is_a_mount_with_a_target_or_invalid(text: str, parse: object) -> None:
    assert callable(parse)
    try:
        mount = parse(text)
    except Invalid:
        return
    assert mount.target
    assert mount.kind != "bind" or mount.source.startswith("/")
