"""`pier info` and `pier version`: this machine, this store, this pier. Changes nothing."""

from __future__ import annotations

import os
import sys

from pier import __version__
from pier.cli.options import Command, object_format
from pier.model.quantities import binary_size
from pier.ui import jsonout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.options import Arguments
    from pier.cli.session import Session
    from pier.engine.context import Engine

# The Engine API whose objects `inspect` prints.
API_VERSION = "1.47"


def version(session: Session, arguments: Arguments) -> int:
    """Print the versions; Client and Server are the same program."""
    shape = _version_shape()
    chosen = arguments.text("format")
    if chosen:
        _show(shape, chosen)
        return 0
    client = shape["Client"]
    sys.stdout.write(
        f"pier {client['Version']}\n"
        f" API version:       {client['ApiVersion']} (shape of the objects; no daemon)\n"
        f" Python version:    {client['PythonVersion']}\n"
        f" OS/Arch:           {client['Os']}/{client['Arch']}\n"
        f" Kernel:            {client['KernelVersion']}\n"
    )
    return 0


def _version_shape() -> dict[str, Any]:
    names = os.uname()
    part = {
        "Platform": {"Name": "pier"},
        "Version": __version__,
        "ApiVersion": API_VERSION,
        "DefaultAPIVersion": API_VERSION,
        "MinAPIVersion": "1.24",
        "Os": "linux",
        "Arch": _architecture(names.machine),
        "KernelVersion": names.release,
        "PythonVersion": sys.version.split()[0],
        "Context": "default",
    }
    return {"Client": part, "Server": part}


def _architecture(machine: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)


def _show(shape: dict[str, Any], chosen: str) -> None:
    if chosen == "json":
        sys.stdout.write(jsonout.compact(shape) + "\n")
        return
    from pier.ui.gotemplate import Template

    sys.stdout.write(Template(chosen).render(shape) + "\n")


def info(session: Session, arguments: Arguments) -> int:
    """Print what this machine and this store are."""
    shape = _info_shape(session.engine)
    chosen = arguments.text("format")
    if chosen:
        _show(shape, chosen)
        return 0
    sys.stdout.write(_info_text(shape))
    return 0


def _info_shape(engine: Engine) -> dict[str, Any]:
    from pier.engine.listing import containers

    found = containers(engine, all=True)
    from pier.engine import storage

    problem = storage.overlay_problem(engine.paths)
    names = os.uname()
    states = [item.state.status for item in found]
    return {
        "ID": "",
        "Containers": len(found),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": states.count("paused"),
        "ContainersStopped": len(found) - states.count("running") - states.count("paused"),
        "Images": len(engine.images.list()),
        "Driver": "overlay2" if not problem else "none",
        "DriverStatus": [["Native Overlay", problem or "true"], ["userxattr", str(engine.place.ids.nested).lower()]],
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Log": ["json-file"]},
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "1" if _has_v1() else "2",
        "KernelVersion": names.release,
        "OperatingSystem": _operating_system(),
        "OSType": "linux",
        "Architecture": names.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "DockerRootDir": engine.paths.root,
        "Name": names.nodename,
        "ServerVersion": __version__,
        "DefaultRuntime": "pier",
        "SecurityOptions": ["name=seccomp,profile=builtin", *(["name=rootless"] if engine.place.ids.nested else [])],
        "Place": engine.place.letter,
        "PlaceTitle": engine.place.title,
        "Isolation": engine.place.isolation,
        "UserIds": engine.place.ids.count,
        "Warnings": None,
    }


def _has_v1() -> bool:
    from pier.kernel import cgroup

    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        return any(name for name in cgroup.hierarchies(stream.read()))


def _operating_system() -> str:
    """The pretty name of os-release(5)."""
    try:
        with open("/etc/os-release", encoding="utf-8") as stream:
            for line in stream:
                name, _, text = line.strip().partition("=")
                if name == "PRETTY_NAME":
                    return text.strip("\"'")
    except FileNotFoundError:
        return "Linux"
    return "Linux"


def _info_text(shape: dict[str, Any]) -> str:
    return (
        f"pier version: {shape['ServerVersion']} (no daemon)\n"
        f"Place: {shape['Place']} ({shape['PlaceTitle']}): {shape['Isolation']}\n"
        f"Containers: {shape['Containers']}\n"
        f" Running: {shape['ContainersRunning']}\n"
        f" Paused: {shape['ContainersPaused']}\n"
        f" Stopped: {shape['ContainersStopped']}\n"
        f"Images: {shape['Images']}\n"
        f"Storage Driver: {shape['Driver']}\n"
        f"{''.join(f' {name}: {told}{chr(10)}' for name, told in shape['DriverStatus'])}"
        f"Logging Driver: {shape['LoggingDriver']}\n"
        f"Cgroup Driver: {shape['CgroupDriver']}\n"
        f"Cgroup Version: {shape['CgroupVersion']}\n"
        f"Plugins:\n"
        f" Volume: {' '.join(shape['Plugins']['Volume'])}\n"
        f" Network: {' '.join(shape['Plugins']['Network'])}\n"
        f" Log: {' '.join(shape['Plugins']['Log'])}\n"
        f"Security Options: seccomp, profile builtin\n"
        f"Kernel Version: {shape['KernelVersion']}\n"
        f"Operating System: {shape['OperatingSystem']}\n"
        f"OSType: {shape['OSType']}\n"
        f"Architecture: {shape['Architecture']}\n"
        f"CPUs: {shape['NCPU']}\n"
        f"Total Memory: {binary_size(shape['MemTotal'])}\n"
        f"Name: {shape['Name']}\n"
        f"Root Dir: {shape['DockerRootDir']}\n"
    )


INFO = Command(run=info, usage="[OPTIONS]", options=(object_format(),))
VERSION = Command(run=version, usage="[OPTIONS]", options=(object_format(),))
