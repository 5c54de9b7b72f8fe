"""Two hundred containers started by as many commands, sixteen at a time: nothing is given twice, nothing gets lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import Pier, Result, wait_until

CONTAINERS = 200
AT_A_TIME = 16
# A start takes about 0.1 s on the reference machine; the bound is for one that does much else.
_SECONDS = 240.0


def _all(action: Callable[[int], Result], numbers: Iterable[int]) -> list[Result]:
    """The results of *action* for each number, at most sixteen running at once; each must have succeeded."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(action, numbers))
    failed = [str(result) for result in results if result.code]
    assert not failed, f"{len(failed)} of {len(results)} failed:\n" + "\n".join(failed[:5])
    return results


def _unique(kind: str, values: list[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    assert not twice, f"{kind} given more than once: {twice}"
    assert "" not in values, f"a container has no {kind}"


@pytest.mark.slow
def test_two_hundred_containers_started_at_once_are_all_different_and_all_right(pier: Pier, tmp_path: Path) -> None:
    begun = time.monotonic()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    options = ("-p", "127.0.0.1::80", "-v", f"{gate}:/gate", "-v", "shared:/data")

    def start(number: int) -> Result:
        script = f"echo {number} > /data/{number}; read line < /gate; exit {number % 126}"
        return pier.run("run", "-d", *options, "alpine", "sh", "-c", script, timeout=_SECONDS)

    ids = [result.words for result in _all(start, range(CONTAINERS))]
    described = json.loads(pier("inspect", *ids).out)
    _unique("id", ids)
    _unique("name", [one["Name"] for one in described])
    _unique("address", [one["NetworkSettings"]["IPAddress"] for one in described])
    _unique("hardware address", [one["NetworkSettings"]["MacAddress"] for one in described])
    _unique("port", [one["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] for one in described])
    _unique("pid", [str(one["State"]["Pid"]) for one in described])
    assert all(one["State"]["Running"] for one in described)
    assert sorted(pier("ps", "-q", "--no-trunc").lines) == sorted(ids)

    # A writer lets every reader's open(2) return (fifo(7)), and its leaving is their end of file.
    data = pier.root / "volumes" / "shared" / "_data"
    wait_until(lambda: len(os.listdir(data)) == CONTAINERS, what="every program has come to its gate")
    with gate.open("w"):
        waited = _all(lambda n: pier.run("exec", ids[n], "true", timeout=_SECONDS), range(0, CONTAINERS, 10))
        assert len(waited) == CONTAINERS / 10
    ends = _all(lambda n: pier.run("wait", ids[n], timeout=_SECONDS), range(CONTAINERS))
    codes = [int(end.words) for end in ends]
    assert codes == [number % 126 for number in range(CONTAINERS)]
    assert pier("ps", "-q").out == ""
    written = {path.name: path.read_text().strip() for path in data.iterdir()}
    assert written == {str(number): str(number) for number in range(CONTAINERS)}

    _all(lambda n: pier.run("rm", ids[n], timeout=_SECONDS), range(CONTAINERS))
    assert pier("ps", "-aq").out == ""
    assert time.monotonic() - begun < _SECONDS


def test_of_many_that_want_one_name_exactly_one_gets_it(pier: Pier) -> None:
    def claim(_number: int) -> Result:
        return pier.run("create", "--name", "wanted", "alpine", "true")

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(claim, range(AT_A_TIME * 2)))
    assert all("already in use" in result.err for result in results if result.code)
    assert len([result for result in results if result.code == 0]) == 1
    assert pier.names(all=True) == ["wanted"]


def test_of_many_that_start_stop_and_remove_one_container_nobody_breaks_it(pier: Pier) -> None:
    pier("create", "--name", "contested", "--restart", "no", "alpine", "sleep", "1000")
    verbs = (("start",), ("stop", "-t", "0"), ("restart", "-t", "0"), ("inspect",))

    def act(number: int) -> Result:
        return pier.run(*verbs[number % len(verbs)], "contested")

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(act, range(AT_A_TIME * 3)))
    assert not [str(result) for result in results if "Traceback" in result.err or "this is a bug" in result.err]
    pier.run("start", "contested")
    assert pier.state("contested")["Running"]
    pier("rm", "-f", "contested")
    assert pier.names(all=True) == []


def test_networks_made_at_once_have_ranges_of_their_own(pier: Pier) -> None:
    names = [f"net{number}" for number in range(4)]
    _all(lambda number: pier.run("network", "create", names[number]), range(len(names)))
    described = json.loads(pier("network", "inspect", *names).out)
    _unique("subnet", [one["IPAM"]["Config"][0]["Subnet"] for one in described])
    _all(lambda number: pier.run("network", "rm", names[number]), range(len(names)))
