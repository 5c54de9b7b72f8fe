"""What a place offers, decided from facts: subordinate ids, switches of the kernel, tools, ports."""

from __future__ import annotations

import pytest

from pier.engine import diagnosis, userfacts
from pier.engine.userfacts import UserFacts
from pier.runtime import egress
from pier.runtime.shared import Ids

FULL = Ids(newuidmap="/n", newgidmap="/g", users=((100000, 65536),), groups=((100000, 65536),))


def _facts(**changes: object) -> UserFacts:
    return UserFacts(user="ada", uid=1000, gid=1000, ids=FULL).replace(**changes)


def test_ranges_are_found_by_name_and_by_number() -> None:
    text = "root:1:2\nada:100000:65536\n1000:300000:10\nadam:5:5\nada:x:y\nada:7\n"
    assert userfacts.ranges(text, "ada", 1000) == ((100000, 65536), (300000, 10))


def test_a_new_range_lies_above_every_other() -> None:
    assert userfacts.first_free("bob:100000:65536\neve:231072:65536\n\nbroken\n") == 296608
    assert userfacts.first_free("") == 100000


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"maximum": "0"}, "sysctl -w user.max_user_namespaces="),
        ({"clone_switch": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            {"apparmor_switch": "1", "confinement": "unconfined"},
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_a_forbidden_user_namespace_is_refused_with_the_administrators_fix(
    changes: dict[str, str], command: str
) -> None:
    obstacle = _facts(**changes).obstacle()
    assert obstacle is not None
    assert command in obstacle.hint


def test_a_program_with_an_apparmor_profile_of_its_own_is_not_refused() -> None:
    assert _facts(apparmor_switch="1", confinement="pier (unconfined)").obstacle() is None
    assert _facts(maximum="28633", clone_switch="1", apparmor_switch="0").obstacle() is None


def test_a_missing_range_and_missing_programs_have_different_fixes() -> None:
    assert _facts().lacks_range() == ("", "")
    assert _facts(ids=Ids(users=FULL.users, groups=FULL.groups)).lacks_range()[1] == "apt install uidmap"
    fix = _facts(ids=Ids(newuidmap="/n", newgidmap="/g"), free_range=165536).lacks_range()[1]
    assert fix == "usermod --add-subuids 165536-231071 --add-subgids 165536-231071 ada"


def test_one_id_is_a_limit_and_a_range_is_none() -> None:
    assert diagnosis.ids(_facts(), count=65537).state == diagnosis.WORKS
    limited = diagnosis.ids(_facts(ids=Ids()), count=1)
    assert (limited.state, bool(limited.why), bool(limited.fix)) == (diagnosis.LIMITED, True, True)


def test_low_ports_are_a_limit_only_where_the_kernel_keeps_them() -> None:
    assert diagnosis.ports("1024").state == diagnosis.LIMITED
    assert diagnosis.ports("80").state == diagnosis.WORKS
    assert diagnosis.ports("").told == "from 1024 up"


def test_a_place_that_cannot_be_entered_runs_nothing() -> None:
    findings = diagnosis.of_refusal(Exception("no"), "why", "fix")
    assert not diagnosis.runs(findings)
    assert diagnosis.runs((diagnosis.ids(_facts(ids=Ids()), count=1),))


def test_no_way_out_leads_to_the_machines_own_loopback() -> None:
    assert "--disable-host-loopback" in egress.command(egress.Tools(slirp4netns="/usr/bin/slirp4netns"))
    assert "--no-map-gw" in egress.command(egress.Tools(pasta="/usr/bin/pasta"))
    assert egress.command(egress.Tools()) == ()
