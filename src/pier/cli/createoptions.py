"""What `run` and `create` accept, and how the words become a request. Compose has its own way to one."""

from __future__ import annotations

import os

from pier.cli import limitoptions
from pier.engine.request import CreateRequest
from pier.errors import Invalid, NotFound, Unsupported
from pier.kernel.process import RLIMITS
from pier.model.container import (
    Healthcheck,
    LogPolicy,
    Mount,
    NetworkAttachment,
    Resources,
    RestartPolicy,
    Security,
    Ulimit,
)
from pier.model.mounts import parse_mount, parse_volume
from pier.model.ports import parse_expose, parse_publish
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pier.cli.options import Arguments
    from pier.model.ports import PortBinding

_RESTARTS = ("no", "always", "on-failure", "unless-stopped")
_STREAMS = ("stdin", "stdout", "stderr")
_LOG_DRIVERS = ("json-file", "none")
_NETWORK_FIELDS = ("name", "alias", "ip", "mac-address")


def request(arguments: Arguments, environ: Mapping[str, str]) -> CreateRequest:
    """The request that the words of `run` or `create` make. Invalid names the option that cannot be meant."""
    image, *command = arguments.positionals
    mode, networks = _networks(arguments)
    _check_namespaces(arguments)
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
        attached=attached(arguments),
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
            memory_swappiness=int(arguments.text("memory-swappiness")),
            oom_kill_disable=arguments.flag("oom-kill-disable"),
            ulimits=tuple(parse_ulimit(text) for text in arguments.texts("ulimit")),
            **dict(limitoptions.given(arguments)),
        ),
        security=_security(arguments),
        pid_mode=arguments.text("pid"),
        ipc_mode=arguments.text("ipc"),
        uts_mode=arguments.text("uts"),
        annotations=arguments.pairs("annotation"),
        log=log_policy(arguments.text("log-driver"), arguments.pairs("log-opt")),
    )


def _check_namespaces(arguments: Arguments) -> None:
    """Invalid or Unsupported for a namespace or a default that pier cannot give."""
    for name in ("pid", "uts"):
        text = arguments.text(name)
        if text not in ("", "host") and not (name == "pid" and text.startswith("container:")):
            known = "host" if name == "uts" else "host or container:NAME"
            raise Invalid(f"--{name}: invalid {name.upper()} mode", hint=known)
    ipc = arguments.text("ipc")
    if ipc not in ("", "none", "private", "shareable", "host") and not ipc.startswith("container:"):
        raise Invalid(f"--ipc: invalid IPC mode: {ipc}", hint="private, shareable, none, host or container:NAME")
    for name, only, why in (
        ("userns", "host", "all containers of a user share one user namespace"),
        ("cgroupns", "private", "a container sees its own control groups only"),
        ("volume-driver", "local", "pier keeps volumes in folders of its store"),
    ):
        text = arguments.text(name)
        if text not in ("", only):
            raise Unsupported(f"--{name} {text}: not supported", why=why, hint=f"--{name} {only}, or leave it out")
    if not arguments.flag("disable-content-trust"):
        raise Unsupported("--disable-content-trust=false: not supported", why="pier verifies digests, not signatures")


def attached(arguments: Arguments) -> tuple[str, ...]:
    """The streams that --attach names, in lower case."""
    found = tuple(text.lower() for text in arguments.texts("attach"))
    for name in found:
        if name not in _STREAMS:
            raise Invalid(
                f'invalid argument "{name}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR'
            )
    return found


def log_policy(driver: str, options: Mapping[str, str]) -> LogPolicy:
    """The log driver and its options. Unsupported names the driver or the option that pier does not have."""
    driver = driver or "json-file"
    if driver not in _LOG_DRIVERS:
        raise Unsupported(
            f"--log-driver {driver}: not supported",
            why="pier writes a container's output to one file in Docker's json-file format",
            hint="--log-driver json-file, or none",
        )
    size, count = 0, 1
    for name, text in options.items():
        if driver == "none" or name not in ("max-size", "max-file", "compress", "mode"):
            raise Unsupported(f"unknown log opt '{name}' for {driver} log driver", hint="known: max-size, max-file")
        if name == "max-size":
            size = _log_bytes(text)
        elif name == "max-file":
            if not text.isdigit() or int(text) < 1:
                raise Invalid(f"invalid value for max-file: {text}", why="max-file cannot be less than 1")
            count = int(text)
        elif (name, text) not in (("compress", "false"), ("mode", "blocking")):
            raise Unsupported(f"log opt {name}={text}: not supported", hint="leave it out")
    return LogPolicy(driver=driver, max_size=size, max_files=count)


def _log_bytes(text: str) -> int:
    from pier.model import quantities

    try:
        size = quantities.parse_bytes(text)
    except ValueError as exc:
        raise Invalid(f"invalid value for max-size: {exc}", hint="such as 10m") from exc
    if size == 0:
        raise Invalid("invalid value for max-size: max-size must be a positive number")
    return max(size, 0)


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
    attachments: list[NetworkAttachment] = []
    for number, name in enumerate(names):
        found = _network(name)
        if found.network in ("host", "none") or found.network.startswith("container:"):
            raise Invalid(f"--network {name} cannot be combined with other networks")
        if number == 0:
            # The older, single options mean the first network, as in Docker.
            for text, option, taken in ((ip, "ip", found.ip), (mac, "mac-address", found.mac)):
                if text and taken:
                    raise Invalid(f"conflicting options: cannot specify both --{option} and per-network {option}")
            if aliases and found.aliases:
                raise Invalid("conflicting options: cannot specify both --network-alias and per-network alias")
            found = found.replace(aliases=aliases or found.aliases, ip=ip or found.ip, mac=mac or found.mac)
        if any(other.network == found.network for other in attachments):
            raise Invalid(f'network "{found.network}" is specified multiple times')
        attachments.append(found)
    return "bridge", tuple(attachments)


def _network(text: str) -> NetworkAttachment:
    """`NAME`, or `name=NAME,alias=A,ip=ADDRESS,mac-address=MAC`."""
    if "=" not in text:
        return NetworkAttachment(network="bridge" if text == "default" else text)
    fields: dict[str, list[str]] = {}
    for word in text.split(","):
        name, separator, setting = word.partition("=")
        name = name.strip().lower()
        if not separator:
            raise Invalid(f"invalid field {word!r} in --network {text}", hint="name=NAME,alias=ALIAS,ip=ADDRESS")
        if name not in _NETWORK_FIELDS:
            raise Unsupported(f"--network {text}: pier has no {name}", hint=", ".join(_NETWORK_FIELDS) + " are known")
        fields.setdefault(name, []).append(setting)
    if not fields.get("name"):
        raise Invalid("network name is required", why=f"in --network {text}")
    network = fields["name"][-1]
    return NetworkAttachment(
        network="bridge" if network == "default" else network,
        aliases=tuple(fields.get("alias", ())),
        ip=fields.get("ip", [""])[-1],
        mac=fields.get("mac-address", [""])[-1],
    )


def _ports(arguments: Arguments) -> tuple[PortBinding, ...]:
    return tuple(binding for text in arguments.texts("publish") for binding in parse_publish(text))


def _restart(arguments: Arguments) -> RestartPolicy:
    policy = parse_restart(arguments.text("restart"))
    if policy.name != "no" and arguments.flag("rm"):
        raise Invalid("conflicting options: cannot specify both --restart and --rm")
    return policy


def parse_restart(text: str) -> RestartPolicy:
    """`no`, `always`, `unless-stopped`, `on-failure` or `on-failure:3`."""
    name, _, count = text.partition(":")
    name = name or "no"
    if name not in _RESTARTS:
        raise Invalid(f"invalid restart policy: unknown policy '{name}'", hint=f"one of {', '.join(_RESTARTS)}")
    if count and (name != "on-failure" or not count.isdigit()):
        raise Invalid(f"invalid restart policy: {text}", hint="on-failure:3 sets a maximum")
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
    if separator and name not in RLIMITS:
        raise Invalid(f"invalid ulimit type: {name}", hint="one of " + ", ".join(RLIMITS))
    if separator and hard.lstrip("-").isdigit() and soft.lstrip("-").isdigit() and -1 < int(hard) < int(soft):
        raise Invalid(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
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
        devices=arguments.texts("device"),
        group_add=arguments.texts("group-add"),
        sysctls=arguments.pairs("sysctl"),
        read_only=arguments.flag("read-only"),
    )


def remarks(arguments: Arguments) -> list[str]:
    """What is accepted and has no effect here, to be said."""
    said = []
    for text in arguments.texts("volume"):
        if {"z", "Z"} & set(text.rpartition(":")[2].split(",")) and text.count(":") > 1:
            said.append(f"-v {text}: the SELinux label z or Z is ignored")
    return said


def _mounts(arguments: Arguments) -> tuple[Mount, ...]:
    mounts = [parse_volume(text) for text in arguments.texts("volume")]
    mounts += [parse_mount(text) for text in arguments.texts("mount")]
    for text in arguments.texts("tmpfs"):
        target, _, words = text.partition(":")
        mounts.append(Mount(kind="tmpfs", target=target, options=tuple(word for word in words.split(",") if word)))
    return tuple(mounts)
