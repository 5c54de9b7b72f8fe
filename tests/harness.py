"""Drives the installed command line as a user would: subprocesses, pseudo-terminals, conditions awaited with a bound.

Imports nothing of pier: whatever a test learns, it learned from the command line or from the kernel.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pexpect

T = TypeVar("T")

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_TIMEOUT = 120.0
_POLL_SECONDS = 0.02
_ID_LENGTH = 64


def wait_until(condition: Callable[[], T], *, timeout: float = 30.0, what: str) -> T:
    """The first true value of *condition*; AssertionError naming *what* when *timeout* seconds brought none."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(_POLL_SECONDS)


@dataclass(frozen=True)
class Result:
    """What one command left behind."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def words(self) -> str:
        """The first line's text, stripped: an id, a name, a number."""
        return self.out.strip()

    def json(self) -> Any:
        return json.loads(self.out)

    def rows(self) -> list[dict[str, Any]]:
        """One object a line, as `--format json` prints."""
        return [json.loads(line) for line in self.lines]

    def __str__(self) -> str:
        return f"$ {' '.join(self.argv)}\n[exit {self.code}]\n{self.out}{self.err}"


@dataclass
class Pier:
    """The command line over one store. Calling it runs a command that must succeed; `fails` one that must not."""

    command: Sequence[str]
    root: Path
    cwd: Path
    extra_env: Mapping[str, str] = field(default_factory=dict)
    children: list[subprocess.Popen[str]] = field(default_factory=list)
    terminals: list[pexpect.spawn[str]] = field(default_factory=list)
    networks: set[str] = field(default_factory=set)

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIER_", "COMPOSE_"))}
        return {**kept, "PIER_ROOT": str(self.root), **self.extra_env}

    def argv(self, args: Sequence[object]) -> list[str]:
        return [*self.command, *(str(arg) for arg in args)]

    def run(
        self,
        *args: object,
        stdin: str | None = None,
        cwd: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """The result, whatever the exit code. A command past *timeout* is killed and fails the test."""
        process = self.start(*args, cwd=cwd, env=env)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"$ pier {' '.join(map(str, args))}: no end after {timeout:g} s\n{out}{err}") from None
        return Result(("pier", *map(str, args)), process.returncode, out, err)

    def __call__(self, *args: object, **options: Any) -> Result:
        result = self.run(*args, **options)
        assert result.code == 0, str(result)
        return result

    def fails(self, *args: object, code: int, **options: Any) -> Result:
        """A command that must end with *code*, without a traceback."""
        result = self.run(*args, **options)
        assert result.code == code, f"expected exit {code}: {result}"
        assert "Traceback" not in result.err, str(result)
        return result

    def start(
        self, *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A command in the background, its streams as pipes; ended with the test."""
        process = subprocess.Popen(
            self.argv(args),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd or self.cwd,
            env={**self.env, **(env or {})},
            start_new_session=True,
        )
        self.children.append(process)
        self.note_networks()
        return process

    def note_networks(self) -> None:
        """Remember the ids of the networks there are: what is left of a removed one must be told from others' later."""
        folder = self.root / "networks"
        if folder.is_dir():
            self.networks |= {name for name in os.listdir(folder) if len(name) == _ID_LENGTH}

    def terminal(self, *args: object, cwd: Path | None = None, size: tuple[int, int] = (24, 80)) -> pexpect.spawn[str]:
        """A command on a pseudo-terminal of *size* rows and columns; ended with the test."""
        command, *rest = self.argv(args)
        child: pexpect.spawn[str] = pexpect.spawn(
            command,
            rest,
            cwd=str(cwd or self.cwd),
            env={**self.env, "TERM": "xterm"},
            dimensions=size,
            encoding="utf-8",
            timeout=30,
        )
        child.delaybeforesend = None
        self.terminals.append(child)
        return child

    def end_children(self) -> None:
        """Every command still running is killed."""
        for child in self.children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        for terminal in self.terminals:
            terminal.close(force=True)
        self.children.clear()
        self.terminals.clear()

    def sweep(self) -> None:
        """No container, named volume or network of a test is left; the images stay."""
        self.note_networks()
        containers = self.run("ps", "-aq").lines
        if containers:
            self("rm", "-f", "-v", *containers)
        self("network", "prune", "-f")
        volumes = self.run("volume", "ls", "-q").lines
        if volumes:
            self("volume", "rm", "-f", *volumes)

    def state(self, container: str) -> dict[str, Any]:
        """`State` of *container* as `inspect` tells it."""
        found: dict[str, Any] = self("inspect", container).json()[0]["State"]
        return found

    def status(self, container: str) -> str:
        return str(self.state(container)["Status"])

    def names(self, *, all: bool = False) -> list[str]:
        """The names `ps` shows."""
        return self("ps", *(["-a"] if all else []), "--format", "{{.Names}}").lines


def http_get(url: str, *, timeout: float = 5.0) -> tuple[int, str]:
    """Status and body; OSError while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()


def http_wait(url: str, *, timeout: float = 60.0) -> str:
    """The body of the first 200 that *url* answers."""

    def answered() -> str | None:
        try:
            status, body = http_get(url)
        except OSError:
            return None
        return body if status == 200 else None

    return str(wait_until(answered, timeout=timeout, what=f"{url} answers 200"))


@contextmanager
def small_disk(directory: Path, *, size: str) -> Iterator[Path]:
    """A tmpfs of *size* at *directory*: a disk that fills up."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)
