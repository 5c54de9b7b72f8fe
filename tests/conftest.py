"""Fixtures of every test. The e2e ones install pier as a user has it and give it a store with the lab's images.

The images are assembled once into `.cache/e2e/store` of the checkout and hard-linked from there; remove the folder
to start from nothing. Tests of one session share one store and run one after the other, as a person's commands do.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import leaks
import userland
from harness import CHECKOUT, Pier, wait_until

CACHE = CHECKOUT / ".cache" / "e2e"
LAB_IMAGES = ("hello-world", "busybox", "alpine", "python:3.11-slim", "postgres:16")
_ASSEMBLY_SECONDS = 600.0


def pytest_configure() -> None:
    """Ctrl-C can be tested also where the shell that started us ignores it for background jobs (signal(7), exec)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """e2e tests come last, and are skipped, by name of what is missing, where they cannot run."""
    items.sort(key=lambda item: "/e2e/" in str(item.path))
    if os.geteuid() != 0:
        for item in items:
            if "/e2e/" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="needs root (place R)"))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-input"]
    _must([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(place), str(CHECKOUT)])
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def pier_command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The `pier` a user gets: the wheel of this checkout, installed by pip into a fresh virtual environment.

    PIER_COMMAND names another installation to test instead.
    """
    chosen = os.environ.get("PIER_COMMAND", "")
    if chosen:
        return chosen.split()
    wheel = request.getfixturevalue("wheel")
    place = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-input"]
    venv = place / "venv"
    _must([sys.executable, "-m", "venv", "--without-pip", str(venv)])
    _must([*pip, "--python", str(venv / "bin/python"), "install", "--no-deps", "--no-index", str(wheel)])
    _lend_dependencies(venv)
    return [str(venv / "bin/pier")]


def _lend_dependencies(venv: Path) -> None:
    """Link the dependencies of the running environment into *venv*, instead of fetching them again."""
    (there,) = venv.glob("lib/python3.*/site-packages")
    (here,) = Path(sys.prefix).glob("lib/python3.*/site-packages")
    for entry in here.iterdir():
        if not re.match(r"_?_?(editable_impl_)?pier", entry.name) and not (there / entry.name).exists():
            (there / entry.name).symlink_to(entry)


def _must(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.exit(f"$ {' '.join(argv)}\n{done.stdout}{done.stderr}", returncode=3)


@pytest.fixture(scope="session")
def image_store(pier_command: list[str]) -> Path:
    """A store that holds the lab's images and nothing else."""
    store = CACHE / "store"
    store.mkdir(parents=True, exist_ok=True)
    pier = Pier(pier_command, store, CHECKOUT)
    for image in LAB_IMAGES:
        if pier.run("image", "inspect", image).code:
            result = pier.run("pull", image, timeout=_ASSEMBLY_SECONDS)
            if result.code:
                print(result, file=sys.stderr)
    return store


def link_store(source: Path, target: Path, folders: tuple[str, ...]) -> Path:
    """*target* with hard links of *folders* of *source*: images are never written to, so links serve as copies."""
    target.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        if (source / folder).is_dir():
            subprocess.run(["cp", "-al", str(source / folder), str(target / folder)], check=True)
    return target


@pytest.fixture(scope="session")
def session_root(pier_command: list[str], image_store: Path) -> Iterator[Path]:
    """The store of this session, with the lab's images."""
    parent = CACHE / "sessions"
    parent.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="s", dir=parent))
    link_store(image_store, root, ("images", "layers", "cache"))
    yield root
    remove_store(Pier(pier_command, root, CHECKOUT))


def remove_store(pier: Pier) -> None:
    """End what still runs over the store, take its default network away, which outlives containers, and remove it."""
    root = pier.root
    for network in pier.run("network", "ls", "-q", "--no-trunc").lines:
        leaks.remove_network(network)
    for pid in leaks.processes_of(root):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue
    wait_until(lambda: not leaks.processes_of(root), what=f"processes of {root} are gone")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def _warm(pier_command: list[str], session_root: Path) -> None:
    """The default network exists before anything is compared: Docker's, too, outlives its containers."""
    Pier(pier_command, session_root, CHECKOUT).run("run", "--rm", "busybox", "true")


@pytest.fixture(scope="session")
def user_program(wheel: Path) -> Iterator[Path]:
    """`pier` where every user may execute it."""
    lacking = userland.missing()
    if lacking:
        pytest.skip(f"place U needs {lacking}")
    target = Path(tempfile.mkdtemp(prefix="pier-installed-", dir="/opt"))
    (libraries,) = Path(sys.prefix).glob("lib/python3.*/site-packages")
    yield userland.install(wheel, libraries, target, _must)
    shutil.rmtree(target)


@pytest.fixture(scope="session")
def user(user_program: Path) -> Iterator[userland.Userland]:
    """An ordinary user with subordinate ids."""
    with userland.made(f"pier{os.getpid()}", user_program) as made:
        yield made


@pytest.fixture(scope="session")
def user_root(user: userland.Userland, image_store: Path) -> Iterator[Path]:
    """The user's store, with the lab's images; only the download cache is copied from root's."""
    root = user.folder("store")
    if (image_store / "cache").is_dir():
        subprocess.run(["cp", "-a", str(image_store / "cache"), str(root / "cache")], check=True)
    user.own(root)
    pier = user.pier(root, user.home)
    for image in LAB_IMAGES:
        result = pier.run("pull", image, timeout=_ASSEMBLY_SECONDS)
        if result.code:
            print(result, file=sys.stderr)
    pier.run("run", "--rm", "busybox", "true")
    yield root
    remove_store(pier)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """Where a test runs: "R", as root, unless it is parametrised with "U", as an ordinary user."""
    return str(getattr(request, "param", "R"))


@pytest.fixture
def pier(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pier]:
    """The command line over the session's store. After the test nothing of it may be left: see `leaks`."""
    if place == "U":
        root: Path = request.getfixturevalue("user_root")
        command = request.getfixturevalue("user").pier(root, tmp_path)
    else:
        request.getfixturevalue("_warm")
        root = request.getfixturevalue("session_root")
        command = Pier(request.getfixturevalue("pier_command"), root, tmp_path)
    before = leaks.take(root)
    yield command
    command.end_children()
    command.sweep()
    left = leaks.left_behind(root, before, networks=command.networks, wait=wait_until)
    assert not left, "left behind:\n" + "\n".join(left)


@pytest.fixture
def bare_pier(place: str, request: pytest.FixtureRequest, image_store: Path) -> Iterator[Pier]:
    """The command line over an empty store of its own; only the download cache is lent."""
    if place == "U":
        owner: userland.Userland = request.getfixturevalue("user")
        root = owner.folder("bare")
        subprocess.run(["cp", "-a", str(image_store / "cache"), str(root / "cache")], check=True)
    else:
        parent = CACHE / "sessions"
        parent.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix="b", dir=parent))
        link_store(image_store, root, ("cache",))
    work = root / "work"
    work.mkdir()
    if place == "U":
        owner.own(root)
        command = owner.pier(root, work)
    else:
        command = Pier(request.getfixturevalue("pier_command"), root, work)
    before = leaks.take(root)
    yield command
    command.end_children()
    command.sweep()
    # The default network is of this store's making, and goes with it.
    kept = set(command.run("network", "ls", "-q", "--no-trunc").lines)
    left = leaks.left_behind(root, before, networks=command.networks - kept, wait=wait_until)
    remove_store(command)
    assert not left, "left behind:\n" + "\n".join(left)


@pytest.fixture
def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
