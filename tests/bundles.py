"""OCI bundles for tests: a root file system of busybox, runc's own starter configuration, and who can run them."""

from __future__ import annotations

import copy
import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import Pier

_UNIFIED = Path("/sys/fs/cgroup/unified")
_SECONDS = 60.0
# crun refuses a version 2 tree beside version 1 controllers; it is hidden from it alone.
_HIDDEN = ("unshare", "-m", "sh", "-c", f'umount {_UNIFIED} 2>/dev/null; exec "$@"', "sh")


@dataclass
class Runtime:
    """One OCI runtime by its command line, with a state folder of its own."""

    name: str
    prefix: tuple[str, ...]
    root: Path
    containers: set[str] = field(default_factory=set)

    def run(self, *words: object, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One command, its streams captured; containers it names are deleted by `close`."""
        argv = [*self.prefix, "--root", str(self.root), *map(str, words)]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=_SECONDS, cwd=cwd, check=False)

    def quiet(self, *words: object) -> int:
        """The exit code of a command whose container keeps the streams open: pipes would be waited for."""
        argv = [*self.prefix, "--root", str(self.root), *map(str, words)]
        with open(os.devnull, "r+") as null:
            return subprocess.run(argv, stdin=null, stdout=null, stderr=null, timeout=_SECONDS, check=False).returncode

    def state(self, identifier: str) -> dict[str, Any]:
        done = self.run("state", identifier)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status(self, identifier: str) -> str:
        return str(self.state(identifier)["status"])

    def close(self) -> None:
        for identifier in self.containers:
            self.quiet("delete", "--force", identifier)


def runtime(name: str, pier: Pier, root: Path) -> Runtime:
    """*name* is pier, crun or runc."""
    if name == "pier":
        return Runtime(name, (*pier.command, "--root", str(pier.root), "oci"), root)
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert found
    return Runtime(name, (*_HIDDEN, found), root)


def available(name: str) -> bool:
    return name == "pier" or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") is not None


@dataclass
class Bundle:
    """A folder with config.json and rootfs."""

    folder: Path
    config: dict[str, Any]

    @property
    def rootfs(self) -> Path:
        return self.folder / "rootfs"

    def changed(self, change: Callable[[dict[str, Any]], object]) -> Bundle:
        """*change* is made to the configuration, and it is written."""
        change(self.config)
        (self.folder / "config.json").write_text(json.dumps(self.config))
        return self

    def command(self, *argv: str) -> Bundle:
        """The program to run."""
        return self.changed(lambda config: config["process"].update(args=list(argv)))

    def script(self, text: str) -> Bundle:
        return self.command("sh", "-c", text)


def busybox(pier: Pier, folder: Path) -> Bundle:
    """A bundle over busybox with the configuration that runc writes to begin with, without a terminal."""
    rootfs = folder / "rootfs"
    rootfs.mkdir(parents=True)
    for layer in pier("inspect", "busybox").json()[0]["RootFS"]["Layers"]:
        source = pier.root / "layers" / layer.removeprefix("sha256:")
        subprocess.run(["cp", "-a", f"{source}/.", str(rootfs)], check=True)
    return Bundle(folder, starter()).script("true")


def starter() -> dict[str, Any]:
    """What `runc spec` 1.1 writes, but for the terminal."""
    return copy.deepcopy(_STARTER)


def receive_terminal(listener: socket.socket) -> int:
    """The fd that a runtime sends through its console socket."""
    connection, _ = listener.accept()
    with connection:
        _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(4))
    ((_, _, payload),) = ancillary
    return int(struct.unpack("i", payload[:4])[0])


def _tmpfs(target: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "tmpfs", "source": source, "options": list(options)}


def _kernel(kind: str, target: str, options: Sequence[str]) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_SAFE = ("nosuid", "noexec", "nodev")
_STARTER: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {
            "bounding": list(_CAPABILITIES),
            "effective": list(_CAPABILITIES),
            "permitted": list(_CAPABILITIES),
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "bundle",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        _tmpfs("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _kernel("devpts", "/dev/pts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
        _tmpfs("/dev/shm", "shm", *_SAFE, "mode=1777", "size=65536k"),
        _kernel("mqueue", "/dev/mqueue", _SAFE),
        _kernel("sysfs", "/sys", (*_SAFE, "ro")),
        _kernel("cgroup", "/sys/fs/cgroup", (*_SAFE, "relatime", "ro")),
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
}
