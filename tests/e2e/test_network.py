"""Networks through the command line: names, ports, isolation, and the refusals that say who is in the way."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import Pier, http_get, wait_until

SERVE = "mkdir -p /www && echo hello from $(hostname) > /www/index.html && exec httpd -f -p 80 -h /www"

ECHO = """
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("", 9))
while True:
    data, peer = echo.recvfrom(100)
    echo.sendto(data, peer)
"""


def _web(pier: Pier, name: str, *options: object) -> None:
    pier("run", "-d", "--name", name, "-h", name, *options, "busybox", "sh", "-c", SERVE)


def _fetch(pier: Pier, url: str, *options: object) -> str:
    """What a container on the same network reads at *url*, once the server is up."""

    def answered() -> str:
        result = pier.run("run", "--rm", *options, "busybox", "timeout", "3", "wget", "-q", "-O-", url)
        return result.words if result.code == 0 else ""

    return wait_until(answered, what=f"{url} answers")


@contextmanager
def _greeter() -> Iterator[int]:
    """A server of this machine, outside all containers, that says hello to whoever connects; its port."""
    with socket.create_server(("0.0.0.0", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"hello\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _own_address() -> str:
    """The address by which this machine reaches others; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("needs a default route")
        return str(probe.getsockname()[0])


def test_containers_of_a_network_find_each_other_by_name_alias_and_id(pier: Pier) -> None:
    pier("network", "create", "lab")
    _web(pier, "web", "--network", "lab", "--network-alias", "www")
    short = pier("ps", "-q").words
    for name in ("web", "www", short, "web.lab"):
        assert _fetch(pier, f"http://{name}/", "--network", "lab") == "hello from web"


def test_the_default_network_resolves_no_names_but_reaches_addresses(pier: Pier) -> None:
    _web(pier, "web")
    (ip,) = pier("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web").lines
    assert _fetch(pier, f"http://{ip}/") == "hello from web"
    assert pier.run("run", "--rm", "busybox", "timeout", "3", "wget", "-q", "-O-", "http://web/").code != 0


def test_a_container_reaches_this_machine_by_its_own_address_and_as_host_gateway(pier: Pier) -> None:
    with _greeter() as port:
        for options, host in (((), _own_address()), (("--add-host", "host:host-gateway"), "host")):
            command = ("run", "--rm", *options, "busybox", "nc", "-w", "3", host, port)
            assert pier(*command).words == "hello"


def test_networks_do_not_reach_each_other(pier: Pier) -> None:
    pier("network", "create", "red")
    pier("network", "create", "blue")
    _web(pier, "web", "--network", "red")
    (ip,) = pier("inspect", "-f", "{{.NetworkSettings.Networks.red.IPAddress}}", "web").lines
    assert _fetch(pier, f"http://{ip}/", "--network", "red") == "hello from web"
    assert pier.run("run", "--rm", "--network", "blue", "busybox", "nc", "-w", "1", ip, "80").code != 0
    assert pier.run("run", "--rm", "--network", "blue", "busybox", "nslookup", "web").code != 0


def test_an_internal_network_leads_nowhere_else(pier: Pier) -> None:
    pier("network", "create", "--internal", "vault")
    _web(pier, "web", "--network", "vault")
    assert _fetch(pier, "http://web/", "--network", "vault") == "hello from web"
    assert "default" not in pier("run", "--rm", "--network", "vault", "busybox", "ip", "route").out


def test_network_none_has_loopback_only_and_network_host_has_the_machines_interfaces(pier: Pier) -> None:
    assert pier("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net").out.split() == ["lo"]
    inside = pier("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/dev").out
    names = {line.partition(":")[0].strip() for line in inside.splitlines() if ":" in line}
    assert names >= {entry.name for entry in Path("/sys/class/net").iterdir() if not entry.name.startswith("pv")}


def test_a_container_may_share_the_network_of_another(pier: Pier) -> None:
    _web(pier, "web")
    assert _fetch(pier, "http://127.0.0.1/", "--network", "container:web") == "hello from web"


def test_a_port_answers_on_both_families_and_survives_a_restart(pier: Pier, free_port: int) -> None:
    _web(pier, "web", "-p", f"{free_port}:80")
    urls = [f"http://127.0.0.1:{free_port}/"]
    if Path("/proc/net/if_inet6").read_text().strip():
        urls.append(f"http://[::1]:{free_port}/")
    for _ in range(2):
        for url in urls:
            wait_until(lambda url=url: _answer(url) == "hello from web", what=f"{url} answers")
        pier("restart", "-t", "1", "web")
    assert f"80/tcp -> 0.0.0.0:{free_port}" in pier("port", "web").lines
    pier("stop", "-t", "1", "web")
    assert _answer(urls[0]) == ""


def test_a_port_that_nobody_chose_is_picked_and_shown(pier: Pier) -> None:
    _web(pier, "web", "-p", "127.0.0.1::80")
    port = pier("port", "web", "80").words.rpartition(":")[2]
    assert f"127.0.0.1:{port}->80/tcp" in pier("ps").out
    wait_until(lambda: _answer(f"http://127.0.0.1:{port}/"), what="the picked port answers")


def test_datagrams_are_published_too(pier: Pier, free_port: int) -> None:
    pier("run", "-d", "-p", f"{free_port}:9/udp", "python:3.11-slim", "python", "-c", ECHO)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", free_port))
        asking.settimeout(0.2)

        def echoed() -> bytes:
            try:
                asking.send(b"ping")
                return asking.recv(100)
            except OSError:
                return b""

        assert wait_until(echoed, what="the datagram comes back") == b"ping"


def test_a_port_in_use_names_the_container_or_the_process_and_leaves_nothing_running(
    pier: Pier, free_port: int
) -> None:
    _web(pier, "web", "-p", f"{free_port}:80")
    refused = pier.fails("run", "--rm", "-p", f"{free_port}:80", "busybox", "true", code=125)
    assert f"Bind for 0.0.0.0:{free_port} failed: port is already allocated" in refused.err
    assert "container web" in refused.err
    with _greeter() as port:
        refused = pier.fails("run", "--rm", "-p", f"{port}:80", "busybox", "true", code=125)
        assert "(pid " in refused.err
    assert pier.names(all=True) == ["web"]


def test_a_network_in_use_is_kept_and_says_by_whom(pier: Pier) -> None:
    pier("network", "create", "lab")
    _web(pier, "web", "--network", "lab")
    refused = pier.fails("network", "rm", "lab", code=1)
    assert "network lab has active endpoints" in refused.err
    assert "web (" in refused.err
    pier("rm", "-f", "web")
    pier("network", "rm", "lab")
    assert "lab" not in pier("network", "ls", "--format", "{{.Name}}").lines


def test_a_network_has_the_subnet_it_was_given_and_containers_the_addresses(pier: Pier) -> None:
    pier("network", "create", "--subnet", "10.213.7.0/24", "--gateway", "10.213.7.9", "lab")
    (lab,) = json.loads(pier("network", "inspect", "lab").out)
    assert lab["IPAM"]["Config"] == [{"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.9"}]
    told = pier("run", "--rm", "--network", "lab", "--ip", "10.213.7.33", "busybox", "ip", "-4", "addr", "show", "eth0")
    assert "inet 10.213.7.33/24" in told.out
    assert "network with name lab already exists" in pier.fails("network", "create", "lab", code=1).err
    assert "Pool overlaps" in pier.fails("network", "create", "--subnet", "10.213.0.0/16", "wide", code=1).err
    assert "network nowhere not found" in pier.fails("run", "--network", "nowhere", "busybox", "true", code=125).err


def test_name_servers_and_searches_are_those_asked_for(pier: Pier) -> None:
    options = ("--dns", "192.0.2.53", "--dns-search", "corp.example", "--dns-option", "ndots:2")
    told = pier("run", "--rm", *options, "busybox", "cat", "/etc/resolv.conf").out
    assert told.splitlines() == ["nameserver 192.0.2.53", "search corp.example", "options ndots:2"]


def _answer(url: str) -> str:
    try:
        return http_get(url, timeout=2)[1].strip()
    except OSError:
        return ""
