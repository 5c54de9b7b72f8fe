"""What the lists, the inspections and the prunes print, to the letter where Docker's users parse it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import Pier

PS_TITLES = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]


def cells(line: str) -> list[str]:
    """A table's line, cut where at least two spaces stand."""
    return [cell for cell in re.split(r"\s{2,}", line.strip()) if cell]


@pytest.fixture
def over(pier: Pier) -> str:
    """A container called over, which has ended with 3."""
    pier.run("run", "--name", "over", "--network", "none", "--label", "kind=test", "alpine", "sh", "-c", "exit 3")
    return "over"


@pytest.fixture
def box(pier: Pier) -> str:
    """A running container called box."""
    pier("run", "-d", "--name", "box", "--network", "none", "alpine", "sleep", "1000")
    return "box"


def test_an_empty_list_is_its_titles(pier: Pier) -> None:
    assert pier("ps").out == "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
    assert pier("ps", "-q").out == ""
    assert cells(pier("volume", "ls").lines[0]) == ["DRIVER", "VOLUME NAME"]
    assert pier("volume", "ls").lines[1:] == []


def test_ps_shows_the_running_and_with_all_the_rest(pier: Pier, over: str, box: str) -> None:
    assert pier.names() == ["box"]
    head, first, second = pier("ps", "-a").lines
    assert cells(head) == PS_TITLES
    assert cells(first)[1:3] == ["alpine", '"sleep 1000"']
    assert cells(second)[-1] == "over"
    assert re.search(r"Exited \(3\) (\d+ seconds?|Less than a second|About a minute) ago", second)
    assert re.search(r"Up (\d+ seconds?|Less than a second|About a minute)", first)


def test_last_and_latest_include_what_has_ended(pier: Pier, box: str, over: str) -> None:
    assert pier("ps", "-n", "1", "--format", "{{.Names}}").lines == ["over"]
    assert pier("ps", "-l", "--format", "{{.Names}}").lines == ["over"]
    assert pier("ps", "--last=2", "--format", "{{.Names}}").lines == ["over", "box"]


def test_no_trunc_shows_whole_ids_and_commands(pier: Pier) -> None:
    said = ("a", "rather", "long", "line", "of", "words")
    pier.run("run", "--name", "long", "--network", "none", "alpine", "echo", *said)
    assert '"echo a rather long …"' in pier("ps", "-a").out
    whole = pier("ps", "-a", "--no-trunc").lines[1]
    assert '"echo a rather long line of words"' in whole
    assert re.match(r"[0-9a-f]{64} ", whole)


def test_size_counts_what_the_container_wrote(pier: Pier) -> None:
    pier("run", "--name", "writer", "--network", "none", "alpine", "sh", "-c", "head -c 5000 /dev/zero > /five")
    head, row = pier("ps", "-as").lines
    assert cells(head)[-1] == "SIZE"
    assert re.search(r"5kB \(virtual [\d.]+MB\)$", row)
    (shown,) = pier("inspect", "-s", "writer").json()
    assert shown["SizeRw"] == 5000
    assert shown["SizeRootFs"] > 5000


def test_json_rows_hold_every_field_by_name(pier: Pier, over: str) -> None:
    (row,) = pier("ps", "-a", "--format", "json").rows()
    assert list(row) == sorted(row)
    assert row["Names"] == "over"
    assert row["State"] == "exited"
    assert row["Image"] == "alpine"
    assert row["Networks"] == "none"
    assert "kind=test" in row["Labels"].split(",")
    assert json.loads(pier("ps", "-a", "--format", "{{json .}}").out) == row


def test_a_label_can_be_asked_for_by_name(pier: Pier, over: str) -> None:
    shown = pier("ps", "-a", "--format", r'table {{.Names}}\t{{.Label "kind"}}').lines
    assert [cells(line) for line in shown] == [["NAMES", "KIND"], ["over", "test"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ps", "-a", "--format", "{{.Foo}}"), "can't evaluate field Foo in type *formatter.ContainerContext"),
        (("ps", "--format", "{{.ID"), "unclosed action"),
        (("ps", "--filter", "colour=red"), "invalid filter 'colour'"),
        (("ps", "--filter", "status=asleep"), "invalid filter 'status=asleep'"),
        (("images", "--filter", "colour=red"), "invalid filter 'colour'"),
        (("inspect", "nobody"), "No such object: nobody"),
        (("container", "inspect", "nobody"), "No such container: nobody"),
        (("image", "inspect", "nobody"), "No such image: nobody"),
        (("volume", "inspect", "nobody"), "no such volume"),
        (("network", "inspect", "nobody"), "network nobody not found"),
        (("logs", "nobody"), "No such container: nobody"),
        (("stop", "nobody"), "No such container: nobody"),
        (("rm", "nobody"), "No such container: nobody"),
        (("rmi", "nobody"), "No such image: nobody"),
        (("top", "nobody"), "No such container: nobody"),
        (("port", "nobody"), "No such container: nobody"),
        (("cp", "nobody:/x", "."), "No such container: nobody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_not_there_is_said_once(pier: Pier, over: str, words: tuple[str, ...], said: str) -> None:
    refused = pier.fails(*words, code=1)
    assert said in refused.err
    assert refused.err.count("Error") == 1


def test_several_names_are_all_tried(pier: Pier, box: str) -> None:
    result = pier.fails("rm", "-f", "nobody-1", "box", code=0)
    assert result.out == "box\n"
    assert "nobody-1" in result.err
    both = pier.fails("stop", "nobody-2", "nobody-3", code=1)
    assert "nobody-2" in both.err and "nobody-3" in both.err


def test_inspect_finds_each_kind_of_object(pier: Pier, over: str) -> None:
    pier("volume", "create", "things")
    kinds = {
        "over": "State",
        "alpine": "RootFS",
        "things": "Mountpoint",
        "bridge": "IPAM",
    }
    for name, key in kinds.items():
        (shown,) = pier("inspect", name).json()
        assert key in shown, name
    assert len(pier("inspect", "over", "alpine").json()) == 2
    partly = pier.run("inspect", "over", "nobody")
    assert partly.code == 1
    assert len(partly.json()) == 1


def test_inspect_templates_reach_into_the_object(pier: Pier, over: str) -> None:
    def told(template: str) -> str:
        return pier("inspect", "-f", template, "over").out.rstrip("\n")

    assert told("{{.State.ExitCode}} {{.State.Status}}") == "3 exited"
    assert told('{{index .Config.Labels "kind"}}') == "test"
    assert told("{{.Config.Labels.missing}}") == "<no value>"
    assert told("{{json .Config.Cmd}}") == '["sh","-c","exit 3"]'
    assert told("{{range .Config.Cmd}}[{{.}}]{{end}}") == "[sh][-c][exit 3]"
    assert told("{{if eq .State.ExitCode 3}}three{{else}}other{{end}}") == "three"
    assert told("{{len .Config.Cmd}}") == "3"
    refused = pier.fails("inspect", "-f", "{{.State.Foo}}", "over", code=1)
    assert 'executing "" at <.State.Foo>: map has no entry for key "Foo"' in refused.err


def test_images_are_listed_by_name_and_pattern(pier: Pier) -> None:
    head, *rows = pier("images").lines
    assert cells(head) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert "alpine" in {cells(row)[0] for row in rows}
    assert [cells(row)[0] for row in pier("images", "alpine").lines[1:]] == ["alpine"]
    assert pier("images", "alp*", "--format", "{{.Repository}}:{{.Tag}}").lines == ["alpine:latest"]
    assert pier("images", "--filter", "reference=alpine:*", "-q").lines == pier("images", "-q", "alpine").lines
    assert pier("images", "no-such-image", "-q").lines == []
    (whole,) = pier("images", "-q", "--no-trunc", "alpine").lines
    assert whole == pier("inspect", "-f", "{{.Id}}", "--type", "image", "alpine").words
    assert cells(pier("images", "--digests", "alpine").lines[0])[2] == "DIGEST"


def test_rmi_takes_names_first_and_refuses_what_a_container_uses(pier: Pier, over: str) -> None:
    pier("tag", "alpine", "lab/alias:1")
    assert pier("rmi", "lab/alias:1").lines == ["Untagged: lab/alias:1"]
    refused = pier.fails("rmi", "alpine", code=1)
    assert "container over" in refused.err
    assert pier("images", "-q", "alpine").lines


def test_container_prune_asks_and_counts(pier: Pier, over: str, box: str) -> None:
    identity = pier("inspect", "-f", "{{.Id}}", over).words
    asked = pier("container", "prune", stdin="n\n")
    assert asked.out.startswith("WARNING! This will remove all stopped containers.\n")
    assert "over" in pier.names(all=True)
    done = pier("container", "prune", stdin="y\n")
    assert f"Deleted Containers:\n{identity}\n\nTotal reclaimed space: 0B\n" in done.out
    assert pier.names(all=True) == ["box"]
    assert pier("container", "prune", "-f").out == "Total reclaimed space: 0B\n"


def test_prune_spares_what_a_filter_spares(pier: Pier, over: str) -> None:
    pier("container", "prune", "-f", "--filter", "label!=kind=test")
    pier("container", "prune", "-f", "--filter", "until=24h")
    pier("container", "prune", "-f", "--filter", "label=kind=other")
    assert pier.names(all=True) == ["over"]
    pier("container", "prune", "-f", "--filter", "label=kind=test")
    assert pier.names(all=True) == []


def test_named_volumes_are_taken_only_when_asked_for(pier: Pier) -> None:
    pier("volume", "create", "named")
    nameless = pier("volume", "create").words
    assert nameless in pier("volume", "prune", "-f").out
    assert pier("volume", "ls", "-q").lines == ["named"]
    assert "named" not in pier("system", "prune", "-f", "--volumes").out
    assert pier("volume", "ls", "-q").lines == ["named"]
    assert "Deleted Volumes:\nnamed\n" in pier("volume", "prune", "-af").out
    assert pier("volume", "ls", "-q").lines == []


def test_network_prune_takes_unused_networks_only(pier: Pier) -> None:
    pier("network", "create", "used")
    pier("network", "create", "idle")
    pier("create", "--name", "member", "--network", "used", "alpine", "true")
    assert pier("network", "prune", "-f").out == "Deleted Networks:\nidle\n\n"
    names = pier("network", "ls", "--format", "{{.Name}}").lines
    assert names == ["bridge", "host", "none", "used"]
    assert pier("network", "ls", "-q", "--filter", "type=custom").lines == [
        pier("network", "inspect", "-f", "{{.Id}}", "used").words[:12]
    ]
    pier("rm", "member")
    pier("network", "rm", "used")


def test_system_df_counts_each_kind(pier: Pier, over: str) -> None:
    pier("run", "--rm", "--network", "none", "-v", "stuff:/s", "alpine", "sh", "-c", "head -c 7000 /dev/zero > /s/x")
    head, images, containers, volumes, cache = pier("system", "df").lines
    assert cells(head) == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert cells(images)[0] == "Images"
    assert cells(containers) == ["Containers", "1", "0", "0B", "0B (0%)"]
    assert cells(volumes) == ["Local Volumes", "1", "0", "7kB", "7kB (100%)"]
    assert cells(cache)[0] == "Build Cache"
    rows = {row["Type"]: row for row in pier("system", "df", "--format", "json").rows()}
    assert rows["Containers"]["TotalCount"] == "1"
    told = pier("system", "df", "-v").out
    assert re.search(r"^stuff +0 +7kB$", told, flags=re.MULTILINE)


def test_events_tell_a_container_from_create_to_destroy(pier: Pier) -> None:
    pier("run", "--rm", "--name", "brief", "--network", "none", "alpine", "true")
    said = pier("events", "--since", "1h", "--until", "0s", "--filter", "container=brief")
    actions = [line.split()[2] for line in said.lines]
    assert actions == ["create", "start", "die", "destroy"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d container create [0-9a-f]{64} \(", said.out)
    only = pier("events", "--since=1h", "--until=0s", "-f", "container=brief", "-f", "event=die", "--format", "json")
    assert only.rows()[0]["Actor"]["Attributes"]["exitCode"] == "0"


def test_a_reader_that_leaves_early_is_no_error(pier: Pier) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(pier.argv(["ps"]), stdout=writer, stderr=subprocess.PIPE, env=pier.env, check=False)
    os.close(writer)
    assert done.stderr == b""


def test_cp_reaches_a_stopped_container(pier: Pier, over: str, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("for later")
    pier("cp", tmp_path / "note", f"{over}:/root/note")
    with (tmp_path / "out.tar").open("wb") as out:
        subprocess.run(pier.argv(["cp", f"{over}:/root", "-"]), stdout=out, env=pier.env, check=True)
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert "root/note" in archive.getnames()
    refused = pier.fails("cp", f"{over}:/no/such", str(tmp_path), code=1)
    assert "Could not find the file /no/such in container over" in refused.err


@pytest.mark.parametrize(
    ("source", "target", "lands"),
    [
        ("folder", "/srv", "/srv/folder/file"),
        ("folder/.", "/srv", "/srv/file"),
        ("folder", "/srv/new", "/srv/new/file"),
        ("folder/file", "/srv", "/srv/file"),
        ("folder/file", "/srv/renamed", "/srv/renamed"),
    ],
)
def test_cp_lands_where_dockers_table_says(
    pier: Pier, box: str, tmp_path: Path, source: str, target: str, lands: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("content")
    pier("exec", box, "mkdir", "-p", "/srv")
    pier("cp", f"{tmp_path}/{source}", f"{box}:{target}")
    assert pier("exec", box, "cat", lands).out == "content"
    assert pier("exec", box, "stat", "-c", "%u:%g", lands).words == "0:0"
