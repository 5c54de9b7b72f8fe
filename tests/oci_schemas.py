"""The OCI runtime specification's JSON schemas, which lie beside the checkout in ../shared/specs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from harness import CHECKOUT

_PLACES = (CHECKOUT.parent / "shared" / "specs" / "oci-runtime-spec",)


def check(value: Any, schema: str) -> None:
    """*value* follows the *schema* (config, state, features); skipped by name where the schemas are not there."""
    folder = next((place for place in _PLACES if place.is_dir()), None)
    if folder is None:
        pytest.skip("needs the specification's schemas in ../shared/specs")

    def load(path: Path) -> Resource[Any]:
        return Resource.from_contents(json.loads(path.read_text()), default_specification=DRAFT4)

    registry: Registry[Any] = Registry().with_resources([(path.name, load(path)) for path in folder.glob("*.json")])
    text = json.loads((folder / f"{schema}-schema.json").read_text())
    validator = jsonschema.Draft4Validator(text, registry=registry)
    # Through JSON, as the file would be read.
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.loads(json.dumps(value)))]
    assert not errors, "\n".join(errors)
