"""From config.json of an OCI bundle to a plan. Pure: what is read is honoured, or refused by the name of its field."""

from __future__ import annotations

import os
import stat

from pier.errors import Invalid, Unsupported
from pier.kernel import mount, namespaces
from pier.model.record import Record
from pier.runtime import oci_cgroup, oci_hooks, oci_mounts, oci_process, security
from pier.runtime import oci_operations as oci
from pier.runtime import operations as op
from pier.runtime.oci_section import Section
from pier.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.runtime.oci_cgroup import DeviceRule, Write
    from pier.runtime.oci_groups import Hierarchy
    from pier.runtime.oci_hooks import Hook
    from pier.runtime.oci_process import Process

VERSION = "1.2.0"
NAMESPACES = {
    "mount": "mnt",
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "cgroup": "cgroup",
}
_DEFAULT_NODES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_LINKS = (
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
)
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
FILTER_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}


class Facts(Record):
    """What reading must know of the host. *granted*: mask of the capabilities that this process may pass on."""

    last_capability: int
    granted: int
    hierarchies: tuple[Hierarchy, ...] = ()

    @property
    def unified(self) -> bool:
        """Whether limits are version 2's."""
        return not any(hierarchy.controllers for hierarchy in self.hierarchies)


class Configuration(Record):
    """A bundle, read. *joins*: (kind of namespace, its file). *group*: its control groups, below each root."""

    plan: Plan
    process: Process
    joins: tuple[tuple[str, str], ...] = ()
    hooks: dict[str, tuple[Hook, ...]] = {}
    annotations: dict[str, str] = {}
    group: str = ""
    limits: tuple[Write, ...] = ()
    devices: tuple[DeviceRule, ...] = ()


def read(
    config: dict[str, Any], *, identifier: str, bundle: str, facts: Facts, compile_filter: Callable[[Any], bytes]
) -> Configuration:
    """The container *identifier* of the *bundle* (an absolute path) as a plan.

    *compile_filter* turns `linux.seccomp` into a program for the kernel. Invalid, Unsupported: both name the field.
    """
    with Section(config, "") as top:
        _check_version(top)
        for name in ("solaris", "windows", "vm", "zos", "freebsd"):
            top.refuse(name, "pier runs on Linux")
        for name in ("process", "root"):
            top.required(name)
        with top.section("linux") as linux:
            for name in ("uidMappings", "gidMappings", "timeOffsets"):
                linux.refuse(name, "pier's OCI runtime makes no user and no time namespace")
            for name in ("mountLabel", "intelRdt", "personality", "memoryPolicy", "netDevices"):
                linux.refuse(name, "pier does not have it yet")
            kinds, joins = _namespaces(linux)
            process = oci_process.read(
                top.section("process"),
                seccomp=_filter(linux, compile_filter),
                seccomp_flags=_filter_flags(linux),
                last_capability=facts.last_capability,
                granted=facts.granted,
            )
            group = _group(linux.text("cgroupsPath"), identifier)
            steps, nodes = _operations(top, linux, bundle=bundle, kinds=kinds, joins=joins, facts=facts, group=group)
            resources = linux.whole("resources")
            limits = oci_cgroup.writes(resources, "linux.resources", unified=facts.unified)
            devices = oci_cgroup.devices(resources, "linux.resources", nodes)
        flags = 0
        for kind in kinds:
            flags |= namespaces.FLAG_OF[kind]
        return Configuration(
            plan=Plan(namespaces=flags, operations=steps, program=process.program, tty=process.terminal),
            process=process,
            joins=joins,
            hooks=oci_hooks.read(top.section("hooks")),
            annotations=top.pairs("annotations"),
            group=group,
            limits=limits,
            devices=devices,
        )


def hooks_of(config: dict[str, Any]) -> dict[str, tuple[Hook, ...]]:
    """The hooks alone."""
    return oci_hooks.read(Section(config.get("hooks"), "hooks"))


def _check_version(top: Section) -> None:
    top.required("ociVersion")
    version = top.text("ociVersion")
    if version.partition(".")[0] != "1":
        raise Unsupported(f"ociVersion {version} is not supported", why=f"pier reads 1.0 to {VERSION}")


def _namespaces(linux: Section) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """(kinds to be made, kinds to be joined with their files)."""
    made: list[str] = []
    joined: list[tuple[str, str]] = []
    for item in linux.sections("namespaces"):
        with item:
            name, path = item.text("type"), item.text("path")
            if name not in NAMESPACES:
                why = "pier's OCI runtime makes no user and no time namespace"
                raise Unsupported(f"{item.at('type')}: {name} is not supported", why=why)
            kind = NAMESPACES[name]
            if kind in made or kind in dict(joined):
                raise Invalid(f"{item.at('type')}: {name} is named twice")
            if path and kind == "mnt":
                raise Unsupported(f"{item.at('path')} is not supported", why="pier mounts in a namespace of its own")
            if path and not path.startswith("/"):
                raise Invalid(f"{item.at('path')} is not an absolute path: {path}")
            if path:
                joined.append((kind, path))
            else:
                made.append(kind)
    if "mnt" not in made:
        raise Unsupported("linux.namespaces names no mount namespace", why="the host's mounts would be changed")
    return made, tuple(joined)


def _filter(linux: Section, compile_filter: Callable[[Any], bytes]) -> bytes:
    with linux.section("seccomp") as section:
        for name in ("listenerPath", "listenerMetadata"):
            section.refuse(name, "pier hands no system call to a listener")
        section.texts("architectures")
        section.texts("flags")
        section.number("defaultErrnoRet")
        for item in section.sections("syscalls"):
            with item:
                item.texts("names")
                item.text("action")
                item.number("errnoRet")
                for argument in item.sections("args"):
                    with argument:
                        argument.text("op")
                        for name in ("index", "value", "valueTwo"):
                            argument.number(name)
        if not section.text("defaultAction"):
            return b""
    return compile_filter(linux.whole("seccomp"))


def _filter_flags(linux: Section) -> int:
    flags = 0
    for number, name in enumerate(linux.section("seccomp").texts("flags")):
        if name not in FILTER_FLAGS:
            raise Unsupported(f"linux.seccomp.flags[{number}]: {name} is not supported")
        flags |= FILTER_FLAGS[name]
    return flags


def _group(path: str, identifier: str) -> str:
    """The control groups' place: as told, or a default; always absolute, never above the root."""
    place = path if path.startswith("/") else f"pier/{path or identifier}"
    # Two leading slashes would stay two (POSIX leaves their meaning open).
    return os.path.normpath("/" + place.lstrip("/"))


def _operations(
    top: Section,
    linux: Section,
    *,
    bundle: str,
    kinds: list[str],
    joins: tuple[tuple[str, str], ...],
    facts: Facts,
    group: str,
) -> tuple[tuple[op.Operation, ...], tuple[tuple[str, int, int], ...]]:
    """(all that is done inside the container's namespaces, device nodes asked for)."""
    with top.section("root") as root:
        root.required("path")
        source, read_only = os.path.join(bundle, root.text("path")), root.flag("readonly")
    receive = _propagation(linux)
    mounts: list[op.Operation] = []
    bound: list[str] = []
    for item in top.sections("mounts"):
        with item:
            steps, receives = _mount(item, bundle, facts, group, own_view="cgroup" in kinds)
            receive = receive or receives
            mounts += steps
            bound += [step.target for step in steps if isinstance(step, op.Bind)]
    nodes, asked = _nodes(linux)
    steps = [op.IsolateMounts(receive=receive), oci.BindRoot(source=source), *mounts]
    if "/dev" not in bound:
        defaults = [
            oci.MakeNode(path=f"/dev/{name}", kind=stat.S_IFCHR, major=major, minor=minor)
            for name, major, minor in _DEFAULT_NODES
        ]
        taken = {node.path for node in nodes}
        steps += [node for node in defaults if node.path not in taken] + nodes
        steps += [op.Link(path=path, target=target) for path, target in _LINKS]
    if "net" in kinds:
        steps.append(oci.RaiseLoopback())
    own = {*kinds, *dict(joins)}
    steps += _kernel_settings(top, linux, own)
    steps += [op.Mask(path=_absolute(path, "linux.maskedPaths")) for path in linux.texts("maskedPaths")]
    steps += [op.MakeReadOnly(path=_absolute(path, "linux.readonlyPaths")) for path in linux.texts("readonlyPaths")]
    steps.append(op.EnterRoot(read_only=read_only))
    return tuple(steps), asked


def _absolute(path: str, field: str) -> str:
    if not path.startswith("/"):
        raise Invalid(f"{field} names {path}, which is not an absolute path")
    return path


def _propagation(linux: Section) -> bool:
    """Whether later mounts of the host are to be seen in the container."""
    word = linux.text("rootfsPropagation")
    if word in ("shared", "rshared", "unbindable", "runbindable"):
        raise Unsupported(f"linux.rootfsPropagation: {word} is not supported", why="the host would see the mounts")
    if word not in ("", "private", "rprivate", "slave", "rslave"):
        raise Invalid(f"linux.rootfsPropagation: nobody knows {word}")
    return word in ("slave", "rslave")


def _kernel_settings(top: Section, linux: Section, own: set[str]) -> list[op.Operation]:
    steps: list[op.Operation] = []
    sysctls = linux.pairs("sysctl")
    security.check_sysctls(sysctls, own_network="net" in own)
    for kind, prefixes in (("ipc", ("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue.")), ("uts", ("kernel.dom",))):
        for key in sysctls:
            if kind not in own and key.startswith(prefixes):
                raise Invalid(f"linux.sysctl.{key} is not allowed here", why=f"the container has no {kind} namespace")
    steps += [op.SetSysctl(key=key, value=value) for key, value in sorted(sysctls.items())]
    hostname, domainname = top.text("hostname"), top.text("domainname")
    if (hostname or domainname) and "uts" not in own:
        raise Invalid("hostname cannot be set", why="linux.namespaces names no uts namespace")
    if hostname:
        steps.append(op.SetHostname(hostname=hostname, domainname=domainname))
    elif domainname:
        steps.append(op.SetSysctl(key="kernel.domainname", value=domainname))
    return steps


def _nodes(linux: Section) -> tuple[list[oci.MakeNode], tuple[tuple[str, int, int], ...]]:
    nodes: list[oci.MakeNode] = []
    asked: list[tuple[str, int, int]] = []
    for item in linux.sections("devices"):
        with item:
            kind, path = item.text("type"), item.text("path")
            if kind not in _KINDS:
                raise Invalid(f"{item.at('type')}: {kind} is none of {', '.join(_KINDS)}")
            nodes.append(
                oci.MakeNode(
                    path=_absolute(path, item.at("path")),
                    kind=_KINDS[kind],
                    major=item.number("major"),
                    minor=item.number("minor"),
                    mode=item.number("fileMode", 0o666),
                    uid=item.number("uid"),
                    gid=item.number("gid"),
                )
            )
            if kind != "p":
                asked.append(("b" if kind == "b" else "c", item.number("major"), item.number("minor")))
    return nodes, tuple(asked)


def _mount(item: Section, bundle: str, facts: Facts, group: str, *, own_view: bool) -> tuple[list[op.Operation], bool]:
    """(the operations of one entry of `mounts`, whether it is to receive the host's later mounts)."""
    item.required("destination")
    target = _absolute(item.text("destination"), item.at("destination"))
    for name in ("uidMappings", "gidMappings"):
        item.refuse(name, "pier maps no ids of mounts")
    kind, source = item.text("type"), item.text("source")
    options = oci_mounts.parse(item.texts("options"), item.at("options"))
    receives = any(flag & mount.MS_SLAVE for flag in options.propagation)
    if options.remount:
        return [oci.Remount(target=target, flags=options.flags)], receives
    if options.bind or kind == "bind":
        if options.data or options.copy_up:
            raise Unsupported(f"{item.at('options')}: {options.data or 'tmpcopyup'} says nothing to a bind mount")
        propagation = options.propagation[-1] & ~mount.MS_REC if options.propagation else mount.MS_PRIVATE
        bind = op.Bind(
            source=os.path.join(bundle, source),
            target=target,
            flags=options.flags,
            recursive=options.recursive,
            propagation=propagation,
        )
        return [bind], receives
    if kind == "cgroup":
        return _cgroup_view(target, item, options.flags, facts, group, own_view=own_view), receives
    if options.copy_up and kind != "tmpfs":
        raise Invalid(f"{item.at('options')}: tmpcopyup is for a tmpfs, not for {kind}")
    if not kind:
        raise Invalid(f"{item.at('type')} is missing")
    step = oci.MountFileSystem(
        kind=kind,
        source=source,
        target=target,
        flags=options.flags,
        data=options.data,
        propagation=options.propagation,
        copy_up=options.copy_up,
    )
    return [step], receives


def _cgroup_view(
    target: str, item: Section, flags: int, facts: Facts, group: str, *, own_view: bool
) -> list[op.Operation]:
    """The container's own control groups below *target*."""
    if target.rstrip("/") != "/sys/fs/cgroup":
        raise Unsupported(f"{item.at('destination')}: control groups are shown at /sys/fs/cgroup only")
    read_only = bool(flags & mount.MS_RDONLY)
    if facts.unified:
        if own_view:
            return [op.CgroupMount(controller="", read_only=read_only)]
        sources = [tree.mount_point + group for tree in facts.hierarchies]
        return [oci.CgroupBind(source=source, target=target, flags=flags) for source in sources]
    steps: list[op.Operation] = [
        op.MountKind(kind="tmpfs", target=target, flags=flags & ~mount.MS_RDONLY, data="mode=755")
    ]
    for hierarchy in facts.hierarchies:
        if not hierarchy.controllers:
            continue
        name = hierarchy.name
        if own_view:
            steps.append(op.CgroupMount(controller=name, read_only=read_only))
        else:
            steps.append(oci.CgroupBind(source=hierarchy.mount_point + group, target=f"{target}/{name}", flags=flags))
        if len(hierarchy.controllers) > 1:
            steps += [op.Link(path=f"{target}/{alias}", target=name) for alias in hierarchy.controllers]
    return [*steps, oci.Remount(target=target, flags=flags)]
