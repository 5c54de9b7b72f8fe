"""The `pier` command starts from every kind of installation, without `site` where the package lies beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from harness import CHECKOUT

SAYS = """\
import sys
print(sys.flags.isolated, sys.flags.no_site, *sys.argv[1:])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel with the real launcher, whose package only says how it was started."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    shutil.copytree(CHECKOUT / "launcher", source / "launcher")
    package = source / "src" / "pier"
    package.mkdir(parents=True)
    shutil.copy(CHECKOUT / "src/pier/__init__.py", package)
    (package / "__main__.py").write_text(SAYS)
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", source / "dist", source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    return tmp_path / "venv"


def _pip(*args: object, python: Path | None = None, env: dict[str, str] | None = None) -> None:
    chosen = ["--python", str(python)] if python else []
    argv = [sys.executable, "-m", "pip", "--quiet", *chosen, *map(str, args)]
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **(env or {})})


def _started(command: Path | str, *args: str, path: str | None = None, cwd: Path | None = None) -> list[str]:
    env = {**os.environ, **({"PATH": path} if path else {})}
    done = subprocess.run([str(command), *args], capture_output=True, text=True, env=env, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_venv_starts_isolated_and_keeps_the_arguments(venv: Path, wheel: Path) -> None:
    _pip("install", "--no-deps", "--no-index", wheel, python=venv / "bin/python")
    assert _started(venv / "bin/pier", "ps", "-a") == ["1", "1", "ps", "-a"]


def test_a_link_as_pipx_makes_it_finds_the_venv(venv: Path, wheel: Path, tmp_path: Path) -> None:
    _pip("install", "--no-deps", "--no-index", wheel, python=venv / "bin/python")
    links = tmp_path / "links"
    links.mkdir()
    (links / "pier").symlink_to(venv / "bin/pier")
    (links / "docker").symlink_to("pier")
    assert _started(links / "docker", "ps") == ["1", "1", "ps"]
    found = subprocess.run(["pier", "x"], capture_output=True, text=True, env={"PATH": f"{links}:/usr/bin:/bin"})
    assert found.stdout.split() == ["1", "1", "x"]


def test_a_relative_call_works(venv: Path, wheel: Path) -> None:
    _pip("install", "--no-deps", "--no-index", wheel, python=venv / "bin/python")
    assert _started("./pier", cwd=venv / "bin") == ["1", "1"]
    assert _started("bin/pier", cwd=venv) == ["1", "1"]


def test_a_user_install_uses_the_interpreter_its_path_names(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    _pip("install", "--no-deps", "--no-index", "--ignore-installed", "--prefix", home, wheel)
    assert _started(home / "bin/pier", path=f"{sysconfig.get_path('scripts')}:/usr/bin:/bin") == ["1", "1"]


def test_a_missing_interpreter_is_named(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    _pip("install", "--no-deps", "--no-index", "--ignore-installed", "--prefix", home, wheel)
    (there,) = home.glob("lib/python3.*")
    there.rename(there.with_name("python3.1"))
    done = subprocess.run([str(home / "bin/pier")], capture_output=True, text=True, env={"PATH": "/bin"})
    assert done.returncode == 125
    assert "no python3.1 is in PATH" in done.stderr


def test_a_target_folder_works(wheel: Path, tmp_path: Path) -> None:
    _pip("install", "--no-deps", "--no-index", "--ignore-installed", "--target", tmp_path / "folder", wheel)
    assert _started(tmp_path / "folder/bin/pier") == ["1", "1"]


def test_an_editable_install_starts_and_ignores_a_package_where_the_user_stands(venv: Path, tmp_path: Path) -> None:
    (here,) = Path(sys.prefix).glob("lib/python3.*/site-packages")
    (there,) = venv.glob("lib/python3.*/site-packages")
    for entry in here.iterdir():
        if not (there / entry.name).exists() and not entry.name.startswith(
            ("pier", "_pier", "_editable", "__editable")
        ):
            (there / entry.name).symlink_to(entry)
    _pip("install", "--no-deps", "--no-build-isolation", "-e", CHECKOUT, python=venv / "bin/python")
    (tmp_path / "pier").mkdir()
    (tmp_path / "pier/__init__.py").write_text("raise SystemExit('the wrong pier')\n")
    done = subprocess.run([str(venv / "bin/pier"), "--version"], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith("pier version ")


def test_a_uv_install_works(wheel: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=sysconfig.get_path("scripts"))
    if uv is None:
        pytest.skip("needs uv")
    subprocess.run([uv, "venv", "-q", str(tmp_path / "uv")], check=True)
    python = tmp_path / "uv/bin/python"
    subprocess.run([uv, "pip", "install", "-q", "--no-deps", "--offline", "--python", python, wheel], check=True)
    assert _started(tmp_path / "uv/bin/pier", "ps") == ["1", "1", "ps"]


def test_the_wheel_is_pure_and_carries_what_the_package_reads(tmp_path: Path) -> None:
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, CHECKOUT)
    (built,) = tmp_path.glob("*.whl")
    assert built.name.endswith("-py3-none-any.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(built)], capture_output=True, text=True, check=True
    )
    data = [
        path.relative_to(CHECKOUT / "src")
        for path in (CHECKOUT / "src/pier").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert Path("pier/py.typed") in data
    for path in data:
        assert str(path) in listed.stdout
    assert "licenses/LICENSE" in listed.stdout


def test_libraries_that_only_site_finds_are_found(venv: Path, tmp_path: Path) -> None:
    """As after `pip install --user` on a system whose packages satisfy some requirements."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path / "dist", CHECKOUT)
    _pip("install", "--no-deps", "--no-index", *(tmp_path / "dist").glob("*.whl"), python=venv / "bin/python")
    (here,) = Path(sys.prefix).glob("lib/python3.*/site-packages")
    (there,) = venv.glob("lib/python3.*/site-packages")
    (there / "elsewhere.pth").write_text(f"{here}\n")
    (tmp_path / "compose.yaml").write_text("name: found\nservices:\n  web: {image: alpine}\n")
    env = {**os.environ, "PIER_ROOT": str(tmp_path / "store")}
    command = [str(venv / "bin/pier"), "compose", "config"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert "name: found" in done.stdout, done.stderr
