"""Networks as verbs: the store's records, the host's bridges, and who uses them."""

from __future__ import annotations

from pier.engine import listing, reconcile, records
from pier.errors import Conflict, Invalid, NotFound, Unsupported
from pier.model.container import NetworkAttachment
from pier.model.network import PREDEFINED
from pier.network import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pier.engine.context import Engine
    from pier.model.network import Network


def create(
    engine: Engine,
    name: str,
    *,
    driver: str = "bridge",
    subnet: str = "",
    gateway: str = "",
    internal: bool = False,
    attachable: bool = False,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Network:
    """A new bridge network; its bridge appears with its first container. Conflict, Invalid, Exhausted."""
    network = store.create(
        engine.paths,
        name,
        driver=driver,
        subnet=subnet,
        gateway=gateway,
        internal=internal,
        attachable=attachable,
        labels=labels,
        options=options,
    )
    engine.record("network", "create", network.id, name=network.name, type=network.driver)
    return network


def find(engine: Engine, reference: str) -> Network:
    """The network of that name or id. NotFound."""
    return store.find(engine.paths, reference)


def list(engine: Engine) -> tuple[Network, ...]:
    """Every network, the predefined ones included."""
    return store.list(engine.paths)


def remove(engine: Engine, reference: str) -> Network:
    """The network and its bridge are gone. Conflict while a running container is on it, or when it is predefined."""
    network = store.find(engine.paths, reference)
    for endpoint in store.endpoints(engine.paths, network.id):
        # Loading repairs what a killed monitor left: an address that nobody holds any more.
        if reconcile.load(engine, endpoint.container_id) is None:
            store.release(engine.paths, network.id, endpoint.container_id)
    network = store.remove(engine.paths, reference, dismantle=lambda gone: _dismantle(engine, gone))
    engine.record("network", "destroy", network.id, name=network.name, type=network.driver)
    return network


def _dismantle(engine: Engine, network: Network) -> None:
    from pier.network import connect

    engine.place.on_network(lambda: connect.teardown_network(network))


def prune(engine: Engine, *, keep: Callable[[Network], bool]) -> tuple[str, ...]:
    """Names of the networks removed: those of the user's that no container, running or not, is to join."""
    used = {
        attachment.network
        for container in listing.containers(engine, all=True)
        for attachment in container.spec.networks
    }
    removed = []
    for network in store.stored(engine.paths):
        if network.name in PREDEFINED or network.name in used or network.id in used or keep(network):
            continue
        remove(engine, network.id)
        removed.append(network.name)
    return tuple(removed)


def connect(
    engine: Engine, reference: str, container_reference: str, *, aliases: tuple[str, ...] = (), ip: str = ""
) -> None:
    """The stopped container joins the network at its next start. Unsupported while it runs."""
    network = store.find(engine.paths, reference)
    _change_networks(
        engine,
        container_reference,
        lambda joined: _with(joined, NetworkAttachment(network=network.name, aliases=aliases, ip=ip)),
    )
    engine.record("network", "connect", network.id, name=network.name, container=container_reference)


def disconnect(engine: Engine, reference: str, container_reference: str, *, force: bool = False) -> None:
    """The stopped container no longer joins the network. Unsupported while it runs; NotFound unless *force*."""
    network = store.find(engine.paths, reference)

    def without(joined: tuple[NetworkAttachment, ...]) -> tuple[NetworkAttachment, ...]:
        rest = tuple(attachment for attachment in joined if attachment.network not in (network.name, network.id))
        if rest == joined and not force:
            raise NotFound(f"container {container_reference} is not connected to network {network.name}")
        return rest

    _change_networks(engine, container_reference, without)
    engine.record("network", "disconnect", network.id, name=network.name, container=container_reference)


def _with(joined: tuple[NetworkAttachment, ...], new: NetworkAttachment) -> tuple[NetworkAttachment, ...]:
    if any(attachment.network == new.network for attachment in joined):
        raise Conflict(f"the container is on network {new.network} already")
    return (*joined, new)


def _change_networks(
    engine: Engine,
    reference: str,
    change: Callable[[tuple[NetworkAttachment, ...]], tuple[NetworkAttachment, ...]],
) -> None:
    container = listing.find(engine, reference)
    if container.state.running:
        raise Unsupported(
            f"the networks of the running container {container.name} cannot be changed",
            why="pier connects a container when it starts",
            hint=f"pier stop {container.name}, then this command, then pier start {container.name}",
        )
    with records.lock(engine.paths, container.id):
        spec = records.read(engine.paths, container.id).spec
        if spec.network_mode not in ("bridge", "none"):
            raise Invalid(f"a container on network {spec.network_mode.partition(':')[0]} cannot join others")
        networks = change(spec.networks)
        mode = "bridge" if networks else "none"
        records.write_spec(engine.paths, spec.replace(networks=networks, network_mode=mode))
