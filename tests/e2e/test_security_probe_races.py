"""A program in a container exchanges files while pier's commands look at them: none of them is led out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness import Pier

_TURNS = 30
# renameat2(2) with RENAME_EXCHANGE, for ever: at each moment there is a file, and it is one of the two.
_FLIPPER = """\
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
int main(int count, char **words) {
    if (count != 3) return 1;
    for (;;) renameat2(AT_FDCWD, words[1], AT_FDCWD, words[2], RENAME_EXCHANGE);
}
"""


@pytest.fixture
def flipper(tmp_path: Path) -> Path:
    """A folder with the static program `flip A B`."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc (Debian: gcc, libc6-dev)")
    folder = tmp_path / "flipper"
    folder.mkdir()
    (folder / "flip.c").write_text(_FLIPPER)
    subprocess.run(["gcc", "-static", "-O1", "-o", folder / "flip", folder / "flip.c"], check=True)
    return folder


def test_cp_is_not_led_out_by_a_folder_that_turns_into_a_link(pier: Pier, tmp_path: Path, flipper: Path) -> None:
    prey = tmp_path / "prey"
    (prey / "sub").mkdir(parents=True)
    (prey / "secret").write_text("secret")
    (tmp_path / "bait").write_text("bait")
    script = f"mkdir -p /d/sub; echo mine > /d/secret; ln -s {prey} /l; exec /f/flip /d /l"
    pier("run", "-d", "--name", "turning", "-v", f"{flipper}:/f:ro", "alpine", "sh", "-c", script)
    for number in range(_TURNS):
        pier.run("cp", "bait", "turning:/d/sub/")
        pier.run("cp", "bait", f"turning:/d/{number}")
        fetched = tmp_path / "fetched"
        pier.run("cp", "turning:/d/secret", fetched)
        assert not fetched.exists() or fetched.read_text() == "mine\n"
    assert sorted(str(path.relative_to(prey)) for path in prey.rglob("*")) == ["secret", "sub"]


def test_exec_is_not_made_to_run_piers_interpreter_by_a_file_that_changes(pier: Pier, flipper: Path) -> None:
    """CVE-2019-5736 with the file exchanged between look and execve(2): the loader of the image must never run."""
    loader = "exec /f/flip /bin/x /bin/y"
    script = f"ln -s /proc/self/exe /bin/y; ln -s /bin/true /bin/x; {loader}"
    pier("run", "-d", "--name", "turning", "-v", f"{flipper}:/f:ro", "python:3.11-slim", "sh", "-c", script)
    for _ in range(_TURNS):
        told = pier.run("exec", "turning", "/bin/x")
        assert told.code == 0 or (told.code == 126 and "own interpreter" in told.err), str(told)
