"""nf_tables batches against the kernel, and as the `nft` program reads them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from netns import world
from pier.kernel import nftables as nft


@pytest.fixture
def table() -> Iterator[nft.Nftables]:
    with world():
        try:
            with nft.Nftables() as opened:
                opened.commit([nft.add_table("probe"), nft.delete_table("probe")])
                yield opened
        except OSError as exc:
            pytest.skip(f"needs nf_tables in the kernel: {exc}")


def _chain(name: str = "out", kind: str = "nat", hook: int = nft.HOOK_POSTROUTING) -> list[nft.Message]:
    return [nft.add_table("t"), nft.add_base_chain("t", name, kind, hook, nft.PRIORITY_SOURCE_NAT)]


def test_a_rule_is_found_and_deleted_by_its_comment(table: nft.Nftables) -> None:
    table.commit([*_chain(), nft.add_rule("t", "out", [nft.masquerade()], "mine")])
    table.commit([*_chain(), nft.add_rule("t", "out", [nft.masquerade()], "other")])
    ((handle, _),) = [rule for rule in table.rules("t", "out") if rule[1] == "mine"]
    table.commit([nft.delete_rule("t", "out", handle)])
    assert [comment for _, comment in table.rules("t", "out")] == ["other"]


def test_a_failing_batch_leaves_nothing(table: nft.Nftables) -> None:
    with pytest.raises(FileNotFoundError):
        table.commit([*_chain(), nft.add_rule("t", "absent", [nft.drop()], "mine")])
    assert table.chains("t") == {}
    assert table.rules("t", "out") == []


def test_the_nft_program_reads_what_was_meant(table: nft.Nftables) -> None:
    if not shutil.which("nft"):
        pytest.skip("needs the nft program to read the rules back")
    into = [nft.to_interface("br"), nft.from_interface("br", negate=True), nft.unsolicited(), nft.drop()]
    out = [nft.from_subnet("172.17.0.0", 16), nft.to_interface("br*", negate=True), nft.masquerade()]
    forward = nft.add_base_chain("t", "forward", "filter", nft.HOOK_FORWARD, nft.PRIORITY_FILTER)
    table.commit([*_chain(), forward, nft.add_rule("t", "forward", into, "a"), nft.add_rule("t", "out", out, "b")])
    table.commit([nft.add_rule("t", "forward", [nft.accept()], "c", first=True)])
    shown = subprocess.run(["nft", "list", "table", "ip", "t"], capture_output=True, text=True, check=True).stdout
    rules = [line.strip() for line in shown.splitlines() if "comment" in line]
    assert rules == [
        'ip saddr 172.17.0.0/16 oifname != "br*" masquerade comment "b"',
        'accept comment "c"',
        'oifname "br" iifname != "br" ct state ! established,related drop comment "a"',
    ]
