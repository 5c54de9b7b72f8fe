"""The one table of commands: what may be typed, the module that does it, loaded only then.

A row is (names, module, attribute, summary, heavy); the first name is the canonical one, the others are aliases.
*attribute* names an `options.Command` in *module*. Heavy commands use installed libraries and so need the interpreter's
site-packages, which the launcher leaves out.
"""

from __future__ import annotations

import os
import sys

from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pier.cli.options import Command

_CLI = "pier.cli."

ROWS: tuple[tuple[str, str, str, str, bool], ...] = (
    ("container run|run", "run", "RUN", "Create and run a new container from an image", False),
    ("container exec|exec", "exec", "EXEC", "Execute a command in a running container", False),
    ("container ls|container list|container ps|ps", "ps", "PS", "List containers", False),
    ("image build|build|builder build", "build", "BUILD", "Build an image from a Dockerfile", True),
    ("builder prune", "prune", "CACHE", "Remove build cache", False),
    ("image pull|pull", "pull", "PULL", "Download an image from a registry", True),
    ("image ls|image list|images", "images", "IMAGES", "List images", False),
    ("compose", "compose", "COMPOSE", "Define and run applications of several containers", True),
    ("container attach|attach", "attach", "ATTACH", "Attach local streams to a running container", False),
    ("container commit|commit", "snapshot", "COMMIT", "Create a new image from a container's changes", True),
    ("container create|create", "run", "CREATE", "Create a new container", False),
    ("container cp|cp", "copy", "COPY", "Copy files/folders between a container and the local filesystem", False),
    ("container diff|diff", "snapshot", "DIFF", "Inspect changes to files of a container's filesystem", False),
    ("container export|export", "snapshot", "EXPORT", "Export a container's filesystem as a tar archive", False),
    ("container inspect", "inspect", "CONTAINER", "Display detailed information on one or more containers", False),
    ("container kill|kill", "lifecycle", "KILL", "Kill one or more running containers", False),
    ("container logs|logs", "logs", "LOGS", "Fetch the logs of a container", False),
    ("container pause|pause", "adjusting", "PAUSE", "Pause all processes within one or more containers", False),
    ("container port|port", "port", "PORT", "List port mappings or a specific mapping for the container", False),
    ("container prune", "prune", "CONTAINERS", "Remove all stopped containers", False),
    ("container rename|rename", "lifecycle", "RENAME", "Rename a container", False),
    ("container restart|restart", "lifecycle", "RESTART", "Restart one or more containers", False),
    ("container rm|container remove|rm", "lifecycle", "REMOVE", "Remove one or more containers", False),
    ("container start|start", "start", "START", "Start one or more stopped containers", False),
    ("container stats|stats", "stats", "STATS", "Show what containers use of CPU, memory, network and disk", False),
    ("container stop|stop", "lifecycle", "STOP", "Stop one or more running containers", False),
    ("container top|top", "top", "TOP", "Display the running processes of a container", False),
    ("container unpause|unpause", "adjusting", "UNPAUSE", "Unpause all processes within containers", False),
    ("container update|update", "adjusting", "UPDATE", "Update configuration of one or more containers", False),
    ("container wait|wait", "lifecycle", "WAIT", "Wait until containers stop, then print their exit codes", False),
    ("image history|history", "archives", "HISTORY", "Show the history of an image", False),
    ("image import|import", "archives", "IMPORT", "Create an image of a root filesystem's tar archive", True),
    ("image load|load", "archives", "LOAD", "Load images from a tar archive or STDIN", True),
    ("image save|save", "archives", "SAVE", "Save one or more images to a tar archive (to STDOUT by default)", False),
    ("image inspect", "inspect", "IMAGE", "Display detailed information on one or more images", False),
    ("image prune", "prune", "IMAGES", "Remove unused images", False),
    ("image rm|image remove|rmi", "images", "REMOVE", "Remove one or more images", False),
    ("image tag|tag", "images", "TAG", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", False),
    ("inspect", "inspect", "ANY", "Return low-level information on containers, images, networks and volumes", False),
    ("network connect", "network", "CONNECT", "Connect a container to a network", False),
    ("network create", "network", "CREATE", "Create a network", False),
    ("network disconnect", "network", "DISCONNECT", "Disconnect a container from a network", False),
    ("network inspect", "inspect", "NETWORK", "Display detailed information on one or more networks", False),
    ("network ls|network list", "network", "LIST", "List networks", False),
    ("network prune", "prune", "NETWORKS", "Remove all unused networks", False),
    ("network rm|network remove", "network", "REMOVE", "Remove one or more networks", False),
    ("system df", "df", "DF", "Show pier's disk usage", False),
    ("system events|events", "events", "EVENTS", "Get real time events from the store", False),
    ("system doctor|doctor", "doctor", "DOCTOR", "Say what works here, what does not, and how to change it", False),
    ("system info|info", "system", "INFO", "Display system-wide information", False),
    ("system prune", "prune", "SYSTEM", "Remove unused data", False),
    ("oci", "oci", "OCI", "Run containers from OCI bundles, as a runtime for other engines", False),
    ("version", "system", "VERSION", "Show the version information", False),
    ("volume create", "volume", "CREATE", "Create a volume", False),
    ("volume inspect", "inspect", "VOLUME", "Display detailed information on one or more volumes", False),
    ("volume ls|volume list", "volume", "LIST", "List volumes", False),
    ("volume prune", "prune", "VOLUMES", "Remove unused local volumes", False),
    ("volume rm|volume remove", "volume", "REMOVE", "Remove one or more volumes", False),
)

GROUPS = {
    "builder": "Manage builds",
    "container": "Manage containers",
    "image": "Manage images",
    "network": "Manage networks",
    "system": "Manage pier",
    "volume": "Manage volumes",
}

# Docker's commands that pier knows by name and does not have.
MISSING = (
    ("login", "logout", "push", "search", "buildx", "checkpoint", "config")
    + ("context", "manifest", "node", "plugin", "secret", "service", "stack", "swarm", "trust")
)


class Row(Record):
    """One command. *names*: the canonical name first."""

    names: tuple[str, ...]
    module: str
    attribute: str
    summary: str
    heavy: bool


def rows() -> list[Row]:
    """All commands, for help and completion."""
    return [_row(raw) for raw in ROWS]


def _row(raw: tuple[str, str, str, str, bool]) -> Row:
    names, module, attribute, summary, heavy = raw
    return Row(names=tuple(names.split("|")), module=_CLI + module, attribute=attribute, summary=summary, heavy=heavy)


def find(words: Sequence[str]) -> tuple[Row | None, list[str]]:
    """The row that the first one or two *words* name, and the words behind its name; None where no row does."""
    two, one = " ".join(words[:2]), words[0] if words else ""
    for raw in ROWS:
        names = raw[0].split("|")
        if two in names and " " in two:
            return _row(raw), list(words[2:])
        if one in names:
            return _row(raw), list(words[1:])
    return None, list(words)


def spoken(row: Row, words: Sequence[str]) -> str:
    """The name of *row* that *words* used."""
    two = " ".join(words[:2])
    return two if two in row.names else words[0]


def other_names(row: Row, program: str) -> str:
    """Docker's Aliases line: every name, the canonical one first; "" where there is only one."""
    return ", ".join(f"{program} {name}" for name in row.names) if len(row.names) > 1 else ""


def load(row: Row) -> Command:
    """Import the row's module and return its declaration."""
    if row.heavy:
        reach_libraries()
    module = __import__(row.module, fromlist=[row.attribute])
    command: Command = getattr(module, row.attribute)
    return command


def reach_libraries() -> None:
    """Installed libraries can be imported from here on, and the collector works: heavy commands live longer.

    A wheel's dependencies lie beside the package, which the start put on the path already. A checkout needs `site`, and
    so does an install for one user, who may have the libraries from the system (pip: "requirement already satisfied").
    """
    import gc

    gc.enable()
    home = __file__.rsplit("/", 3)[0]
    beside = all(os.path.exists(f"{home}/{library}") for library in ("httpx", "yaml", "zstandard"))
    if sys.flags.no_site and not beside and "site" not in sys.modules:
        import site

        site.main()
