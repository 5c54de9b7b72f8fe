"""A recipe stands in for the names of Docker Hub's library that it can honestly stand in for."""

from __future__ import annotations

import os
import struct

import pytest

from pier import recipes
from pier.errors import Unsupported
from pier.model import reference
from pier.recipes import catalogue, context, greeting
from pier.recipes.machine import architecture


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("hello-world", "hello-world:latest"),
        ("alpine", "alpine:latest"),
        ("alpine:3", "alpine:latest"),
        ("alpine:3.20", "alpine:latest"),
        ("docker.io/library/alpine:3.20.1", "alpine:latest"),
        ("busybox:stable", "busybox:latest"),
        ("debian", "debian:bookworm"),
        ("debian:12.5-slim", "debian:bookworm-slim"),
        ("python:3.11", "python:3.11"),
        ("python:3.11-slim-bookworm", "python:3.11-slim"),
        ("postgres:16", "postgres:16"),
        ("postgres:16.4-bookworm", "postgres:16"),
    ],
)
def test_usual_spellings_have_a_recipe(typed: str, name: str) -> None:
    ref = reference.parse(typed)
    recipe = recipes.find(ref)
    assert recipe is not None
    assert (recipe.name, recipe.asked) == (name, ref.familiar())


@pytest.mark.parametrize(
    "typed",
    [
        "python",
        "python:3.12-slim",
        "python:3.11.9",
        "postgres",
        "postgres:15",
        "postgres:16.x",
        "alpine:edge",
        "alpine:3.x",
        "ubuntu",
        "someone/alpine",
        "registry.example/library/alpine",
        "alpine@sha256:" + "0" * 64,
    ],
)
def test_other_images_have_none(typed: str) -> None:
    assert recipes.find(reference.parse(typed)) is None


def test_names_are_what_a_person_types() -> None:
    for name in recipes.names():
        recipe = recipes.find(reference.parse(name))
        assert recipe is not None and recipe.name.removesuffix(":latest") == name


def test_every_recipe_stands_on_recipes_and_has_its_files() -> None:
    for recipe in catalogue.RECIPES:
        assert all(catalogue.by_name(base) for base in recipe.bases)
        assert not recipe.dockerfile or os.path.isfile(os.path.join(context.FILES, recipe.dockerfile))
        assert recipe.note and recipe.summary


@pytest.mark.parametrize(("kind", "machine"), [("amd64", 62), ("arm64", 183)])
def test_the_greeting_is_a_static_program(kind: str, machine: int) -> None:
    program = greeting.program(kind, "hello\n")
    assert program[:4] == b"\x7fELF"
    assert struct.unpack_from("<HH", program, 16) == (2, machine)
    entry, segment_size = struct.unpack_from("<Q", program, 24)[0], struct.unpack_from("<Q", program, 64 + 32)[0]
    assert entry == 0x400000 + 120
    assert segment_size == len(program)
    assert program.endswith(b"hello\n")


def test_other_machines_are_told_to_pull() -> None:
    assert architecture("x86_64") == "amd64"
    with pytest.raises(Unsupported, match="riscv64"):
        architecture("riscv64")
    with pytest.raises(Unsupported, match="s390x"):
        greeting.program("s390x")
