"""What a RUN step sees besides its layers: mounts of the Dockerfile, secrets, the network's files, the host's settings.

Everything is mounted over the step's root, so nothing of it can reach a layer.
"""

from __future__ import annotations

import hashlib
import os

from pier.build.hostenv import CA_TARGET, PROXIES
from pier.build.place import Placer
from pier.build.sources import Found, find
from pier.build.transfer import Manner, Transfer
from pier.errors import NotFound
from pier.model.record import Record
from pier.runtime.plan import Tmpfs
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from pier.build.mounts import RunMount
    from pier.build.options import BuildOptions
    from pier.build.sources import Origin
    from pier.build.steps import RunPlan

_LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


class Provided(Record):
    """*binds* and *tmpfs* as `StepSpec` takes them, and the step's whole environment."""

    binds: tuple[tuple[str, str, bool], ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    env: dict[str, str] = {}


class Provider:
    """Provides for the steps of one build. *mounts*: the folder of cache mounts; *origin* knows what `from=` names."""

    def __init__(self, options: BuildOptions, mounts: str, origin: Callable[[str], Origin]) -> None:
        self._options = options
        self._mounts = mounts
        self._origin = origin

    def provide(self, run: RunPlan, scratch: str, held: ExitStack) -> Provided:
        """All that *run* needs; locks of its cache mounts are entered into *held*.

        NotFound for a secret that was not given and a bind source that is not there.
        """
        parts = [self._network_files(run, scratch), self._host()]
        if run.script is not None:
            parts.append(_script(run.script, scratch))
        for number, mount in enumerate(run.mounts):
            parts.append(self._mount(mount, f"{scratch}/mount{number}", held))
        return Provided(
            binds=tuple(bind for part in parts for bind in part.binds),
            tmpfs=tuple(item for part in parts for item in part.tmpfs),
            env={**self._environment(run), **{name: value for part in parts for name, value in part.env.items()}},
        )

    def _environment(self, run: RunPlan) -> dict[str, str]:
        """The host's proxies and settings under the image's own variables; --build-arg may name proxies undeclared."""
        given = {name: value for name, value in self._options.build_args.items() if name in PROXIES}
        return {**self._options.host.proxies, **given, **self._options.host.variables(), **run.env}

    def _host(self) -> Provided:
        bundle = self._options.host.ca_bundle
        if not bundle or not os.path.isfile(bundle):
            return Provided()
        return Provided(binds=((os.path.realpath(bundle), CA_TARGET, True),))

    def _network_files(self, run: RunPlan, scratch: str) -> Provided:
        """/etc/hosts and /etc/resolv.conf, copies of the host's where the step uses its network, as BuildKit gives
        them.
        """
        extra = "".join(f"{_address(address)}\t{name}\n" for name, address in self._options.extra_hosts)
        hosts, resolver = _LOCALHOST, ""
        if run.network == "host":
            hosts = _host_text("/etc/hosts") or _LOCALHOST
            resolver = _host_text("/etc/resolv.conf")
        binds = []
        for name, text in (("hosts", hosts + extra), ("resolv.conf", resolver)):
            path = f"{scratch}/{name}"
            files.write_text(path, text, mode=0o644)
            binds.append((path, f"/etc/{name}", False))
        return Provided(binds=tuple(binds))

    def _mount(self, mount: RunMount, scratch: str, held: ExitStack) -> Provided:
        if mount.kind == "tmpfs":
            options = (f"size={mount.size}",) if mount.size else ()
            return Provided(tmpfs=(Tmpfs(target=mount.target, options=options),))
        if mount.kind == "secret":
            return self._secret(mount, scratch)
        if mount.kind == "cache":
            return self._cache(mount, scratch, held)
        return Provided(binds=((self._copied(mount, scratch), mount.target, mount.readonly),))

    def _secret(self, mount: RunMount, scratch: str) -> Provided:
        secret = next((item for item in self._options.secrets if item.id == mount.id), None)
        if secret is None:
            if mount.required:
                raise NotFound(f"secret {mount.id}: not found", hint=f"--secret id={mount.id},src=FILE")
            return Provided()
        value = _secret_text(secret.source) if secret.source else secret.value.encode()
        env = {mount.env: value.decode("utf-8", "surrogateescape")} if mount.env else {}
        if mount.env and not mount.target:
            return Provided(env=env)
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(value)
            os.fchown(fd, mount.uid, mount.gid)
            os.fchmod(fd, mount.mode if mount.mode >= 0 else 0o400)
        return Provided(binds=((scratch, mount.target or f"/run/secrets/{mount.id}", True),), env=env)

    def _cache(self, mount: RunMount, scratch: str, held: ExitStack) -> Provided:
        name = hashlib.sha256((mount.id or mount.target).encode()).hexdigest()[:32]
        path = f"{self._mounts}/{name}"
        lock = files.FileLock(path + ".lock", blocking=mount.sharing == "locked")
        files.ensure_dir(self._mounts)
        if mount.sharing != "shared":
            try:
                held.enter_context(lock)
            except BlockingIOError:  # private, and another build has it: a fresh one for this step
                path = scratch
        if not os.path.isdir(path):
            self._seed(mount, path)
        return Provided(binds=((path, mount.target, mount.readonly),))

    def _seed(self, mount: RunMount, path: str) -> None:
        os.mkdir(path)
        if mount.source_stage:
            self._fill(mount, path)
        os.chown(path, mount.uid, mount.gid)
        os.chmod(path, mount.mode if mount.mode >= 0 else 0o755)

    def _copied(self, mount: RunMount, scratch: str) -> str:
        """The source itself where nobody can change it, else a copy: without what is ignored, and its changes are
        lost.
        """
        origin = self._origin(mount.source_stage)
        if mount.readonly and not mount.source_stage and origin.rules is None:
            return find(origin, mount.source or "/")[0].node.real
        os.mkdir(scratch, 0o755)
        found = self._fill(mount, scratch)
        return scratch if found.node.is_dir else f"{scratch}/{found.name}"

    def _fill(self, mount: RunMount, directory: str) -> Found:
        origin = self._origin(mount.source_stage)
        found = find(origin, mount.source or "/")[0]
        with Placer((), directory) as placer:
            manner = Manner(keep_owners=bool(mount.source_stage))
            Transfer(placer, origin.tree, "/", manner).copy([found], None)
        return found


def _script(script: tuple[str, str], scratch: str) -> Provided:
    name, text = script
    path = f"{scratch}/script"
    files.write_text(path, text, mode=0o755)
    os.chmod(path, 0o755)
    return Provided(binds=((path, f"/dev/pipes/{name}", True),))


def _address(text: str) -> str:
    """Docker's word for the host itself, which is this very machine for a step on its network."""
    return "127.0.0.1" if text == "host-gateway" else text


def _host_text(path: str) -> str:
    try:
        return files.read_text(path)
    except (FileNotFoundError, PermissionError):
        return ""


def _secret_text(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as exc:
        raise NotFound(f"cannot read the secret file {path}", why=exc.strerror or "") from exc
