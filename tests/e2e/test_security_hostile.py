"""Images and containers that mean harm: nothing of theirs runs in pier, blocks it, or leads it out of their root."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Pier

_SECONDS = 30.0
# Where this machine's interpreter, or another one of its kind, would look for modules.
_LIBRARIES = sorted({os.path.dirname(os.__file__), "/usr/lib/python3.11", f"{sys.prefix}/lib/python3.11/site-packages"})
_MODULES = (
    "sitecustomize usercustomize encodings/__init__ encodings/idna encodings/latin_1 pwd grp socket signal"
    " json/__init__ re/__init__ traceback linecache tokenize typing enum ctypes/__init__ collections/__init__"
    " codecs io abc locale"
    " subprocess functools contextlib warnings os posixpath stat struct select selectors pier/__init__"
)


@pytest.fixture
def images(pier: Pier) -> Iterator[list[str]]:
    """Names of images to remove after the test."""
    names: list[str] = []
    yield names
    pier("rm", "-f", *pier("ps", "-aq").lines) if pier("ps", "-aq").lines else None
    if names:
        pier("rmi", "-f", *names)


def _image(pier: Pier, images: list[str], dockerfile: str) -> str:
    pier("build", "-q", "-t", "hostile", "-", stdin=dockerfile)
    images.append("hostile")
    return "hostile"


def _rootfs(commands: str) -> str:
    """A Dockerfile whose image is a shell and what *commands* make of it below /r."""
    return (
        "FROM alpine AS made\n"
        "RUN mkdir -p /r/bin /r/tmp && cp /bin/busybox /r/bin/ && for a in sh ls cat id pwd sleep touch test true; do"
        " ln -s busybox /r/bin/$a; done\n"
        f"RUN cd /r && {commands}\n"
        'FROM scratch\nCOPY --from=made /r /\nCMD ["/bin/sh"]\n'
    )


def _try_everything(pier: Pier, image: str) -> None:
    """Starts that succeed, and that fail in every way a start can fail after the root has changed."""
    assert pier("run", "--rm", image, "/bin/sh", "-c", "echo in", timeout=_SECONDS).words == "in"
    pier("run", "--rm", "-u", "7:8", "-w", "/tmp", image, "/bin/true", timeout=_SECONDS)
    pier.fails("run", "--rm", image, "no-such-program", code=127, timeout=_SECONDS)
    pier.fails("run", "--rm", image, "/tmp", code=126, timeout=_SECONDS)
    pier.fails("run", "--rm", "-w", "/bin/sh", image, "/bin/true", code=126, timeout=_SECONDS)
    pier.fails("run", "--rm", "-u", "nobody-here", image, "/bin/true", code=125, timeout=_SECONDS)
    pier("run", "-d", "--name", "hostile", image, "/bin/sleep", "1000", timeout=_SECONDS)
    assert pier("exec", "hostile", "/bin/sh", "-c", "echo in", timeout=_SECONDS).words == "in"
    pier("exec", "-u", "7", "hostile", "/bin/true", timeout=_SECONDS)
    pier.fails("exec", "hostile", "no-such-program", code=127, timeout=_SECONDS)
    pier.fails("exec", "-w", "/none", "hostile", "/bin/true", code=126, timeout=_SECONDS)
    assert pier.run("exec", "-u", "nobody-here", "hostile", "/bin/true", timeout=_SECONDS).code != 0
    pier.run("top", "hostile", timeout=_SECONDS)


def test_modules_that_an_image_plants_are_never_imported(pier: Pier, images: list[str]) -> None:
    plant = (
        f"for d in {' '.join(_LIBRARIES)} /pier; do for m in {_MODULES}; do mkdir -p /r$d/$(dirname $m);"
        ' echo \'open("/pwned", "w")\' > /r$d/$m.py; done; done'
    )
    image = _image(pier, images, _rootfs(plant))
    _try_everything(pier, image)
    assert list(Path(pier.root, "containers").glob("*/upper/pwned")) == []
    assert not os.path.exists("/pwned")


def test_files_that_name_services_and_libraries_are_never_opened(pier: Pier, images: list[str]) -> None:
    """Each is a FIFO: whoever opens one waits for ever."""
    plant = (
        "mkdir -p etc lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu/gconv lib64 usr/lib/locale usr/share/zoneinfo && "
        "mkfifo etc/nsswitch.conf etc/ld.so.cache etc/ld.so.preload etc/localtime etc/locale.alias etc/gai.conf "
        "etc/host.conf lib/x86_64-linux-gnu/libnss_files.so.2 lib/x86_64-linux-gnu/libnss_compat.so.2 "
        "lib/x86_64-linux-gnu/libc.so.6 lib/x86_64-linux-gnu/libgcc_s.so.1 "
        "usr/lib/x86_64-linux-gnu/gconv/gconv-modules "
        "usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache lib64/ld-linux-x86-64.so.2 usr/lib/locale/locale-archive"
    )
    _try_everything(pier, _image(pier, images, _rootfs(plant)))


@pytest.mark.parametrize(
    "plant",
    [
        "mkfifo etc/passwd etc/group",
        "mkdir etc/passwd etc/group",
        "ln -s /etc/group etc/passwd && ln -s /etc/passwd etc/group",
        "ln -s /dev/zero etc/passwd && ln -s /dev/tty etc/group",
        "ln -s /proc/self/fd/3 etc/passwd && ln -s /proc/self/exe etc/group",
        "ln -s /proc/self/mem etc/passwd && ln -s ../../../../../../etc/passwd etc/group",
        "truncate -s 64M etc/passwd && head -c 3000000 /dev/zero | tr '\\0' ':' > etc/group",
        "printf 'x:x:99999999999999999999:1::\\n:::::\\nroot:x:4294967295:0::/:\\n\\377\\376' > etc/passwd",
    ],
)
def test_a_passwd_file_of_any_kind_neither_blocks_nor_breaks(pier: Pier, images: list[str], plant: str) -> None:
    _try_everything(pier, _image(pier, images, _rootfs(f"mkdir etc && {plant}")))


@pytest.fixture
def prey(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host that must stay as it is."""
    folder = tmp_path / "prey"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("untouched")
    yield folder
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == ["file", "sub"]
    assert (folder / "file").read_text() == "untouched"


@pytest.mark.parametrize(
    "links",
    [
        "ln -s {prey} etc",
        "ln -s {prey} proc",
        "ln -s {prey} dev",
        "ln -s {prey} sys",
        "mkdir etc && ln -s {prey}/file etc/resolv.conf && ln -s ../../../../../..{prey}/file etc/hosts",
        "mkdir etc && ln -s {prey}/new etc/resolv.conf && ln -s {prey}/made/up etc/hostname",
        "mkdir dev && ln -s {prey}/shm dev/shm && ln -s {prey} dev/pts && ln -s {prey}/null dev/null",
        "ln -s ../../../../../../.. etc && ln -s /proc/self/root dev",
        "ln -s /proc/1/root proc && ln -s /proc/self/cwd etc",
    ],
)
def test_folders_that_are_links_to_the_host_lead_nowhere(pier: Pier, images: list[str], prey: Path, links: str) -> None:
    image = _image(pier, images, _rootfs(links.format(prey=prey)))
    etc = sorted(os.listdir("/etc")), os.stat("/etc").st_mtime_ns
    result = pier.run("run", "--name", "linked", image, "/bin/sh", "-c", "echo in; touch /etc/mine", timeout=_SECONDS)
    assert (result.code, result.out) == (0, "in\n") or result.code == 125, str(result)
    assert (sorted(os.listdir("/etc")), os.stat("/etc").st_mtime_ns) == etc


def test_targets_of_volumes_tmpfs_and_workdir_that_are_links_stay_inside(
    pier: Pier, images: list[str], prey: Path
) -> None:
    image = _image(
        pier, images, _rootfs(f"ln -s {prey} a && ln -s ../../../..{prey} b && ln -s {prey}/none c") + "VOLUME /a/vol\n"
    )
    script = "touch /a/vol/x /b/bind/x /c/tmp/x /a/work/x && pwd"
    mounts = ["-v", f"{pier.cwd}/bound:/b/bind", "--tmpfs", "/c/tmp", "-v", "named:/a/named", "-w", "/a/work"]
    result = pier("run", *mounts, image, "/bin/sh", "-c", script)
    assert result.words == f"{prey}/work"
    assert os.listdir(pier.cwd / "bound") == ["x"]


def test_copying_through_links_of_a_container_stays_inside(pier: Pier, images: list[str], prey: Path) -> None:
    image = _image(pier, images, _rootfs(f"ln -s {prey} a && ln -s {prey}/file f"))
    pier("run", "--name", "linked", image, "/bin/true")
    (pier.cwd / "new").write_text("new")
    pier.run("cp", pier.cwd / "new", "linked:/a/new")
    pier.run("cp", pier.cwd / "new", "linked:/f")
    assert "untouched" not in pier.run("cp", "linked:/f", "-").out


def test_a_link_that_appears_in_a_running_container_does_not_mislead_exec(pier: Pier, prey: Path) -> None:
    pier("run", "-d", "--name", "box", "alpine", "sleep", "1000")
    pier("exec", "box", "sh", "-c", f"rm -rf /etc/passwd; ln -s {prey}/file /etc/passwd; ln -s {prey} /w")
    pier.fails("exec", "-w", "/w/none", "box", "true", code=126)
    assert pier.run("exec", "-u", "root", "box", "true").code != 0


_CHAIN = "".join(f'echo "#!/s{n + 1}" > s{n} && chmod +x s{n} && ' for n in range(1, 5))


@pytest.mark.parametrize(
    ("plant", "command"),
    [
        ("true", "/proc/self/exe"),
        ("ln -s /proc/self/exe python", "/python"),
        ("ln -s /proc/self/fd/../exe bin/python", "python"),
        ("echo '#!/proc/self/exe' > s && chmod +x s", "/s"),
        ("echo '#! /proc/self/exe -c' > s && chmod +x s", "/s"),
        ("ln -s /proc/self/exe l && echo '#!l' > s && chmod +x s", "/s"),
        (_CHAIN + "echo '#!/proc/self/exe' > s5 && chmod +x s5", "/s1"),
    ],
)
def test_an_image_never_gets_hold_of_piers_interpreter(pier: Pier, images: list[str], plant: str, command: str) -> None:
    image = _image(pier, images, _rootfs(plant))
    told = pier.fails("run", "--rm", image, command, code=126)
    assert "own interpreter" in told.err
    pier("run", "-d", "--name", "hostile", image, "/bin/sleep", "1000")
    assert "own interpreter" in pier.fails("exec", "hostile", command, code=126).err


def test_a_volume_over_the_root_is_refused(pier: Pier, images: list[str]) -> None:
    image = _image(pier, images, "FROM alpine\nVOLUME /\n")
    assert "destination can't be '/'" in pier.fails("run", "--rm", image, "true", code=125).err


def test_what_a_container_writes_to_the_terminal_reaches_nothing_but_the_terminal(pier: Pier) -> None:
    """TIOCSTI would type into the terminal it is given: that must be one of the container's own."""
    terminal = pier.terminal(
        "run", "-it", "--rm", "alpine", "sh", "-c", "tty; ls -l /dev/console | cut -c1; ls /dev/pts"
    )
    lines = terminal.read().split()
    assert lines[0] == "/dev/pts/0" and lines[1] == "c" and set(lines[2:]) == {"0", "ptmx"}
