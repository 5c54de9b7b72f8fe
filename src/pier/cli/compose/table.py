"""The one table of compose commands, loaded when typed. A row is (name, module, attribute, summary)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pier.cli.options import Command

_HERE = "pier.cli.compose."

ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("build", "images", "BUILD", "Build or rebuild services"),
    ("config", "config", "CONFIG", "Parse, resolve and render compose file in canonical format"),
    ("cp", "execute", "COPY", "Copy files/folders between a service container and the local filesystem"),
    ("create", "up", "CREATE", "Creates containers for a service"),
    ("down", "down", "DOWN", "Stop and remove containers, networks"),
    ("exec", "execute", "EXEC", "Execute a command in a running container"),
    ("images", "listing", "IMAGES", "List images used by the created containers"),
    ("kill", "down", "KILL", "Force stop service containers"),
    ("logs", "logs", "LOGS", "View output from containers"),
    ("ls", "projects", "LIST", "List running compose projects"),
    ("port", "listing", "PORT", "Print the public port for a port binding"),
    ("ps", "listing", "PS", "List containers"),
    ("pull", "images", "PULL", "Pull service images"),
    ("restart", "lifecycle", "RESTART", "Restart service containers"),
    ("rm", "down", "REMOVE", "Removes stopped service containers"),
    ("run", "run", "RUN", "Run a one-off command on a service"),
    ("scale", "up", "SCALE", "Scale services"),
    ("start", "lifecycle", "START", "Start services"),
    ("stop", "down", "STOP", "Stop services"),
    ("top", "listing", "TOP", "Display the running processes"),
    ("up", "up", "UP", "Create and start containers"),
    ("version", "config", "VERSION", "Show the compose version information"),
    ("wait", "lifecycle", "WAIT", "Block until containers of all (or specified) services stop"),
)

# Docker Compose's commands that pier knows by name and does not have.
MISSING = {
    "pause": "the engine does not freeze containers; stop and start them",
    "unpause": "the engine does not freeze containers; stop and start them",
    "attach": "read a service's output with logs -f, enter it with exec",
    "events": "pier events --filter label=com.docker.compose.project=NAME tells them",
    "stats": "pier stats tells what containers use",
    "volumes": "pier volume ls --filter label=com.docker.compose.project=NAME lists them",
    "watch": "up --build takes changes in",
    "commit": "write what you changed into a Dockerfile",
    "export": "copy files out with cp",
    "push": "pier does not push images yet",
    "publish": "pier does not publish compose files",
    "convert": "it is called config",
    "alpha": "experimental commands are not there",
    "bridge": "pier does not convert compose files",
}


def find(name: str) -> tuple[str, str, str, str] | None:
    """The row of the command *name*."""
    return next((row for row in ROWS if row[0] == name), None)


def load(row: tuple[str, str, str, str]) -> Command:
    """Import the row's module and return its declaration."""
    module = __import__(_HERE + row[1], fromlist=[row[2]])
    command: Command = getattr(module, row[2])
    return command


def overview() -> str:
    """The list of commands for `pier compose --help`."""
    return "Commands:\n" + "\n".join(f"  {name:<8} {summary}" for name, _, _, summary in ROWS)
