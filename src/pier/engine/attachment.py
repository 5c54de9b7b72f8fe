"""How one container hangs on its networks, start after start: addresses, files, names and published ports."""

from __future__ import annotations

import os

from pier.engine import listing, reconcile
from pier.errors import Conflict, NotFound
from pier.kernel import namespaces, netlink
from pier.kernel.netlink import Netlink
from pier.network import connect, resolvconf, store
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.model.container import ContainerSpec, NetworkAttachment
    from pier.model.network import Endpoint, Network
    from pier.model.ports import PortBinding
    from pier.network.dns import Resolver
    from pier.network.proxy import PortProxy
    from pier.runtime.services import Service

HOST_RESOLV_CONF = "/etc/resolv.conf"
NETWORK_FILES = ("resolv.conf", "hosts", "hostname")


class Attachment:
    """Owned by the monitor. `join` before each start, `serve` once the program runs, `leave` after its end."""

    def __init__(self, engine: Engine, spec: ContainerSpec) -> None:
        self._engine = engine
        self._spec = spec
        self._joined: list[tuple[Network, Endpoint]] = []
        self._proxy: PortProxy | None = None
        self._resolver: Resolver | None = None
        self.ports: tuple[PortBinding, ...] = ()
        self.warnings: list[str] = []
        self.join_path = ""

    def join(self) -> None:
        """Addresses are leased, ports are bound, and the files for /etc lie in the container's folder."""
        self._bind_ports()
        mode = self._spec.network_mode
        if mode.startswith("container:"):
            self._share(mode.partition(":")[2])
            return
        paths = self._engine.paths
        if mode == "bridge":
            self.warnings += self._engine.place.enter_network()
            for attachment in self._spec.networks:
                network = store.find(paths, attachment.network)
                warning = connect.prepare_host(paths, network)
                if warning:
                    self.warnings.append(warning)
                self._joined.append((network, self._lease(network, attachment)))
        self._write_files()

    def _bind_ports(self) -> None:
        if not self._spec.ports or self._spec.network_mode != "bridge" or self._proxy is not None:
            return
        from pier.network import publish
        from pier.network.proxy import PortProxy

        listeners = publish.open_listeners(self._spec.ports, holder=self._holder)
        self.ports = tuple(listener.binding for listener in listeners)
        self._proxy = PortProxy(listeners)

    def _holder(self, wanted: PortBinding) -> str:
        """The container of this store that publishes the port already, or ""."""
        for container in listing.containers(self._engine):
            for binding in container.state.ports:
                if (binding.host_port, binding.protocol) == (wanted.host_port, wanted.protocol):
                    return f"container {container.name}"
        return ""

    def _lease(self, network: Network, attachment: NetworkAttachment) -> Endpoint:
        names = attachment.aliases if network.resolves_names else ()
        paths = self._engine.paths
        store.release(paths, network.id, self._spec.id)
        return store.allocate(
            paths, network, self._spec, ip=attachment.ip or None, mac=attachment.mac, names=names
        )

    def _share(self, other_id: str) -> None:
        """Live in the network of another container."""
        other = reconcile.load(self._engine, other_id)
        if other is None:
            raise NotFound(f"No such container: {other_id[:12]}", why="its network was to be shared")
        if not other.state.running:
            raise Conflict(
                f"cannot join network of a non running container: {other.id}", hint=f"pier start {other.name}"
            )
        self.join_path = f"/proc/{other.state.pid}/ns/net"
        for name in ("resolv.conf", "hosts"):
            text = files.read_text(f"{self._engine.paths.container(other.id)}/{name}")
            files.write_text(f"{self._folder}/{name}", text, mode=0o644)
        files.write_text(f"{self._folder}/hostname", self._spec.hostname + "\n", mode=0o644)

    @property
    def _folder(self) -> str:
        return self._engine.paths.container(self._spec.id)

    @property
    def _embedded(self) -> bool:
        """Whether names are resolved at 127.0.0.11, by the monitor."""
        return bool(self._joined) and (
            self._engine.place.open_upstream is not None
            or any(network.resolves_names for network, _ in self._joined)
            or resolvconf.needs_embedded(_host_resolv_conf(), self._spec.dns)
        )

    def _write_files(self) -> None:
        spec = self._spec
        if spec.network_mode == "host":
            resolv, hosts = _read("/etc/resolv.conf"), _read("/etc/hosts")
        else:
            resolv = resolvconf.container_resolv_conf(
                _host_resolv_conf(),
                embedded=self._embedded,
                dns=spec.dns,
                search=spec.dns_search,
                options=spec.dns_options,
            )
            hosts = resolvconf.container_hosts(
                spec.hostname,
                [endpoint.ip for _, endpoint in self._joined],
                domainname=spec.domainname,
                extra=spec.extra_hosts,
                gateway=self._joined[0][1].gateway if self._joined else "",
            )
        for name, text in (("resolv.conf", resolv), ("hosts", hosts), ("hostname", spec.hostname + "\n")):
            files.write_text(f"{self._folder}/{name}", text, mode=0o644)

    def attach(self, network: str) -> None:
        """Plug the veth pairs into the new container's network namespace, the file *network*."""
        if not self._joined:
            return
        netns = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for number, (joined, endpoint) in enumerate(self._joined):
                connect.attach(joined, endpoint, netns, f"eth{number}")
            if self._embedded:
                self._resolver = self._open_resolver(netns)
        finally:
            os.close(netns)

    def configure(self) -> None:
        """Runs inside the container's network namespace."""
        if self._spec.network_mode == "host" or self.join_path:
            return
        connect.configure_inside([endpoint for _, endpoint in self._joined])

    def serve(self) -> list[Service]:
        """Name service and port proxy for the container that now runs."""
        served: list[Service] = []
        if self._proxy is not None and self._joined:
            self._proxy.set_target(self._joined[0][1].ip)
            served.append(self._proxy)
        if self._resolver is not None:
            served.append(self._resolver)
        return served

    def _open_resolver(self, netns: int) -> Resolver:
        """The name service, listening before the program's first question: loopback comes up for it."""
        from pier.network import dns
        from pier.network.names import EndpointNames

        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            namespaces.setns(netns, namespaces.CLONE_NEWNET)
            try:
                with Netlink() as link:
                    link.transact([netlink.set_up("lo")])
                datagrams, streams = dns.open_sockets()
            finally:
                namespaces.setns(home, namespaces.CLONE_NEWNET)
        finally:
            os.close(home)
        upstreams = resolvconf.upstreams(_host_resolv_conf(), self._spec.dns)
        named = [network.id for network, _ in self._joined if network.resolves_names]
        names = EndpointNames(self._engine.paths, named)
        return dns.Resolver(datagrams, streams, upstreams, names, self._engine.place.open_upstream)

    def addresses(self) -> dict[str, dict[str, str]]:
        """Network name → what `inspect` tells of the endpoint."""
        return {
            network.name: {
                "network_id": network.id,
                "ip": endpoint.ip,
                "prefix": str(endpoint.prefix),
                "gateway": endpoint.gateway,
                "mac": endpoint.mac,
            }
            for network, endpoint in self._joined
        }

    def leave(self) -> None:
        """Addresses are given back; bound ports are kept for the next start."""
        if self._resolver is not None:
            self._resolver.close()
            self._resolver = None
        if self._proxy is not None:
            self._proxy.set_target("")
        for network, _ in self._joined:
            store.release(self._engine.paths, network.id, self._spec.id)
        self._joined = []
        self.join_path = ""

    def close(self) -> None:
        """Ports are free again."""
        self.leave()
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None
        self.ports = ()


def _host_resolv_conf() -> resolvconf.ResolvConf:
    text = _read(HOST_RESOLV_CONF)
    if resolvconf.uses_systemd_stub(text):
        text = _read(resolvconf.SYSTEMD_UPSTREAM) or text
    return resolvconf.parse(text)


def _read(path: str) -> str:
    try:
        return files.read_text(path)
    except (FileNotFoundError, PermissionError):
        return ""
