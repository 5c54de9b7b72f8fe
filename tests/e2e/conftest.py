"""The lab's application as a project of its own, and its image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import debian_registry as registries
from harness import Pier
from project import BUILD_SECONDS, Stack, example_copy


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that names PLACES has its tests run in each of them."""
    places = getattr(metafunc.module, "PLACES", ())
    if places and "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places, indirect=True)


@pytest.fixture
def tmp_path(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An empty folder that the user of the test's place may write to."""
    if place == "U":
        folder: Path = request.getfixturevalue("user").folder("test")
        return folder
    return tmp_path


@pytest.fixture
def stack(pier: Pier, tmp_path: Path, free_port: int) -> Stack:
    """The example in a project called simple-api; nothing is up yet."""
    pier.extra_env = {"API_PORT": str(free_port)}
    return Stack(pier, example_copy(tmp_path / "simple-api"), free_port)


@pytest.fixture
def simple_api(pier: Pier, tmp_path: Path) -> str:
    """The image of the lab's API; the first test that asks for it builds it."""
    pier("build", "-t", "simple-api", ".", cwd=example_copy(tmp_path / "context"), timeout=BUILD_SECONDS)
    return "simple-api"


@pytest.fixture
def registry(image_store: Path, tmp_path: Path) -> Iterator[registries.Registry]:
    """A registry on this machine; the images come from the prepared store."""
    lacking = registries.missing()
    if lacking:
        pytest.skip(f"needs {lacking} (apt)")
    with registries.serve(tmp_path, image_store) as served:
        yield served
