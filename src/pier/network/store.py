"""Networks on disk: `<id>/network.json`, `<id>/endpoints/<ip>` and `names/<name>`, under the store's networks folder.

An endpoint's file is its address lease and its entry in the name service at once; O_EXCL decides between concurrent
commands. Touches no interface: `pier.network.connect` does.
"""

from __future__ import annotations

import os
import time

from pier.errors import Conflict, Exhausted, Invalid, NotFound
from pier.kernel.netlink import link_index
from pier.model import jsontext
from pier.model.network import DEFAULT_NETWORK, PREDEFINED, Endpoint, Network
from pier.network import hostfacts, subnets
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from pier.state.paths import Paths

    class Named(Protocol):
        @property
        def id(self) -> str: ...
        @property
        def name(self) -> str: ...


OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_INTERFACE = "com.docker.network.bridge.name"
HOST = Network(id="4057" + "0" * 60, name="host", driver="host")
NONE = Network(id="707e" + "0" * 60, name="none", driver="null")
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def create(
    paths: Paths,
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
    """A new bridge network. Conflict when the name is taken or the subnet overlaps; Exhausted when no pool is free."""
    if driver != "bridge":
        raise NotFound(f"could not find plugin {driver} in v1 plugin registry: plugin not found", hint="use bridge")
    _check_name(name)
    with _lock(paths):
        if name in PREDEFINED or _read_name(paths, name) is not None:
            raise Conflict(f"network with name {name} already exists")
        settings = dict(options or {})
        span = _explicit_subnet(paths, name, subnet) if subnet else _free_subnet(paths)
        identity = os.urandom(32).hex()
        network = Network(
            id=identity,
            name=name,
            created=_now(),
            internal=internal,
            attachable=attachable,
            labels=dict(labels or {}),
            options=settings,
            subnet=f"{subnets.to_text(span[0])}/{span[1]}",
            gateway=_gateway(span, gateway),
            interface=_interface(settings, identity),
            mtu=_mtu(settings),
        )
        _lay(paths, network)
    return network


def find(paths: Paths, reference: str) -> Network:
    """The network of that name, id or unique beginning of an id. The default network is made when first asked for."""
    if reference == "host":
        return HOST
    if reference == "none":
        return NONE
    if reference in (DEFAULT_NETWORK, "default"):
        return _default(paths)
    if named := _read_name(paths, reference):
        return named
    matches = tuple(network for network in list(paths) if reference and network.id.startswith(reference))
    if len(matches) > 1:
        raise Conflict(f"multiple IDs found with provided prefix: {reference}")
    if not matches:
        raise NotFound(f"network {reference} not found", hint="pier network ls")
    return matches[0]


def list(paths: Paths) -> tuple[Network, ...]:
    """Every network, predefined ones included, by name."""
    found = [HOST, NONE, _default(paths)]
    for name in files.list_dir(_names(paths)):
        network = _read_name(paths, name)
        if network is not None and name != DEFAULT_NETWORK:
            found.append(network)
    return tuple(sorted(found, key=lambda network: network.name))


def remove(paths: Paths, reference: str, *, dismantle: Callable[[Network], None] | None = None) -> Network:
    """The network is gone from the store. Conflict while endpoints exist or when it is predefined.

    *dismantle* is called once nobody can find it any more. Its remains below tmp last until that is done, so that
    `orphans.sweep` is called where we were killed before.
    """
    if reference in PREDEFINED:
        raise Conflict(f"{reference} is a pre-defined network and cannot be removed")
    network = find(paths, reference)
    if network.name in PREDEFINED:
        raise Conflict(f"{network.name} is a pre-defined network and cannot be removed")
    folder = _endpoints(paths, network.id)
    with _lock(paths):
        _sweep(folder)
        try:
            # rmdir(2) decides the race with allocate(): afterwards no lease can be made any more.
            os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError as exc:
            holders = ", ".join(f"{endpoint.container} ({endpoint.ip})" for endpoint in endpoints(paths, network.id))
            raise Conflict(
                f"error while removing network: network {network.name} has active endpoints",
                why=f"in use by {holders}" if holders else "a container is being attached",
                hint="stop or disconnect these containers first",
            ) from exc
        doomed = f"{files.ensure_dir(paths.tmp)}/{network.id}.{os.getpid()}.removed"
        os.rename(f"{paths.networks}/{network.id}", doomed)
        files.unlink_quietly(_name_file(paths, network.name))
    if dismantle is not None:
        dismantle(network)
    files.remove_tree(doomed)
    return network


def sweep(paths: Paths) -> None:
    """Names that killed commands left without a network are gone."""
    with _lock(paths):
        for name in files.list_dir(_names(paths)):
            if _read_name(paths, name) is None:
                files.unlink_quietly(_name_file(paths, name))


def allocate(
    paths: Paths, network: Network, container: Named, *, ip: str | None = None, mac: str = "", names: Iterable[str] = ()
) -> Endpoint:
    """Lease *ip*, or the lowest free address, to *container*. Its name and short id are always among its names."""
    span = subnets.parse(network.subnet)
    known = dict.fromkeys((container.name, *names, container.id[:12]))
    lease = Endpoint(
        network_id=network.id,
        network=network.name,
        container_id=container.id,
        container=container.name,
        ip="",
        prefix=span[1],
        mac="",
        gateway="" if network.internal else network.gateway,
        mtu=network.mtu,
        names=tuple(known),
    )
    folder = _endpoints(paths, network.id)
    if not os.path.isdir(folder):
        _mend(paths, network)
    if ip:
        if not subnets.contains(span, subnets.to_int(ip)):
            raise Invalid(f"no configured subnet contains IP address {ip}", why=f"{network.name} is {network.subnet}")
        endpoint = _take(folder, lease, ip, mac) if ip != network.gateway else None
        if endpoint is None:
            raise Conflict(f"Address already in use: {ip} on network {network.name}")
        return endpoint
    taken = {network.gateway, *files.list_dir(folder)}
    for value in subnets.hosts(span):
        candidate = subnets.to_text(value)
        if candidate not in taken and (endpoint := _take(folder, lease, candidate, mac)):
            return endpoint
    raise Exhausted(
        f"no available IPv4 addresses on network {network.name} ({network.subnet})",
        hint="remove containers, or create a network with a larger --subnet",
    )


def _mend(paths: Paths, network: Network) -> None:
    """A removal that was killed half-way has not happened. NotFound for one that has."""
    with _lock(paths):
        if not files.exists(f"{paths.networks}/{network.id}/network.json"):
            raise _removed(network.name)
        files.ensure_dir(_endpoints(paths, network.id))


def _removed(name: str) -> NotFound:
    return NotFound(f"network {name} not found", why="it was removed a moment ago")


def endpoints(paths: Paths, network_id: str) -> tuple[Endpoint, ...]:
    """The leases of a network, in order of address text; leases that vanish meanwhile are left out."""
    folder = _endpoints(paths, network_id)
    found = []
    for name in files.list_dir(folder):
        try:
            found.append(Endpoint.from_dict(files.read_json(f"{folder}/{name}")))
        except FileNotFoundError:
            continue
    return tuple(found)


def release(paths: Paths, network_id: str, container_id: str) -> bool:
    """The container holds no address of the network. True when it held one."""
    folder = _endpoints(paths, network_id)
    released = False
    for name in files.list_dir(folder):
        try:
            text = files.read_text(f"{folder}/{name}")
        except FileNotFoundError:
            continue
        if container_id in text and jsontext.loads(text)["container_id"] == container_id:
            released |= files.unlink_quietly(f"{folder}/{name}")
    return released


def release_all(paths: Paths, container_id: str) -> None:
    """The container holds no address of any network."""
    for name in files.list_dir(paths.networks):
        if len(name) == 64:
            release(paths, name, container_id)


def folder(paths: Paths, network_id: str) -> str:
    """Where all of a network lies: it exists as long as the network does."""
    return f"{paths.networks}/{network_id}"


def endpoints_folder(paths: Paths, network_id: str) -> str:
    """Where the leases of a network lie: what the name service watches."""
    return _endpoints(paths, network_id)


def _take(folder: str, lease: Endpoint, ip: str, mac: str) -> Endpoint | None:
    endpoint = lease.replace(ip=ip, mac=mac or subnets.mac_of(ip))
    try:
        files.create_exclusive(f"{folder}/{ip}", jsontext.dumps(endpoint.to_dict()) + "\n")
    except FileExistsError:
        return None
    except FileNotFoundError as exc:
        raise _removed(lease.network) from exc
    return endpoint


def _default(paths: Paths) -> Network:
    """The default network: made when missing, moved to another subnet when the host took its own meanwhile."""
    network = _read_name(paths, DEFAULT_NETWORK)
    if network is not None and link_index(network.interface):
        return network
    with _lock(paths):
        network = _read_name(paths, DEFAULT_NETWORK)
        if network is None:
            identity = os.urandom(32).hex()
            network = Network(
                id=identity,
                name=DEFAULT_NETWORK,
                created=_now(),
                interface=_interface({}, identity),
                mtu=hostfacts.uplink_mtu(),
            )
        elif files.list_dir(_endpoints(paths, network.id)) or not _clashes(network):
            return network
        span = _free_subnet(paths)
        network = network.replace(subnet=f"{subnets.to_text(span[0])}/{span[1]}", gateway=_gateway(span, ""))
        if files.exists(folder(paths, network.id)):
            files.write_json(f"{folder(paths, network.id)}/network.json", network.to_dict())
        else:
            _lay(paths, network)
    return network


def _clashes(network: Network) -> bool:
    span = subnets.parse(network.subnet)
    return any(subnets.overlap(span, other) for other in hostfacts.spans_in_use())


def _free_subnet(paths: Paths) -> subnets.Span:
    span = subnets.choose((*hostfacts.spans_in_use(), *_own_spans(paths)))
    if span is None and _sweep_orphans():
        span = subnets.choose((*hostfacts.spans_in_use(), *_own_spans(paths)))
    if span is None:
        raise Exhausted(
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the "
            "network",
            hint="pier network prune, or choose a free range with --subnet",
        )
    return span


def _sweep_orphans() -> int:
    from pier.kernel import nsfs
    from pier.network import orphans

    return orphans.sweep() if nsfs.owns_network() else 0


def _explicit_subnet(paths: Paths, name: str, subnet: str) -> subnets.Span:
    span = subnets.parse(subnet)
    for other in stored(paths):
        if subnets.overlap(span, subnets.parse(other.subnet)):
            raise Conflict(
                f"cannot create network {name}: Pool overlaps with other one on this address space",
                why=f"network {other.name} is {other.subnet}",
            )
    for base, prefix in hostfacts.spans_in_use():
        if subnets.overlap(span, (base, prefix)):
            raise Conflict(
                f"cannot create network {name}: Pool overlaps with other one on this address space",
                why=f"the host itself uses {subnets.to_text(base)}/{prefix}",
            )
    return span


def _own_spans(paths: Paths) -> tuple[subnets.Span, ...]:
    return tuple(subnets.parse(network.subnet) for network in stored(paths))


def stored(paths: Paths) -> tuple[Network, ...]:
    """The networks that lie in the store: no host, no none, and no default network before its first use."""
    found = (_read_name(paths, name) for name in files.list_dir(_names(paths)))
    return tuple(network for network in found if network is not None)


def _gateway(span: subnets.Span, asked: str) -> str:
    if asked and not subnets.contains(span, subnets.to_int(asked)):
        raise Invalid(f"no matching subnet for gateway {asked}")
    return asked or subnets.to_text(span[0] + 1)


def _interface(options: Mapping[str, str], identity: str) -> str:
    name = options.get(OPTION_INTERFACE, "") or f"pier-{identity[:8]}"
    if not 0 < len(name.encode()) < 16 or "/" in name or any(character.isspace() for character in name):
        raise Invalid(f"invalid bridge name: {name}", why="an interface name has 1 to 15 characters, no / and no space")
    return name


def _mtu(options: Mapping[str, str]) -> int:
    asked = options.get(OPTION_MTU, "")
    if not asked:
        return hostfacts.uplink_mtu()
    if not (asked.isascii() and asked.isdigit() and 68 <= int(asked) <= 65535):
        raise Invalid(f"invalid MTU: {asked}", why=f"{OPTION_MTU} is a number from 68 to 65535")
    return int(asked)


def _check_name(name: str) -> None:
    if not name or name[0] in "_.-" or not _NAME_CHARACTERS.issuperset(name) or len(name) > 200:
        raise Invalid(
            f"invalid network name: {name}",
            why="a name begins with a letter or digit and goes on with letters, digits, '_', '.' and '-'",
        )


def _lay(paths: Paths, network: Network) -> None:
    """Made below tmp and moved to its place last: until then its name means nothing. The caller holds the lock."""
    half_made = f"{files.ensure_dir(paths.tmp)}/{network.id}.{os.getpid()}.new"
    try:
        files.ensure_dir(half_made + "/endpoints")
        files.write_json(half_made + "/network.json", network.to_dict())
        files.ensure_dir(_names(paths))
        files.unlink_quietly(_name_file(paths, network.name))
        files.create_exclusive(_name_file(paths, network.name), network.id)
        os.rename(half_made, folder(paths, network.id))
    except BaseException:
        files.remove_tree(half_made)
        raise


def _read_name(paths: Paths, name: str) -> Network | None:
    if not name or "/" in name or name.startswith("."):
        return None
    try:
        identity = files.read_text(_name_file(paths, name)).strip()
        return Network.from_dict(files.read_json(f"{paths.networks}/{identity}/network.json"))
    except FileNotFoundError:
        return None


def _sweep(folder: str) -> None:
    """Half-made leases of killed commands are gone."""
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            if name.endswith("~"):
                files.unlink_quietly(f"{folder}/{name}")


def _lock(paths: Paths) -> files.FileLock:
    files.ensure_dir(paths.networks)
    return files.FileLock(paths.networks + "/lock")


def _names(paths: Paths) -> str:
    return paths.networks + "/names"


def _name_file(paths: Paths, name: str) -> str:
    return f"{paths.networks}/names/{name}"


def _endpoints(paths: Paths, network_id: str) -> str:
    return f"{paths.networks}/{network_id}/endpoints"


def _now() -> str:
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"
