"""What containers find in /etc/resolv.conf and /etc/hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.network import resolvconf
from pier.network.resolvconf import ResolvConf

HOST = resolvconf.parse(
    "# made by hand\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nsearch old\nsearch lab example\noptions rotate\n"
)


def test_the_last_search_line_and_all_servers_count() -> None:
    expected = ResolvConf(nameservers=("127.0.0.1", "192.0.2.53"), search=("lab", "example"), options=("rotate",))
    assert expected == HOST


def test_the_default_bridge_gets_the_hosts_servers_without_loopback() -> None:
    text = resolvconf.container_resolv_conf(HOST, embedded=False)
    assert text == "nameserver 192.0.2.53\nsearch lab example\noptions rotate\n"


def test_user_networks_ask_the_embedded_server_with_ndots_0() -> None:
    text = resolvconf.container_resolv_conf(HOST, embedded=True, dns=("9.9.9.9",), search=(".",))
    assert text == "nameserver 127.0.0.11\noptions rotate ndots:0\n"
    assert resolvconf.upstreams(HOST, ("9.9.9.9",)) == ("9.9.9.9",)
    assert resolvconf.upstreams(HOST) == HOST.nameservers


def test_own_servers_searches_and_options_replace_the_hosts() -> None:
    text = resolvconf.container_resolv_conf(
        HOST, embedded=False, dns=("9.9.9.9",), search=("corp",), options=("ndots:3",)
    )
    assert text == "nameserver 9.9.9.9\nsearch corp\noptions ndots:3\n"


def test_a_host_with_loopback_servers_only_needs_the_embedded_one() -> None:
    stub = resolvconf.parse("nameserver 127.0.0.53\n")
    assert resolvconf.uses_systemd_stub("nameserver 127.0.0.53\n")
    assert resolvconf.needs_embedded(stub)
    assert not resolvconf.needs_embedded(stub, ("9.9.9.9",))
    assert not resolvconf.needs_embedded(HOST)


def test_hosts_names_the_container_and_what_was_added() -> None:
    text = resolvconf.container_hosts(
        "web",
        ["172.17.0.2"],
        domainname="lab",
        extra=("db:10.0.0.5", "up=host-gateway", "six:[::1]"),
        gateway="10.0.0.1",
    )
    lines = text.splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-4:] == ["10.0.0.5\tdb", "10.0.0.1\tup", "::1\tsix", "172.17.0.2\tweb.lab web"]


@pytest.mark.parametrize("entry", ["", "db", "db:", ":10.0.0.1", "db:nowhere", "two words:10.0.0.1"])
def test_a_host_entry_that_cannot_be_meant_is_refused(entry: str) -> None:
    with pytest.raises(Invalid):
        resolvconf.container_hosts("web", [], extra=(entry,))


@given(st.text(max_size=200))
def test_any_text_is_some_resolv_conf(text: str) -> None:
    assert all(server.strip() for server in resolvconf.parse(text).nameservers)
