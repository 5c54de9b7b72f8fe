"""The commands around the lab: what each flag does, seen from outside."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pexpect
import pytest

from harness import Pier, http_wait, wait_until


@pytest.fixture
def box(pier: Pier) -> str:
    """A running container called box."""
    pier("run", "-d", "--name", "box", "-e", "GREETING=hello", "-w", "/tmp", "alpine", "sleep", "1000")
    return "box"


def test_environment_comes_from_flags_and_files(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# a comment\nFROM_FILE=yes\nINHERITED\n")
    shown = pier(
        "run", "--rm", "-e", "PLAIN=a b", "-e", "INHERITED", "--env-file", tmp_path / "env", "alpine", "env",
        env={"INHERITED": "from outside"},
    ).lines  # fmt: skip
    assert {"PLAIN=a b", "FROM_FILE=yes", "INHERITED=from outside"} <= set(shown)


def test_user_workdir_and_hostname_are_set(pier: Pier) -> None:
    said = pier(
        "run",
        "--rm",
        "-u",
        "65534:65534",
        "-w",
        "/var",
        "-h",
        "lab",
        "alpine",
        "sh",
        "-c",
        "id -u; id -g; pwd; hostname",
    )
    assert said.lines == ["65534", "65534", "/var", "lab"]


def test_entrypoint_replaces_the_images(pier: Pier) -> None:
    assert pier("run", "--rm", "--entrypoint", "echo", "alpine", "only", "this").words == "only this"


def test_init_reaps_and_forwards_signals(pier: Pier) -> None:
    said = pier("run", "--rm", "--init", "alpine", "sh", "-c", "echo $$")
    assert said.words != "1"


def test_the_environment_holds_no_surplus(pier: Pier) -> None:
    names = {line.partition("=")[0] for line in pier("run", "--rm", "alpine", "env").lines}
    assert names == {"PATH", "HOSTNAME", "HOME"}


def test_a_bind_mount_shows_the_hosts_files_and_read_only_holds(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "word").write_text("from the host")
    assert pier("run", "--rm", "-v", f"{tmp_path}:/data", "alpine", "cat", "/data/word").out == "from the host"
    refused = pier.run("run", "--rm", "-v", f"{tmp_path}:/data:ro", "alpine", "touch", "/data/new")
    assert refused.code == 1 and "Read-only" in refused.err
    pier("run", "--rm", "-v", f"{tmp_path}:/data", "alpine", "touch", "/data/new")
    assert (tmp_path / "new").exists()


def test_a_named_volume_outlives_its_containers(pier: Pier) -> None:
    pier("run", "--rm", "-v", "store:/data", "alpine", "sh", "-c", "echo kept > /data/word")
    assert pier("run", "--rm", "-v", "store:/data", "alpine", "cat", "/data/word").words == "kept"
    (shown,) = pier("volume", "inspect", "store").json()
    assert (Path(shown["Mountpoint"]) / "word").read_text() == "kept\n"


def test_an_anonymous_volume_goes_with_rm(pier: Pier) -> None:
    pier("run", "--rm", "-v", "/data", "alpine", "touch", "/data/x")
    assert pier("volume", "ls", "-q").lines == []


def test_a_user_network_resolves_names(pier: Pier) -> None:
    pier("network", "create", "lab")
    pier("run", "-d", "--name", "server", "--network", "lab", "alpine", "httpd", "-f", "-p", "80", "-h", "/bin")
    got = pier("run", "--rm", "--network", "lab", "alpine", "sh", "-c", "wget -q -O - http://server/busybox | wc -c")
    assert int(got.words) > 100_000
    refused = pier.fails("network", "rm", "lab", code=1)
    assert "server" in refused.err
    pier("rm", "-f", "server")
    pier("network", "rm", "lab")


def test_network_none_has_only_loopback(pier: Pier) -> None:
    assert pier("run", "--rm", "--network", "none", "alpine", "ls", "/sys/class/net").lines == ["lo"]


def test_network_host_shares_the_hosts_ports(pier: Pier, free_port: int) -> None:
    pier("run", "-d", "--name", "web", "--network", "host", "alpine", "httpd", "-f", "-p", str(free_port), "-h", "/etc")
    assert "root" in http_wait(f"http://127.0.0.1:{free_port}/passwd", timeout=10)


def test_port_lists_the_mappings(pier: Pier, free_port: int) -> None:
    pier("run", "-d", "--name", "web", "-p", f"127.0.0.1:{free_port}:80/tcp", "alpine", "sleep", "1000")
    assert pier("port", "web").lines == [f"80/tcp -> 127.0.0.1:{free_port}"]
    assert pier("port", "web", "80").lines == [f"127.0.0.1:{free_port}"]


def test_a_published_range_gets_a_port_chosen(pier: Pier) -> None:
    pier("run", "-d", "--name", "web", "-p", "80", "alpine", "httpd", "-f", "-p", "80", "-h", "/etc")
    address = pier("port", "web", "80").lines[0]
    assert "root" in http_wait(f"http://127.0.0.1:{address.rpartition(':')[2]}/passwd", timeout=10)


def test_exec_sets_environment_workdir_user_and_keeps_the_exit_code(pier: Pier, box: str) -> None:
    said = pier(
        "exec", "-e", "MORE=1", "-w", "/var", "-u", "65534", box, "sh", "-c", "echo $GREETING $MORE $(pwd) $(id -u)"
    )
    assert said.words == "hello 1 /var 65534"
    assert pier.run("exec", box, "sh", "-c", "exit 9").code == 9
    assert pier("exec", "-i", box, "wc", "-c", stdin="12345").words == "5"


def test_exec_with_a_terminal_is_interactive(pier: Pier, box: str) -> None:
    shell = pier.terminal("exec", "-it", box, "sh")
    shell.expect_exact("# ")
    shell.sendline("tty; stty size")
    shell.expect(r"/dev/pts/\d+")
    shell.expect_exact("24 80")
    shell.sendline("exit 4")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 4


def test_exec_detached_runs_on(pier: Pier, box: str) -> None:
    pier("exec", "-d", box, "sh", "-c", "echo later > /tmp/later")
    wait_until(lambda: pier.run("exec", box, "cat", "/tmp/later").out == "later\n", what="the detached command has run")


def test_logs_tail_timestamps_and_since(pier: Pier) -> None:
    pier("run", "--name", "talker", "alpine", "sh", "-c", "for n in 1 2 3; do echo $n; done; echo oops >&2")
    result = pier("logs", "talker")
    assert (result.out, result.err) == ("1\n2\n3\n", "oops\n")
    assert pier("logs", "--tail", "2", "talker").out + pier("logs", "--tail", "1", "talker").err == "3\noops\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 1", pier("logs", "-t", "talker").lines[0])
    assert pier("logs", "--since", "10m", "talker").out == "1\n2\n3\n"
    assert pier("logs", "--until", "10m", "talker").out == ""


def test_logs_follow_ends_with_the_container(pier: Pier) -> None:
    pier("run", "-d", "--name", "ticker", "alpine", "sh", "-c", "for n in 1 2 3; do echo $n; sleep 0.2; done")
    assert pier("logs", "-f", "ticker").out == "1\n2\n3\n"


def test_cp_copies_both_ways(pier: Pier, box: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("there and back")
    pier("cp", tmp_path / "folder", f"{box}:/srv")
    assert pier("exec", box, "cat", "/srv/folder/file").out == "there and back"
    pier("cp", f"{box}:/srv/folder/file", tmp_path / "returned")
    assert (tmp_path / "returned").read_text() == "there and back"


def test_cp_does_not_follow_a_link_out_of_the_container(pier: Pier, box: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the host's")
    pier("exec", box, "ln", "-s", str(tmp_path / "secret"), "/tmp/link")
    pier.run("cp", "-L", f"{box}:/tmp/link", tmp_path / "stolen")
    assert not (tmp_path / "stolen").exists() or (tmp_path / "stolen").read_text() != "the host's"


def test_wait_prints_the_exit_code(pier: Pier) -> None:
    pier("run", "-d", "--name", "three", "alpine", "sh", "-c", "exit 3")
    assert pier("wait", "three").words == "3"


def test_kill_sends_the_named_signal(pier: Pier) -> None:
    pier(
        "run",
        "-d",
        "--name",
        "trap",
        "alpine",
        "sh",
        "-c",
        "trap 'echo usr1; exit 8' USR1; echo ready; while :; do sleep 0.1; done",
    )
    wait_until(lambda: "ready" in pier("logs", "trap").out, what="the trap is set")
    pier("kill", "-s", "USR1", "trap")
    assert pier("wait", "trap").words == "8"


def test_rename_changes_the_name_only(pier: Pier, box: str) -> None:
    before = pier("inspect", "--format", "{{.Id}}", box).words
    pier("rename", box, "renamed")
    assert pier("inspect", "--format", "{{.Id}}", "renamed").words == before
    pier.fails("inspect", box, code=1)


def test_top_lists_the_processes(pier: Pier, box: str) -> None:
    head, *rows = pier("top", box).lines
    assert "PID" in head.split() and "CMD" in head.split()
    assert "sleep 1000" in rows[0]


def test_stats_without_stream_shows_memory(pier: Pier, box: str) -> None:
    head, row = pier("stats", "--no-stream").lines
    assert "MEM USAGE / LIMIT" in head
    assert re.search(r"\d(\.\d+)?[KM]iB / ", row)


def test_restart_on_failure_gives_up_after_its_count(pier: Pier) -> None:
    pier("run", "-d", "--name", "stubborn", "--restart", "on-failure:2", "alpine", "sh", "-c", "echo try; exit 1")
    wait_until(lambda: pier.state("stubborn")["Status"] == "exited", timeout=20, what="it has given up")
    assert pier("logs", "stubborn").out == "try\n" * 3
    assert pier("inspect", "stubborn").json()[0]["RestartCount"] == 2


def test_detached_prints_the_id_and_leaves_the_terminal_free(pier: Pier) -> None:
    identity = pier("run", "-d", "alpine", "sleep", "1000").words
    assert re.fullmatch(r"[0-9a-f]{64}", identity)
    assert pier("ps", "-q").lines == [identity[:12]]
    assert pier("ps", "-q", "--no-trunc").lines == [identity]


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{.Names}}", "box"),
        ("{{.Names}}: {{.Status}}", r"box: Up .*"),
        ("{{json .Names}}", '"box"'),
        ("{{.ID}}\t{{.Image}}", r"[0-9a-f]{12}\talpine"),
        ("{{upper .Names}}", "BOX"),
    ],
)
def test_ps_formats_as_gos_templates_do(pier: Pier, box: str, template: str, wanted: str) -> None:
    assert re.fullmatch(wanted, pier("ps", "--format", template).out.rstrip("\n"))


def test_a_table_format_has_a_head(pier: Pier, box: str) -> None:
    head, row = pier("ps", "--format", "table {{.ID}}\t{{.Status}}").lines
    assert head.split() == ["CONTAINER", "ID", "STATUS"]
    assert "Up" in row


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("name=bo", ["box"]),
        ("name=^/?x$", []),
        ("status=running", ["box"]),
        ("status=exited", ["over"]),
        ("exited=3", ["over"]),
        ("label=kind=test", ["over"]),
        ("label=kind", ["over"]),
        ("ancestor=alpine", ["over", "box"]),
        ("network=none", ["over"]),
    ],
)
def test_ps_filters(pier: Pier, box: str, condition: str, names: list[str]) -> None:
    pier.run("run", "--name", "over", "--label", "kind=test", "--network", "none", "alpine", "sh", "-c", "exit 3")
    assert pier("ps", "-a", "--filter", condition, "--format", "{{.Names}}").lines == names


def test_inspect_speaks_dockers_shape(pier: Pier, box: str) -> None:
    (shown,) = pier("inspect", box).json()
    assert shown["Name"] == "/box"
    assert shown["Config"]["Env"][0] == "GREETING=hello" or "GREETING=hello" in shown["Config"]["Env"]
    assert shown["Config"]["WorkingDir"] == "/tmp"
    assert shown["HostConfig"]["NetworkMode"] in ("default", "bridge")
    address = shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    socket.inet_aton(address)
    assert pier("inspect", "-f", "{{.State.Status}} {{.Config.Image}}", box).words == "running alpine"


def test_tag_and_images_agree(pier: Pier) -> None:
    pier("tag", "alpine", "localhost/lab/alpine:two")
    rows = {(row["Repository"], row["Tag"]): row["ID"] for row in pier("images", "--format", "json").rows()}
    assert rows["localhost/lab/alpine", "two"] == rows["alpine", "latest"]
    pier("rmi", "localhost/lab/alpine:two")


def test_pull_from_a_registry_verifies_and_runs(bare_pier: Pier, registry: object) -> None:
    name = registry.push("alpine")  # type: ignore[attr-defined]
    pulled = bare_pier("pull", name)
    assert "Digest: sha256:" in pulled.out + pulled.err
    assert pulled.lines[-1].endswith(name)
    assert bare_pier("run", "--rm", name, "echo", "pulled").words == "pulled"
    (shown,) = bare_pier("image", "inspect", name).json()
    assert shown["RepoDigests"][0].startswith(name.rpartition(":")[0] + "@sha256:")


def test_networks_and_volumes_are_listed_and_inspected(pier: Pier) -> None:
    pier("network", "create", "--label", "a=b", "--subnet", "10.123.45.0/24", "mine")
    (shown,) = pier("network", "inspect", "mine").json()
    assert shown["IPAM"]["Config"][0]["Subnet"] == "10.123.45.0/24"
    assert pier("volume", "create", "--label", "a=b", "mine").words == "mine"
    assert pier("volume", "ls", "-q", "--filter", "label=a=b").lines == ["mine"]
    assert pier("network", "ls", "-q", "--filter", "name=mine").lines == [shown["Id"][:12]]
    pier("network", "rm", "mine")


def test_version_and_info_speak(pier: Pier) -> None:
    assert re.match(r"pier \d+\.\d+", pier("version").out)
    told = pier("info").out
    assert "Storage Driver: overlay" in told and "Containers: 0" in told


def test_every_command_has_help(pier: Pier) -> None:
    overview = pier("--help").out
    words = re.findall(r"^  ([a-z]+)\*?\s{2,}", overview, flags=re.MULTILINE)
    assert {"run", "build", "compose", "ps", "exec", "logs"} <= set(words)
    for word in words:
        assert "Usage:" in pier(word, "--help").out


def test_the_default_security_profile_is_on(pier: Pier) -> None:
    script = "grep -E 'CapBnd|Seccomp:' /proc/1/status; mount -t tmpfs x /mnt; touch /proc/sys/x; ls /proc/1/fd"
    told = pier.run("run", "--rm", "alpine", "sh", "-c", script)
    assert "00000000a80425fb" in told.out
    assert "Seccomp:\t2" in told.out
    assert told.lines[-3:] == ["0", "1", "2"] or {"0", "1", "2"} <= set(told.lines)
    assert "ermission denied" in told.err or "not permitted" in told.err


def test_a_hostile_image_runs_nothing_before_its_program(pier: Pier, tmp_path: Path) -> None:
    """No import and no NSS look-up after the root has changed: design, security rules."""
    library = "/usr/lib/python3.11"
    planted = 'open("/owned", "w")'
    (tmp_path / "Dockerfile").write_text(
        "FROM alpine\n"
        f"RUN mkdir -p {library} /lib/x86_64-linux-gnu\n"
        f"RUN for m in encodings os pwd grp json; do echo '{planted}' > {library}/$m.py; done\n"
        "RUN echo 'passwd: files evil' > /etc/nsswitch.conf && echo bad > /lib/x86_64-linux-gnu/libnss_evil.so.2\n"
    )
    pier("build", "-t", "hostile", tmp_path)
    listed = pier("run", "--rm", "-u", "nobody", "hostile", "ls", "/")
    assert "owned" not in listed.lines
    pier("rmi", "hostile")
