"""An ordinary user of this machine, made for the tests and removed after them, and pier where they can execute it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import Pier, wait_until

PYTHON = "/usr/bin/python3"
_NEEDED = ("useradd", "userdel", "setpriv", "newuidmap", "newgidmap")
# What no command of pier imports: tools of this checkout's own.
_NOT_LENT = re.compile(r"_?_?(editable_impl_)?pier|mypy|ruff|_?pytest|hypothesis|pip|pexpect|ptyprocess|__pycache__")


def missing() -> str:
    """What this machine lacks for tests in place U; "" when it has all."""
    for program in _NEEDED:
        if shutil.which(program) is None:
            return program
    if not os.access(PYTHON, os.X_OK):
        return f"{PYTHON}, an interpreter that every user may execute"
    limit = Path("/proc/sys/user/max_user_namespaces")
    if limit.exists() and limit.read_text().strip() == "0":
        return "user namespaces (user.max_user_namespaces is 0)"
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restricted.exists() and restricted.read_text().strip() == "1":
        return "user namespaces for unconfined programs (kernel.apparmor_restrict_unprivileged_userns is 1)"
    return ""


@dataclass(frozen=True)
class Userland:
    """The *user*, their *home*, and the words that run pier as them."""

    user: str
    home: Path
    program: Path

    @property
    def command(self) -> list[str]:
        return [
            *("setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"),
            *("env", "-u", "XDG_RUNTIME_DIR", f"HOME={self.home}", str(self.program)),
        ]

    def own(self, path: Path) -> Path:
        """*path*, which is the user's now."""
        entry = pwd.getpwnam(self.user)
        subprocess.run(["chown", "-R", f"{entry.pw_uid}:{entry.pw_gid}", str(path)], check=True)
        return path

    def folder(self, prefix: str) -> Path:
        return self.own(Path(tempfile.mkdtemp(prefix=prefix, dir=self.home)))

    def pier(self, root: Path, cwd: Path) -> Pier:
        return Pier(self.command, root, cwd)


@contextmanager
def made(name: str, program: Path, *, ids: bool = True) -> Iterator[Userland]:
    """The user *name*, with a range of subordinate *ids* or without."""
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", name], check=True, capture_output=True)
    try:
        if not ids:
            for table in ("/etc/subuid", "/etc/subgid"):
                subprocess.run(["sed", "-i", f"/^{name}:/d", table], check=True)
        yield Userland(name, Path(pwd.getpwnam(name).pw_dir), program)
    finally:
        uid = str(pwd.getpwnam(name).pw_uid)
        # A holder stays for a moment after the last command.
        wait_until(lambda: not _processes(uid), what=f"the processes of {name} have ended")
        shutil.rmtree(pwd.getpwnam(name).pw_dir, ignore_errors=True)
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


def _processes(uid: str) -> list[str]:
    found = subprocess.run(["pgrep", "-u", uid, "--runstates", "R,S,D,T"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def install(wheel: Path, libraries: Path, target: Path, must: Callable[[list[str]], None]) -> Path:
    """The `pier` of *wheel* in a virtual environment that every user may execute, with copies of the *libraries*."""
    target.chmod(0o755)
    venv = target / "venv"
    must([PYTHON, "-m", "venv", "--without-pip", str(venv)])
    (there,) = venv.glob("lib/python3.*/site-packages")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(venv / "bin/python")]
    must([*pip, "install", "--no-deps", "--no-index", str(wheel)])
    for entry in libraries.iterdir():
        if not _NOT_LENT.match(entry.name) and not (there / entry.name).exists():
            copy = shutil.copytree if entry.is_dir() else shutil.copy2
            copy(entry, there / entry.name)  # type: ignore[operator]
    must(["chmod", "-R", "a+rX", str(venv)])
    return venv / "bin/pier"
