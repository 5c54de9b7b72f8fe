"""A store of its own for each test, and layers in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import Entry, archive, gzipped
from pier.images import ingest
from pier.images.store import ImageStore
from pier.model.image import Layer
from pier.state.paths import Paths


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(Paths(root=str(tmp_path / "root"), run=str(tmp_path / "run")))


@pytest.fixture
def add_layer(store: ImageStore) -> Callable[..., Layer]:
    """`add_layer(entry, …)`: the layer of an archive with these members."""

    def add(*entries: Entry) -> Layer:
        return ingest.add_layer_from_tar(store, io.BytesIO(gzipped(archive(*entries))))

    return add
