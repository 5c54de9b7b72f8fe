"""The words of -v and --mount."""

from __future__ import annotations

import pytest

from pier.errors import Invalid, Unsupported
from pier.model.container import Mount
from pier.model.mounts import parse_mount, parse_volume


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/data", Mount(kind="volume", target="/data", anonymous=True)),
        ("name:/data", Mount(kind="volume", source="name", target="/data")),
        ("name:/data:ro,nocopy", Mount(kind="volume", source="name", target="/data", read_only=True, copy_up=False)),
        (
            "/host:/in:ro,z,rslave",
            Mount(kind="bind", source="/host", target="/in", read_only=True, propagation="rslave", create_source=True),
        ),
    ],
)
def test_the_short_form(text: str, wanted: Mount) -> None:
    assert parse_volume(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("type=bind,src=/h,dst=/in,ro", Mount(kind="bind", source="/h", target="/in", read_only=True)),
        ('type=bind,"source=/a,b",target=/in', Mount(kind="bind", source="/a,b", target="/in")),
        (
            "type=bind,source=/h,target=/in,bind-propagation=rshared,bind-recursive=disabled,consistency=cached",
            Mount(kind="bind", source="/h", target="/in", propagation="rshared", recursive=False),
        ),
        (
            "type=bind,source=/h,target=/in,bind-nonrecursive",
            Mount(kind="bind", source="/h", target="/in", recursive=False),
        ),
        (
            "source=v,target=/in,volume-label=a=b,volume-label=c,volume-nocopy,volume-subpath=x",
            Mount(kind="volume", source="v", target="/in", labels={"a": "b", "c": ""}, copy_up=False, subpath="x"),
        ),
        (
            "type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1777",
            Mount(kind="tmpfs", target="/t", options=("size=1048576", "mode=1777")),
        ),
    ],
)
def test_the_long_form(text: str, wanted: Mount) -> None:
    assert parse_mount(text) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type=bind,target=/in", "source is required"),
        ("type=bind,source=/h", "target is required"),
        ("type=tmpfs,source=/h,target=/t", "cannot use a source"),
        ("type=tmpfs,target=/t,tmpfs-size=much", "invalid value for tmpfs-size"),
        ("type=tmpfs,target=/t,tmpfs-mode=9", "invalid value for tmpfs-mode"),
        ("type=volume,target=/t,bind-propagation=shared", "cannot mix 'bind-*' options with mount type 'volume'"),
        ("type=bind,source=/h,target=/t,colour=red", "unexpected key 'colour'"),
        ("type=bind,source=/h,target=/t,readonly=maybe", "invalid value 'maybe'"),
        ("type=nfs,target=/t", "unknown mount type 'nfs'"),
        ("nonsense", "must be a key=value pair"),
    ],
)
def test_a_mount_that_cannot_be_meant_names_the_field(text: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_mount(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "type=image,source=alpine,target=/t",
        "type=volume,target=/t,volume-opt=type=nfs",
        "type=bind,source=/h,target=/t,bind-recursive=writable",
    ],
)
def test_a_mount_pier_does_not_have_is_refused_by_name(text: str) -> None:
    with pytest.raises(Unsupported):
        parse_mount(text)
