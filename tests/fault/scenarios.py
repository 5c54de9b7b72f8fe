"""The commands that are killed, what precedes each, and the folder, project and registry they find."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from archives import archive, entry
from fault.aftermath import PRECIOUS
from harness import Pier
from registry import FaultyRegistry, Pushable, image_of

Words = tuple[str, ...]

# {registry} stands for the registry's address. Every name begins with "cut".
_SLEEPS: Words = ("run", "-d", "--name", "cut", "alpine", "sleep", "1000")
_COMPOSE = """\
name: cut
services:
  one:
    image: alpine
    command: sleep 1000
    init: true
    volumes: ["data:/data"]
  two:
    image: alpine
    command: sleep 1000
    init: true
    depends_on: [one]
volumes:
  data: {}
"""
_DOCKERFILE = "FROM alpine\nRUN echo first > /first\nCOPY compose.yaml /\nRUN echo second > /second\n"


@dataclass(frozen=True)
class Scenario:
    """*command* is killed after *before* has succeeded. *longest*: seconds it takes when left alone, about."""

    name: str
    command: Words
    before: tuple[Words, ...] = ()
    stdin: str = ""
    longest: float = 0.15


SCENARIOS = (
    Scenario("create", ("create", "--name", "cut", "-v", "/anonymous", "alpine", "true")),
    Scenario("run", ("run", "--rm", "--name", "cut", "-v", "/anonymous", "-v", f"{PRECIOUS}:/data", "alpine", "true")),
    Scenario("run-detached", ("run", "-d", "-p", "127.0.0.1::80", "--name", "cut", "alpine", "sleep", "1000")),
    Scenario("run-init", ("run", "-d", "--init", "--restart", "always", "--name", "cut", "alpine", "sleep", "1000")),
    Scenario("start", ("start", "cut"), (("create", "--name", "cut", "alpine", "sleep", "1000"),)),
    Scenario("exec", ("exec", "cut", "echo", "said"), (_SLEEPS,)),
    Scenario("stop", ("stop", "-t", "0", "cut"), (_SLEEPS,)),
    Scenario("restart", ("restart", "-t", "0", "cut"), (_SLEEPS,), longest=0.3),
    Scenario("rm", ("rm", "-f", "-v", "cut"), (("run", "-d", "--name", "cut", "-v", "/a", "alpine", "sleep", "1000"),)),
    Scenario("rename", ("rename", "cut", "cut-again"), (_SLEEPS,)),
    Scenario("cp", ("cp", "/etc/passwd", "cut:/tmp/x"), (("create", "--name", "cut", "alpine", "true"),)),
    Scenario("volume-create", ("volume", "create", "cut")),
    Scenario("volume-rm", ("volume", "rm", "cut"), (("volume", "create", "cut"),)),
    Scenario("network-create", ("network", "create", "cut")),
    Scenario(
        "network-rm",
        ("network", "rm", "cut"),
        (
            ("network", "create", "--subnet", "10.214.77.0/24", "cut"),
            ("run", "--rm", "--network", "cut", "alpine", "true"),
        ),
    ),
    Scenario("build", ("build", "--no-cache", "-t", "cut", "-f", "Dockerfile", "."), longest=0.7),
    Scenario("pull", ("pull", "{registry}/cut:1"), longest=0.3),
    Scenario("rmi", ("rmi", "{registry}/cut:1"), (("pull", "{registry}/cut:1"),)),
    Scenario("compose-up", ("compose", "up", "-d"), longest=0.5),
    Scenario("compose-down", ("compose", "down", "-v", "-t", "0"), (("compose", "up", "-d"),), longest=0.4),
)


def furnish(folder: Path) -> None:
    """The files that build and compose read."""
    (folder / "compose.yaml").write_text(_COMPOSE)
    (folder / "Dockerfile").write_text(_DOCKERFILE)


def pushable() -> Pushable:
    """An image of two layers that no other image shares."""
    return image_of(archive(entry("a", os.urandom(100_000))), archive(entry("b", os.urandom(100_000))), Cmd=["/a"])


@dataclass(frozen=True)
class Stage:
    """One store with a registry at its side, ready for scenarios."""

    pier: Pier
    registry: FaultyRegistry

    def words(self, words: Words) -> list[str]:
        return [word.replace("{registry}", self.registry.address) for word in words]

    def prepare(self, scenario: Scenario) -> list[str]:
        """The scenario's past has happened; its command's words."""
        for words in scenario.before:
            self.pier(*self.words(words))
        return self.words(scenario.command)

    def repeat(self, scenario: Scenario) -> None:
        """The command that was killed does its work when nobody kills it."""
        self.pier(*self.prepare(scenario))
