"""What `run` and `create` accept, and how the words become a request. Compose has its own way to one."""

from __future__ import annotations

import os

from pier.cli.options import Option, flag, refused, value, values
from pier.engine.request import CreateRequest
from pier.errors import Invalid, NotFound
from pier.model.container import Healthcheck, Mount, NetworkAttachment, Resources, RestartPolicy, Security, Ulimit
from pier.model.mounts import parse_mount, parse_volume
from pier.model.ports import parse_expose, parse_publish
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pier.cli.options import Arguments
    from pier.model.ports import PortBinding

_LATER = "pier does not have it yet"
_RESTARTS = ("no", "always", "on-failure", "unless-stopped")

OPTIONS: tuple[Option, ...] = (
    values("add-host", help="Add a custom host-to-IP mapping (host:ip)"),
    values("cap-add", help="Add Linux capabilities"),
    values("cap-drop", help="Drop Linux capabilities"),
    value("cidfile", help="Write the container ID to the file"),
    values("dns", help="Set custom DNS servers"),
    values("dns-option", help="Set DNS options"),
    values("dns-search", help="Set custom DNS search domains"),
    value("domainname", help="Container NIS domain name"),
    value("entrypoint", help="Overwrite the default ENTRYPOINT of the image"),
    values("env", "e", "Set environment variables"),
    values("env-file", help="Read in a file of environment variables"),
    values("expose", help="Expose a port or a range of ports"),
    values("group-add", help="Add additional groups to join"),
    value("health-cmd", help="Command to run to check health"),
    value("health-interval", help="Time between running the check", kind="duration"),
    value("health-retries", help="Consecutive failures needed to report unhealthy", kind="int"),
    value("health-start-interval", help="Time between running the check during the start period", kind="duration"),
    value("health-start-period", help="Start period before failures count", kind="duration"),
    value("health-timeout", help="Maximum time to allow one check to run", kind="duration"),
    value("hostname", "h", "Container host name"),
    flag("init", help="Run an init inside the container that forwards signals and reaps processes"),
    flag("interactive", "i", "Keep STDIN open even if not attached"),
    values("label", "l", "Set meta data on a container"),
    values("label-file", help="Read in a line delimited file of labels"),
    value("mac-address", help="Container MAC address"),
    values("mount", help="Attach a filesystem mount to the container"),
    value("name", help="Assign a name to the container"),
    values("network", help="Connect a container to a network"),
    values("network-alias", help="Add network-scoped alias for the container"),
    value("ip", help="IPv4 address on the network"),
    flag("no-healthcheck", help="Disable any container-specified HEALTHCHECK"),
    value("oom-score-adj", help="Tune host's OOM preferences (-1000 to 1000)", kind="int"),
    value("platform", help="Set platform if the image is to be pulled"),
    flag("privileged", help="Give extended privileges to this container"),
    values("publish", "p", "Publish a container's port(s) to the host"),
    flag("publish-all", "P", "Publish all exposed ports to random ports"),
    value("pull", help="Pull image before creating (always, missing, never)", default="missing"),
    flag("quiet", "q", "Suppress the pull output"),
    flag("read-only", help="Mount the container's root filesystem as read only"),
    value("recipes", help="Assemble well-known images where no registry answers (auto, never, only)"),
    value("restart", help="Restart policy to apply when a container exits", default="no"),
    flag("rm", help="Automatically remove the container and its anonymous volumes when it exits"),
    values("security-opt", help="Security options: no-new-privileges, seccomp=FILE or seccomp=unconfined"),
    value("runtime", help="Runtime to use for this container: pier, crun, runc or a path", default="pier"),
    value("shm-size", help="Size of /dev/shm", kind="bytes"),
    value("stop-signal", help="Signal to stop the container"),
    value("stop-timeout", help="Timeout (in seconds) to stop a container", kind="int"),
    values("sysctl", help="Sysctl options", kind="map"),
    values("tmpfs", help="Mount a tmpfs directory"),
    flag("tty", "t", "Allocate a pseudo-TTY"),
    values("ulimit", help="Ulimit options"),
    value("user", "u", "Username or UID (format: <name|uid>[:<group|gid>])"),
    values("volume", "v", "Bind mount a volume"),
    values("volumes-from", help="Mount volumes from the specified container(s)"),
    value("workdir", "w", "Working directory inside the container"),
    *(
        refused(name, _LATER)
        for name in (
            "annotation", "attach", "blkio-weight", "blkio-weight-device", "cgroup-parent", "cgroupns", "cpu-count",
            "cpu-percent", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-shares", "cpus",
            "cpuset-cpus", "cpuset-mems", "device", "device-cgroup-rule", "device-read-bps", "device-read-iops",
            "device-write-bps", "device-write-iops", "gpus", "ip6", "ipc", "isolation", "kernel-memory", "link",
            "link-local-ip", "log-driver", "log-opt", "memory", "memory-reservation", "memory-swap",
            "memory-swappiness", "pid", "pids-limit", "storage-opt", "userns", "uts", "volume-driver",
        )
    ),
    refused("disable-content-trust", _LATER, kind="bool"),
    refused("oom-kill-disable", _LATER, kind="bool"),
)  # fmt: skip


def request(arguments: Arguments, environ: Mapping[str, str]) -> CreateRequest:
    """The request that the words of `run` or `create` make. Invalid names the option that cannot be meant."""
    image, *command = arguments.positionals
    mode, networks = _networks(arguments)
    return CreateRequest(
        image=image,
        name=arguments.text("name").removeprefix("/"),
        command=tuple(command),
        entrypoint=_entrypoint(arguments),
        env=_env(arguments, environ),
        working_dir=arguments.text("workdir"),
        user=arguments.text("user"),
        hostname=arguments.text("hostname"),
        domainname=arguments.text("domainname"),
        tty=arguments.flag("tty"),
        stdin_open=arguments.flag("interactive"),
        stdin_once=arguments.flag("interactive"),
        init=arguments.flag("init"),
        runtime="" if arguments.text("runtime") == "pier" else arguments.text("runtime"),
        auto_remove=arguments.flag("rm"),
        labels=_labels(arguments),
        mounts=_mounts(arguments),
        volumes_from=arguments.texts("volumes-from"),
        ports=_ports(arguments),
        exposed=tuple(port for text in arguments.texts("expose") for port in parse_expose(text)),
        publish_all=arguments.flag("publish-all"),
        network_mode=mode,
        networks=networks,
        dns=arguments.texts("dns"),
        dns_search=arguments.texts("dns-search"),
        dns_options=arguments.texts("dns-option"),
        extra_hosts=arguments.texts("add-host"),
        restart=_restart(arguments),
        healthcheck=_healthcheck(arguments),
        no_healthcheck=arguments.flag("no-healthcheck"),
        stop_signal=arguments.text("stop-signal"),
        stop_timeout=-1 if arguments.number("stop-timeout") is None else int(arguments.number("stop-timeout") or 0),
        shm_bytes=arguments.number("shm-size") or 0,
        resources=Resources(
            oom_score_adj=arguments.number("oom-score-adj") or 0,
            ulimits=tuple(parse_ulimit(text) for text in arguments.texts("ulimit")),
        ),
        security=_security(arguments),
    )


def _entrypoint(arguments: Arguments) -> tuple[str, ...] | None:
    if not arguments.given("entrypoint"):
        return None
    word = arguments.text("entrypoint")
    return (word,) if word else ()


def _env(arguments: Arguments, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Files first, then words; a name alone takes the user's own value, if there is one."""
    words: list[str] = []
    for path in arguments.texts("env-file"):
        words += read_env_file(path)
    words += arguments.texts("env")
    found = []
    for word in words:
        name, separator, _ = word.partition("=")
        if not name:
            raise Invalid(f"invalid environment variable: {word}")
        if separator:
            found.append(word)
        elif name in environ:
            found.append(f"{name}={environ[name]}")
    return tuple(found)


def read_env_file(path: str) -> list[str]:
    """The NAME=value and NAME lines of an --env-file; blank lines and # comments are skipped, nothing is unquoted."""
    try:
        text = files.read_text(path)
    except FileNotFoundError as exc:
        raise NotFound(f"open {path}: no such file or directory") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise Invalid(f"cannot read the env file {path}", why=str(exc)) from exc
    words = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.lstrip()
        if not word or word.startswith("#"):
            continue
        name = word.partition("=")[0]
        if not name or any(character.isspace() for character in name):
            raise Invalid(f"poorly formatted environment: {path}:{number}: variable '{name}' contains whitespaces")
        words.append(word)
    return words


def _labels(arguments: Arguments) -> dict[str, str]:
    words: list[str] = []
    for path in arguments.texts("label-file"):
        words += read_env_file(path)
    words += arguments.texts("label")
    return {name: text for name, _, text in (word.partition("=") for word in words)}


def _networks(arguments: Arguments) -> tuple[str, tuple[NetworkAttachment, ...]]:
    names = arguments.texts("network") or ("default",)
    aliases = arguments.texts("network-alias")
    ip, mac = arguments.text("ip"), arguments.text("mac-address")
    if len(names) == 1 and (names[0] in ("host", "none") or names[0].startswith("container:")):
        if aliases or ip:
            raise Invalid(f"--network-alias and --ip have no meaning with --network {names[0]}")
        return names[0], ()
    attachments = []
    for name in names:
        if name in ("host", "none") or name.startswith("container:"):
            raise Invalid(f"--network {name} cannot be combined with other networks")
        if "=" in name:
            raise Invalid(f"--network {name}: the long form is not supported", hint="--network NAME --network-alias A")
        attachments.append(
            NetworkAttachment(network="bridge" if name == "default" else name, aliases=aliases, ip=ip, mac=mac)
        )
        ip = mac = ""
    return "bridge", tuple(attachments)


def _ports(arguments: Arguments) -> tuple[PortBinding, ...]:
    return tuple(binding for text in arguments.texts("publish") for binding in parse_publish(text))


def _restart(arguments: Arguments) -> RestartPolicy:
    name, _, count = arguments.text("restart").partition(":")
    if name not in _RESTARTS:
        raise Invalid(f"invalid restart policy: unknown policy '{name}'", hint=f"one of {', '.join(_RESTARTS)}")
    if count and (name != "on-failure" or not count.isdigit()):
        raise Invalid(f"invalid restart policy: {arguments.text('restart')}", hint="on-failure:3 sets a maximum")
    if name != "no" and arguments.flag("rm"):
        raise Invalid("conflicting options: cannot specify both --restart and --rm")
    return RestartPolicy(name=name, maximum=int(count or 0))


def _healthcheck(arguments: Arguments) -> Healthcheck | None:
    names = ("interval", "timeout", "start-period", "start-interval")
    seconds = {name: arguments.decimal("health-" + name) for name in names}
    command, retries = arguments.text("health-cmd"), arguments.number("health-retries")
    if not command and retries is None and all(value is None for value in seconds.values()):
        return None
    if arguments.flag("no-healthcheck"):
        raise Invalid("--no-healthcheck conflicts with --health-* options")
    durations = {name.replace("-", "_"): int((value or 0) * 1e9) for name, value in seconds.items()}
    return Healthcheck(test=("CMD-SHELL", command) if command else (), retries=retries or 0, **durations)


def parse_ulimit(text: str) -> Ulimit:
    """`nofile=1024:2048`; one number means both."""
    name, separator, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return Ulimit(name=name, soft=int(soft), hard=int(hard or soft))
    except ValueError as exc:
        raise Invalid(f"invalid ulimit argument: {text}", hint="--ulimit nofile=1024:2048") from exc


def _security(arguments: Arguments) -> Security:
    no_new_privileges, seccomp = False, ""
    for text in arguments.texts("security-opt"):
        name, _, setting = text.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges":
            no_new_privileges = setting in ("", "true")
        elif name == "seccomp":
            seccomp = setting if setting == "unconfined" else os.path.abspath(setting)
        elif text not in ("label=disable", "apparmor=unconfined"):
            raise Invalid(f"--security-opt {text}: not supported", hint="no-new-privileges, seccomp=FILE|unconfined")
    return Security(
        cap_add=arguments.texts("cap-add"),
        cap_drop=arguments.texts("cap-drop"),
        privileged=arguments.flag("privileged"),
        no_new_privileges=no_new_privileges,
        seccomp=seccomp,
        group_add=arguments.texts("group-add"),
        sysctls=arguments.pairs("sysctl"),
        read_only=arguments.flag("read-only"),
    )


def _mounts(arguments: Arguments) -> tuple[Mount, ...]:
    mounts = [parse_volume(text) for text in arguments.texts("volume")]
    mounts += [parse_mount(text) for text in arguments.texts("mount")]
    for text in arguments.texts("tmpfs"):
        target, _, words = text.partition(":")
        mounts.append(Mount(kind="tmpfs", target=target, options=tuple(word for word in words.split(",") if word)))
    return tuple(mounts)
