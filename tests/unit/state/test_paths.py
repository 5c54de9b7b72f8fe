"""Where the store lies, by user, option and environment."""

from __future__ import annotations

import pytest

from pier.errors import Invalid
from pier.state.paths import discover


def test_roots_store_is_the_systems() -> None:
    paths = discover({}, uid=0)
    assert (paths.root, paths.run) == ("/var/lib/pier", "/run/pier")


def test_a_users_store_follows_the_xdg_data_folder_in_every_session() -> None:
    paths = discover({"HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/user/7"}, uid=7)
    assert (paths.root, paths.run) == ("/home/a/.local/share/pier", "/home/a/.local/share/pier/run")
    assert discover({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, uid=7).root == "/data/pier"


def test_the_option_comes_before_the_variable_and_both_before_the_default() -> None:
    assert discover({"PIER_ROOT": "/b"}, root="/a", uid=0).root == "/a"
    assert discover({"PIER_ROOT": "/b"}, uid=0).root == "/b"


def test_a_store_of_its_own_has_its_run_folder_inside() -> None:
    assert discover({"PIER_ROOT": "/b"}, uid=0).run == "/b/run"


@pytest.mark.parametrize("root", ["/a:b", "/a,b"])
def test_a_path_that_overlayfs_would_split_is_refused(root: str) -> None:
    with pytest.raises(Invalid):
        discover({}, root=root, uid=0)
