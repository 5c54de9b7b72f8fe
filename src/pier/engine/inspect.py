"""Objects in the shape of the Docker Engine API (v1.47): what `inspect` prints. Changes nothing.

Field names and their order are those of the API's definitions; a field pier has no notion of carries Docker's zero.
"""

from __future__ import annotations

from pier.model import timestamps
from pier.runtime.limits import swap_total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.engine.context import Engine
    from pier.model.container import Container, ContainerSpec, ContainerState, Health, Healthcheck, Mount
    from pier.model.image import Image
    from pier.model.network import Network
    from pier.model.ports import PortBinding
    from pier.volumes.store import Volume

_DRIVER = "overlay2"


def container(engine: Engine, found: Container, *, size: bool = False) -> dict[str, Any]:
    """The API's ContainerInspectResponse; with *size*, what its own layer holds (SizeRw) and all of it (SizeRootFs)."""
    spec, state = found.spec, found.state
    folder = engine.paths.container(spec.id)
    argv = spec.argv or ("",)
    shape: dict[str, Any] = {
        "Id": spec.id,
        "Created": spec.created,
        "Path": argv[0],
        "Args": list(argv[1:]),
        "State": _state(state),
        "Image": spec.image_id,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": "" if spec.log.driver == "none" else f"{folder}/{found.log_path_name}",
        "Name": "/" + spec.name,
        "RestartCount": state.restart_count,
        "Driver": _DRIVER,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": _host_config(spec),
        "GraphDriver": {"Data": {"UpperDir": f"{folder}/upper"}, "Name": _DRIVER},
    }
    if size:
        own, whole = sizes(engine, found)
        shape["SizeRw"], shape["SizeRootFs"] = own, whole
    shape["Mounts"] = [_mount(engine, mount) for mount in spec.mounts if mount.kind != "tmpfs"]
    shape["Config"] = _config(spec)
    shape["NetworkSettings"] = _network_settings(spec, state)
    return shape


def sizes(engine: Engine, found: Container) -> tuple[int, int]:
    """(bytes the container has written, these and its image's bytes)."""
    from pier.engine.disk import tree_bytes
    from pier.errors import NotFound

    own = tree_bytes(engine.paths.container(found.id) + "/upper")
    try:
        return own, own + engine.images.resolve(found.spec.image_id).size
    except NotFound:
        # Removed by force while the container stayed: its layers are gone, and count for nothing.
        return own, own


def _state(state: ContainerState) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Status": state.status,
        "Running": state.running or state.status == "restarting",
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid if state.running else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": state.started_at or timestamps.ZERO,
        "FinishedAt": state.finished_at or timestamps.ZERO,
    }
    if state.health is not None:
        shape["Health"] = _health(state.health)
    return shape


def _health(health: Health) -> dict[str, Any]:
    return {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [
            {"Start": probe.start, "End": probe.end, "ExitCode": probe.exit_code, "Output": probe.output}
            for probe in health.log
        ],
    }


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    # Loaded here: `inspect` of an image or a network needs no C library, which identities need.
    from pier.runtime.security import MASKED_PATHS, READ_ONLY_PATHS

    limits, security = spec.resources, spec.security
    return {
        "Binds": [_bind(mount) for mount in spec.mounts if mount.kind != "tmpfs" and mount.source] or None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": spec.log.driver, "Config": _log_options(spec)},
        "NetworkMode": _network_mode(spec),
        "PortBindings": _port_map(spec.ports),
        "RestartPolicy": {"Name": spec.restart.name, "MaximumRetryCount": spec.restart.maximum},
        "AutoRemove": spec.auto_remove,
        "VolumeDriver": "",
        "VolumesFrom": None,
        "ConsoleSize": [0, 0],
        "CapAdd": list(security.cap_add) or None,
        "CapDrop": list(security.cap_drop) or None,
        "CgroupnsMode": "private",
        "Dns": list(spec.dns),
        "DnsOptions": list(spec.dns_options),
        "DnsSearch": list(spec.dns_search),
        "ExtraHosts": list(spec.extra_hosts) or None,
        "GroupAdd": list(security.group_add) or None,
        "IpcMode": spec.ipc_mode,
        "Cgroup": "",
        "Links": None,
        "OomScoreAdj": limits.oom_score_adj,
        "PidMode": spec.pid_mode,
        "Privileged": security.privileged,
        "PublishAllPorts": spec.publish_all,
        "ReadonlyRootfs": security.read_only,
        "SecurityOpt": _security_options(spec) or None,
        "Tmpfs": {mount.target: ",".join(mount.options) for mount in spec.mounts if mount.kind == "tmpfs"},
        "UTSMode": spec.uts_mode,
        "UsernsMode": "",
        "ShmSize": spec.shm_bytes,
        "Sysctls": dict(security.sysctls),
        "Runtime": "pier",
        "Isolation": "",
        "CpuShares": limits.cpu_shares,
        "Memory": max(limits.memory, 0),
        "NanoCpus": limits.nano_cpus,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": limits.cpuset_cpus,
        "CpusetMems": limits.cpuset_mems,
        "Devices": [_device(device) for device in security.devices],
        "MemoryReservation": limits.memory_reservation,
        "MemorySwap": swap_total(limits),
        "MemorySwappiness": limits.memory_swappiness if limits.memory_swappiness >= 0 else None,
        "OomKillDisable": limits.oom_kill_disable,
        "PidsLimit": limits.pids_limit or None,
        "Ulimits": [{"Name": limit.name, "Hard": limit.hard, "Soft": limit.soft} for limit in limits.ulimits],
        "Init": spec.init,
        "Annotations": dict(spec.annotations) or None,
        "MaskedPaths": [] if security.privileged else list(MASKED_PATHS),
        "ReadonlyPaths": [] if security.privileged else list(READ_ONLY_PATHS),
    }


def _log_options(spec: ContainerSpec) -> dict[str, str]:
    policy = spec.log
    if not policy.max_size:
        return {"max-file": str(policy.max_files)} if policy.max_files > 1 else {}
    return {"max-file": str(policy.max_files), "max-size": str(policy.max_size)}


def _network_mode(spec: ContainerSpec) -> str:
    """Docker names the first network here, and its default network `bridge`."""
    return spec.networks[0].network if spec.network_mode == "bridge" and spec.networks else spec.network_mode


def _bind(mount: Mount) -> str:
    return f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}"


def _device(text: str) -> dict[str, str]:
    host, _, rest = text.partition(":")
    inside, _, rights = rest.partition(":")
    return {"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": rights or "rwm"}


def _security_options(spec: ContainerSpec) -> list[str]:
    options = ["no-new-privileges"] if spec.security.no_new_privileges else []
    return [*options, f"seccomp={spec.security.seccomp}"] if spec.security.seccomp else options


def _mount(engine: Engine, mount: Mount) -> dict[str, Any]:
    shape: dict[str, Any] = {"Type": mount.kind}
    if mount.kind == "volume":
        shape["Name"] = mount.source
        shape["Source"] = f"{engine.paths.volumes}/{mount.source}/_data"
    else:
        shape["Source"] = mount.source
    shape["Destination"] = mount.target
    if mount.kind == "volume":
        shape["Driver"] = mount.driver or "local"
    shape["Mode"] = ""
    shape["RW"] = not mount.read_only
    shape["Propagation"] = mount.propagation if mount.kind == "bind" else ""
    return shape


def _config(spec: ContainerSpec) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Hostname": spec.hostname,
        "Domainname": spec.domainname,
        "User": spec.user,
        "AttachStdin": spec.stdin_once and "stdin" in (spec.attached or ("stdin",)),
        "AttachStdout": not spec.attached or "stdout" in spec.attached,
        "AttachStderr": not spec.attached or "stderr" in spec.attached,
        "ExposedPorts": {name: {} for name in sorted({*spec.exposed, *map(_port_name, spec.ports)})},
        "Tty": spec.tty,
        "OpenStdin": spec.stdin_open,
        "StdinOnce": spec.stdin_once,
        "Env": list(spec.env),
        "Cmd": list(spec.command) or None,
        "Image": spec.image,
        "Volumes": {mount.target: {} for mount in spec.mounts if mount.anonymous} or None,
        "WorkingDir": spec.working_dir,
        "Entrypoint": list(spec.entrypoint) or None,
        "OnBuild": None,
        "Labels": dict(spec.labels),
        "StopSignal": spec.stop_signal,
        "StopTimeout": spec.stop_timeout,
    }
    if not shape["ExposedPorts"]:
        del shape["ExposedPorts"]
    if spec.healthcheck is not None:
        shape["Healthcheck"] = healthcheck(spec.healthcheck)
    return shape


def healthcheck(check: Healthcheck) -> dict[str, Any]:
    """The API's HealthConfig, without what was left to its default."""
    shape = {
        "Test": list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {name: value for name, value in shape.items() if value}


def _port_name(binding: PortBinding) -> str:
    return f"{binding.container_port}/{binding.protocol}"


def _port_map(bindings: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    """`{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}`."""
    shape: dict[str, list[dict[str, str]]] = {}
    for binding in bindings:
        port = str(binding.host_port) if binding.host_port else ""
        shape.setdefault(_port_name(binding), []).append({"HostIp": binding.host_ip, "HostPort": port})
    return shape


def _live_ports(spec: ContainerSpec, state: ContainerState) -> dict[str, Any]:
    """Published ports as they are now, one entry for each address family, and exposed ones with none."""
    shape: dict[str, Any] = dict.fromkeys(spec.exposed)
    for binding in state.ports if state.running else ():
        for address in (binding.host_ip,) if binding.host_ip else ("0.0.0.0", "::"):
            entries = shape.get(_port_name(binding)) or []
            shape[_port_name(binding)] = [*entries, {"HostIp": address, "HostPort": str(binding.host_port)}]
    return dict(sorted(shape.items()))


def _network_settings(spec: ContainerSpec, state: ContainerState) -> dict[str, Any]:
    running = state.running
    addresses = state.addresses if running else {}
    networks = {
        attachment.network: _endpoint(attachment.aliases, addresses.get(attachment.network, {}))
        for attachment in spec.networks
    }
    if not networks and spec.network_mode in ("host", "none"):
        networks = {spec.network_mode: _endpoint((), {})}
    main = networks.get("bridge", _endpoint((), {}))
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": f"/proc/{state.pid}/ns/net" if running else "",
        "Ports": _live_ports(spec, state) if running else {},
        "EndpointID": main["EndpointID"],
        "Gateway": main["Gateway"],
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": main["IPAddress"],
        "IPPrefixLen": main["IPPrefixLen"],
        "IPv6Gateway": "",
        "MacAddress": main["MacAddress"],
        "Networks": networks,
    }


def _endpoint(aliases: tuple[str, ...], address: dict[str, str]) -> dict[str, Any]:
    return {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": list(aliases) or None,
        "MacAddress": address.get("mac", ""),
        "DriverOpts": None,
        "GwPriority": 0,
        "NetworkID": address.get("network_id", ""),
        "EndpointID": address.get("endpoint_id", ""),
        "Gateway": address.get("gateway", ""),
        "IPAddress": address.get("ip", ""),
        "IPPrefixLen": int(address.get("prefix", 0)),
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": list(aliases) or None,
    }


def image(engine: Engine, found: Image) -> dict[str, Any]:
    """The API's ImageInspect."""
    shape: dict[str, Any] = {
        "Id": found.id,
        "RepoTags": list(found.repo_tags),
        "RepoDigests": list(found.repo_digests),
        "Parent": "",
        "Comment": "",
        "Created": found.created,
        "DockerVersion": "",
        "Author": found.author,
        "Config": found.config.to_oci(),
        "Architecture": found.architecture,
        "Variant": found.variant,
        "Os": found.os,
        "Size": found.size,
        "GraphDriver": {
            "Data": {"LowerDir": ":".join(map(engine.images.layout.layer_path, reversed(found.diff_ids)))},
            "Name": _DRIVER,
        },
        "RootFS": {"Type": "layers", "Layers": list(found.diff_ids)},
        "Metadata": {"LastTagTime": timestamps.ZERO},
    }
    if not found.variant:
        del shape["Variant"]
    return shape


def network(engine: Engine, found: Network) -> dict[str, Any]:
    """The API's Network, with the containers that are on it now."""
    from pier.network import store

    subnet = {"Subnet": found.subnet, "Gateway": found.gateway} if found.subnet else {}
    return {
        "Name": found.name,
        "Id": found.id,
        "Created": found.created or timestamps.ZERO,
        "Scope": "local",
        "Driver": found.driver,
        "EnableIPv4": True,
        "EnableIPv6": found.enable_ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": [subnet] if subnet else None},
        "Internal": found.internal,
        "Attachable": found.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            endpoint.container_id: {
                "Name": endpoint.container,
                "EndpointID": endpoint.container_id,
                "MacAddress": endpoint.mac,
                "IPv4Address": f"{endpoint.ip}/{endpoint.prefix}",
                "IPv6Address": "",
            }
            for endpoint in store.endpoints(engine.paths, found.id)
        },
        "Options": dict(found.options),
        "Labels": dict(found.labels),
    }


def volume(found: Volume) -> dict[str, Any]:
    """The API's Volume."""
    return {
        "CreatedAt": found.created,
        "Driver": found.driver,
        "Labels": dict(found.labels) or None,
        "Mountpoint": found.mount_point,
        "Name": found.name,
        "Options": dict(found.options) or None,
        "Scope": "local",
    }
