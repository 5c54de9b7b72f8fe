"""What is special about an ordinary user: ids, owners, the holder of the namespaces, the way out, and who sees what."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import leaks
import userland
from harness import Pier, http_wait, wait_until

PLACES = ("U",)
HOLDER = "pier: namespaces"


@pytest.fixture
def rangeless(user_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pier]:
    """pier over an empty store of a user who has no subordinate ids."""
    with userland.made(f"pierone{os.getpid()}", user_program, ids=False) as owner:
        root = owner.folder("store")
        pier = owner.pier(root, owner.home)
        yield pier
        pier.end_children()
        pier.sweep()
        wait_until(lambda: not leaks.processes_of(root), what="the holder has ended")


def _holder(user: userland.Userland) -> list[int]:
    found = subprocess.run(["pgrep", "-u", user.user, "-f", f"^{HOLDER}"], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def test_info_and_doctor_tell_the_place(pier: Pier) -> None:
    info = pier("info", "--format", "json").json()
    assert (info["Place"], info["UserIds"] > 1, info["DriverStatus"][0]) == ("U", True, ["Native Overlay", "true"])
    assert "name=rootless" in info["SecurityOptions"]
    found = {finding["subject"]: finding for finding in pier("doctor", "--format", "json").json()}
    assert found["place"]["told"].startswith("U, ")
    assert found["storage"]["state"] == found["user ids"]["state"] == "works"
    assert all(finding["why"] and finding["fix"] for finding in found.values() if finding["state"] == "limited")


def test_files_written_to_a_bind_mount_belong_to_the_user(pier: Pier, user: userland.Userland, tmp_path: Path) -> None:
    pier("run", "--rm", "-v", f"{tmp_path}:/there", "busybox", "sh", "-c", "echo mine > /there/file; mkdir /there/dir")
    assert {(tmp_path / name).owner() for name in ("file", "dir")} == {user.user}
    assert (tmp_path / "file").read_text() == "mine\n"


def test_other_users_of_an_image_are_subordinate_ids(pier: Pier, tmp_path: Path) -> None:
    pier("run", "--rm", "-v", f"{tmp_path}:/there", "busybox", "sh", "-c", "touch /there/file; chown 33:33 /there/file")
    start = next(line.split(":") for line in Path("/etc/subuid").read_text().splitlines() if _is_own(line, tmp_path))
    assert (tmp_path / "file").stat().st_uid == int(start[1]) + 32


def _is_own(line: str, folder: Path) -> bool:
    return line.startswith(f"{folder.owner()}:")


def test_a_volume_can_change_hands(pier: Pier) -> None:
    script = "chown 70:70 /data; umask 077; echo kept > /data/file; chown 70 /data/file"
    pier("run", "--rm", "-v", "rootless-data:/data", "busybox", "sh", "-c", script)
    shown = pier("run", "--rm", "--user", "70:70", "-v", "rootless-data:/data", "busybox", "cat", "/data/file")
    assert shown.out == "kept\n"


def test_a_low_port_is_refused_with_both_ways_out(pier: Pier) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 81:
        pytest.skip("needs net.ipv4.ip_unprivileged_port_start above 81")
    refused = pier.fails("run", "--rm", "-p", "81:80", "busybox", "true", code=125)
    assert "-p 8081:80" in refused.err
    assert "sysctl -w net.ipv4.ip_unprivileged_port_start=81" in refused.err


def test_names_resolve_and_the_hosts_servers_are_asked_without_a_way_out(pier: Pier) -> None:
    pier("network", "create", "rootless-net")
    pier("run", "-d", "--name", "rootless-one", "--network", "rootless-net", "busybox", "sleep", "60")
    found = pier("run", "--rm", "--network", "rootless-net", "busybox", "nslookup", "rootless-one")
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    assert pier("inspect", "-f", address, "rootless-one").words in found.out
    assert pier("exec", "rootless-one", "cat", "/etc/resolv.conf").out.startswith("nameserver 127.0.0.11\n")


def test_a_container_with_an_init_can_be_entered(pier: Pier) -> None:
    pier("run", "-d", "--init", "--name", "rootless-init", "busybox", "sleep", "60")
    assert pier("exec", "rootless-init", "id", "-u").words == "0"


def test_a_container_on_the_hosts_network_can_be_entered(pier: Pier) -> None:
    pier("run", "-d", "--network", "host", "--name", "rootless-host", "busybox", "sleep", "60")
    assert pier("exec", "rootless-host", "id", "-u").words == "0"
    with pytest.raises(AssertionError):
        pier("exec", "rootless-host", "ip", "link", "add", "forbidden0", "type", "dummy")


def test_the_holder_ends_when_nobody_needs_it(pier: Pier, user: userland.Userland) -> None:
    pier("run", "--rm", "busybox", "true")
    wait_until(lambda: not _holder(user), timeout=10, what="the holder of the namespaces has ended")


def test_containers_outlive_a_killed_holder(pier: Pier, user: userland.Userland, free_port: int) -> None:
    serve = "echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    pier("run", "-d", "--name", "rootless-web", "-p", f"{free_port}:80", "busybox", "sh", "-c", serve)
    for pid in _holder(user):
        os.kill(pid, signal.SIGKILL)
    assert http_wait(f"http://127.0.0.1:{free_port}/") == "served\n"
    assert pier("exec", "rootless-web", "cat", "/tmp/index.html").out == "served\n"
    ip = pier("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "rootless-web").words
    # A new holder continues the old namespaces: newcomers reach those who stayed.
    assert pier("run", "--rm", "busybox", "wget", "-qO-", f"http://{ip}/").out == "served\n"
    assert pier.status("rootless-web") == "running"


def test_a_killed_monitor_takes_its_container_along(pier: Pier) -> None:
    pier("run", "-d", "--name", "rootless-kill", "busybox", "sleep", "60")
    pattern = "^pier: monitor of rootless-kill"
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=True).stdout.split()
    for pid in found:
        os.kill(int(pid), signal.SIGKILL)
    wait_until(lambda: pier.status("rootless-kill") == "exited", what="the container is told as exited")
    pier("start", "rootless-kill")
    assert pier.status("rootless-kill") == "running"


def test_root_and_the_user_do_not_see_each_other(
    pier: Pier, pier_command: list[str], tmp_path_factory: pytest.TempPathFactory, user: userland.Userland
) -> None:
    pier("run", "-d", "--name", "rootless-mine", "busybox", "sleep", "60")
    other = Pier(pier_command, tmp_path_factory.mktemp("roots"), Path("/"))
    assert other("ps", "-aq").out == ""
    refused = user.pier(other.root, user.home).fails("ps", code=1)
    assert "cannot be written" in refused.err or "belongs to user" in refused.err
    shutil.rmtree(other.root)


def test_with_one_id_an_image_of_one_user_runs(rangeless: Pier) -> None:
    found = {finding["subject"]: finding for finding in rangeless("doctor", "--format", "json").json()}
    assert found["user ids"]["state"] == "limited"
    assert "usermod --add-subuids" in found["user ids"]["fix"]
    rangeless("pull", "busybox")
    ran = rangeless("run", "--rm", "busybox", "cat", "/proc/self/uid_map")
    uid = pwd.getpwnam(rangeless.cwd.owner()).pw_uid
    assert ran.out.split() == ["0", str(uid), "1"]
    rangeless("run", "-d", "--name", "single", "busybox", "sleep", "60")
    assert rangeless("exec", "single", "id", "-u").words == "0"


def test_with_one_id_a_change_of_user_is_refused_with_the_fix(rangeless: Pier) -> None:
    rangeless("pull", "busybox")
    refused = rangeless.fails("run", "--rm", "--user", "33", "busybox", "id", code=125)
    assert "only one user id exists here" in refused.err
    assert "pier doctor" in refused.err
    assert "more than one user id" in rangeless.fails("pull", "debian:bookworm-slim", code=1, timeout=300).err


def test_a_user_who_may_make_no_namespace_is_told_the_administrators_fix(user: userland.Userland) -> None:
    # user.max_user_namespaces counts in each user namespace: a nested one forbids it without touching the machine.
    inner = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" "$@"'
    words = ["unshare", "--user", "sh", "-c", 'read go; exec sh -c "$0" "$@"', inner, *user.command, "doctor"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=user.home)
    own = os.readlink("/proc/self/ns/user")
    wait_until(lambda: os.readlink(f"/proc/{process.pid}/ns/user") != own, what="the namespace is there")
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{process.pid}/{name}").write_text("0 0 300000")
    out, _ = process.communicate("go\n", timeout=30)
    assert process.returncode == 1
    assert "FAILED   place: N" in out
    assert "sysctl -w user.max_user_namespaces=" in out


def test_the_way_out_is_slirp4netns(pier: Pier) -> None:
    if shutil.which("slirp4netns") is None and shutil.which("pasta") is None:
        pytest.skip("needs slirp4netns or pasta")
    if not Path("/sys/class/misc/tun").exists():
        pytest.skip("needs the kernel's tun device")
    # A mount namespace lends the device that this machine may keep for root.
    lent = "mount --make-rprivate / && mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec "
    inside = Pier(["unshare", "-m", "sh", "-c", f'{lent} "$0" "$@"', *pier.command], pier.root, Path("/"))
    wait_until(lambda: not leaks.processes_of(pier.root), what="the holder without the device has ended")
    found = {finding["subject"]: finding for finding in inside("doctor", "--format", "json").json()}
    assert found["network"]["state"] == "works"
    ran = inside("run", "--rm", "busybox", "sh", "-c", "wget -T 3 -qO- http://10.0.2.2:1/ 2>&1; true")
    assert "no egress" not in ran.err
