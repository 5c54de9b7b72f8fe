"""Flags of `run` and `create`, each seen from inside the container or in `inspect`."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from harness import Pier, wait_until


def inspected(pier: Pier, name: str, part: str = "HostConfig") -> dict[str, object]:
    found: dict[str, object] = pier("inspect", name).json()[0][part]
    return found


def test_the_pid_namespace_of_the_host_or_of_another_container(pier: Pier) -> None:
    assert int(pier("run", "--rm", "--pid", "host", "alpine", "sh", "-c", "echo $$").words) > 1
    pier("run", "-d", "--name", "first", "alpine", "sleep", "1000")
    shown = pier("run", "--rm", "--name", "second", "--pid", "container:first", "alpine", "ps", "-o", "args").out
    assert "sleep 1000" in shown
    assert inspected(pier, "first")["PidMode"] == ""


def test_what_a_container_leaves_in_a_shared_pid_namespace_ends_with_it(pier: Pier) -> None:
    marker = f"98{os.getpid()}"
    pier("run", "--rm", "--pid", "host", "alpine", "sh", "-c", f"sleep {marker} & sleep 0.1")
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"sleep {marker}" not in shown.splitlines()


def test_ipc_is_shared_only_when_both_want_it(pier: Pier) -> None:
    pier("run", "-d", "--name", "donor", "--ipc", "shareable", "alpine", "sleep", "1000")
    pier("run", "--rm", "--ipc", "container:donor", "alpine", "sh", "-c", "echo hi > /dev/shm/note")
    assert pier("exec", "donor", "cat", "/dev/shm/note").words == "hi"
    pier("run", "-d", "--name", "shy", "alpine", "sleep", "1000")
    refused = pier.fails("run", "--rm", "--ipc", "container:shy", "alpine", "true", code=125)
    assert "non-shareable IPC" in refused.err
    same = os.readlink("/proc/self/ns/ipc")
    assert pier("run", "--rm", "--ipc", "host", "alpine", "readlink", "/proc/self/ns/ipc").words == same
    pier.fails("run", "--rm", "--ipc", "none", "alpine", "ls", "/dev/shm", code=1)


def test_the_uts_namespace_and_name_of_the_host(pier: Pier) -> None:
    assert pier("run", "--rm", "--uts", "host", "alpine", "hostname").words == socket.gethostname()
    assert pier("run", "--rm", "--network", "host", "alpine", "hostname").words == socket.gethostname()


def test_a_device_of_the_host_can_be_opened_under_another_name(pier: Pier) -> None:
    said = pier("run", "--rm", "--device", "/dev/zero:/dev/nothing:rwm", "alpine", "head", "-c", "3", "/dev/nothing")
    assert said.out == "\0\0\0"


def test_shm_ulimit_and_oom_score_are_set(pier: Pier) -> None:
    said = pier(
        "run", "--rm", "--shm-size", "1m", "--ulimit", "nofile=512:1024", "--oom-score-adj", "500",
        "alpine", "sh", "-c",
        "df -k /dev/shm | tail -1 | awk '{print $2}'; ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj",
    )  # fmt: skip
    assert said.lines == ["1024", "512", "1024", "500"]


def test_mounts_of_every_kind(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from outside")
    below = tmp_path / "sub"
    below.mkdir()
    pier("volume", "create", "data")
    pier("run", "--rm", "-v", "data:/d", "alpine", "sh", "-c", "mkdir /d/part; echo kept > /d/part/f")
    said = pier(
        "run", "--rm", "--mount", f"type=bind,src={tmp_path},dst=/b,readonly",
        "--mount", "type=volume,source=data,target=/v,volume-subpath=part",
        "--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700",
        "--tmpfs", "/u:size=2m,exec", "-v", "/anonymous",
        "alpine", "sh", "-c", "cat /b/file; echo; touch /b/x || echo read-only; cat /v/f; stat -c %a /t;"
        " df -k /t /u | awk 'NR>1{print $2}'; touch /anonymous/x && echo written",
    )  # fmt: skip
    assert said.lines == ["from outside", "read-only", "kept", "700", "1024", "2048", "written"]


def test_a_volume_subpath_does_not_lead_out_of_the_volume(pier: Pier) -> None:
    pier("volume", "create", "data")
    pier("run", "--rm", "-v", "data:/d", "alpine", "ln", "-s", "/etc", "/d/out")
    refused = pier.run(
        "run", "--rm", "--mount", "type=volume,source=data,target=/v,volume-subpath=out", "alpine", "ls", "/v"
    )
    assert refused.code == 125


def test_an_selinux_label_is_ignored_with_a_word(pier: Pier, tmp_path: Path) -> None:
    said = pier("run", "--rm", "-v", f"{tmp_path}:/x:ro,z", "alpine", "true")
    assert "label z or Z is ignored" in said.err


def test_volumes_from_another_container(pier: Pier) -> None:
    pier("run", "--name", "source", "-v", "/shared", "alpine", "sh", "-c", "echo hi > /shared/f")
    said = pier(
        "run", "--rm", "--volumes-from", "source:ro", "alpine", "sh", "-c", "cat /shared/f; touch /shared/g || echo ro"
    )
    assert said.lines == ["hi", "ro"]


def test_the_long_form_of_network_names_addresses_and_aliases(pier: Pier) -> None:
    pier("network", "create", "--subnet", "10.231.7.0/24", "one")
    pier("network", "create", "two")
    pier("run", "-d", "--name", "web", "--network", "name=one,alias=www,ip=10.231.7.9,mac-address=92:d0:c6:0a:29:33",
         "--network", "two", "alpine", "sleep", "1000")  # fmt: skip
    networks = inspected(pier, "web", "NetworkSettings")["Networks"]
    assert isinstance(networks, dict)
    assert networks["one"]["IPAddress"] == "10.231.7.9"
    assert networks["one"]["MacAddress"] == "92:d0:c6:0a:29:33"
    assert set(networks) == {"one", "two"}
    found = pier("run", "--rm", "--network", "one", "alpine", "nslookup", "www").out
    assert "10.231.7.9" in found


def test_names_and_resolvers_are_written(pier: Pier) -> None:
    said = pier(
        "run", "--rm", "--add-host", "db:10.0.0.7", "--add-host", "gate=host-gateway", "--dns", "9.9.9.9",
        "--dns-search", "lab.test", "--dns-option", "timeout:1", "alpine", "cat", "/etc/hosts", "/etc/resolv.conf",
    ).out  # fmt: skip
    assert "10.0.0.7\tdb" in said
    assert "\tgate\n" in said
    assert "nameserver 9.9.9.9" in said
    assert "search lab.test" in said
    assert "options timeout:1" in said


def test_the_log_is_rotated_as_dockers(pier: Pier) -> None:
    pier(
        "run", "--name", "chatty", "--log-opt", "max-size=2k", "--log-opt", "max-file=3", "alpine", "sh", "-c",
        "for i in $(seq 200); do echo line $i; done",
    )  # fmt: skip
    log = Path(pier("inspect", "-f", "{{.LogPath}}", "chatty").words)
    kept = sorted(path.name for path in log.parent.glob(log.name + "*"))
    assert kept == [log.name, log.name + ".1", log.name + ".2"]
    assert all(path.stat().st_size < 4096 for path in log.parent.glob(log.name + "*"))
    lines = pier("logs", "chatty").lines
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 201))
    assert pier("logs", "-n", "30", "chatty").lines == lines[-30:]
    assert inspected(pier, "chatty")["LogConfig"] == {
        "Type": "json-file", "Config": {"max-file": "3", "max-size": "2048"},
    }  # fmt: skip


def test_a_follower_sees_every_line_across_rotations(pier: Pier) -> None:
    pier("run", "-d", "--name", "chatty", "--log-opt", "max-size=4k", "--log-opt", "max-file=5", "alpine", "sh", "-c",
         "for i in $(seq 100); do echo line $i; sleep 0.005; done")  # fmt: skip
    lines = pier("logs", "-f", "chatty").lines
    assert lines == [f"line {number}" for number in range(1, 101)]


def test_no_log_is_kept_with_the_driver_none(pier: Pier) -> None:
    assert pier("run", "--name", "silent", "--log-driver", "none", "alpine", "echo", "seen").words == "seen"
    assert "configured logging driver does not support reading" in pier.fails("logs", "silent", code=1).err
    assert pier("inspect", "-f", "{{.LogPath}}", "silent").words == ""


def test_attach_chooses_the_streams(pier: Pier) -> None:
    script = "echo out; echo err >&2"
    only_err = pier("run", "--rm", "-a", "stderr", "alpine", "sh", "-c", script)
    assert (only_err.out, only_err.err) == ("", "err\n")
    only_in = pier("run", "-a", "stdin", "-i", "--name", "mute", "alpine", "sh", "-c", "cat; echo err >&2", stdin="x\n")
    assert len(only_in.words) == 64
    assert pier("logs", "mute").out == "x\n"


def test_a_policy_restarts_with_growing_pauses(pier: Pier) -> None:
    pier("run", "-d", "--name", "failing", "--restart", "on-failure:3", "alpine", "sh", "-c", "date +%s%N; exit 3")
    wait_until(lambda: pier.status("failing") == "exited", what="the policy gives up")
    assert pier("inspect", "-f", "{{.RestartCount}}", "failing").words == "3"
    assert len(pier("logs", "failing").lines) == 4


def test_annotations_cidfile_and_labels_are_kept(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("from=file\n")
    pier("create", "--name", "told", "--annotation", "a=b", "--cidfile", tmp_path / "id", "--label-file",
         tmp_path / "labels", "-l", "k=v", "--stop-signal", "INT", "--stop-timeout", "3", "alpine")  # fmt: skip
    assert inspected(pier, "told")["Annotations"] == {"a": "b"}
    config = inspected(pier, "told", "Config")
    labels = config["Labels"]
    assert isinstance(labels, dict)
    assert {"from": "file", "k": "v"}.items() <= labels.items()
    assert (config["StopSignal"], config["StopTimeout"]) == ("INT", 3)
    assert pier("inspect", "-f", "{{.Id}}", "told").words == (tmp_path / "id").read_text()


@pytest.mark.parametrize(
    "words", [["--sysctl", "net.core.somaxconn=77", "alpine", "cat", "/proc/sys/net/core/somaxconn"]]
)
def test_a_namespaced_kernel_parameter_is_set(pier: Pier, words: list[str]) -> None:
    assert pier("run", "--rm", *words).words == "77"


def test_supplementary_groups_are_added(pier: Pier) -> None:
    assert "4242" in pier("run", "--rm", "--group-add", "4242", "alpine", "id", "-G").words.split()


def test_exposed_ports_are_published_with_capital_p(pier: Pier) -> None:
    pier("run", "-d", "--name", "web", "--expose", "8000-8001", "-P", "alpine", "sleep", "1000")
    assert len(pier("port", "web").lines) >= 2
