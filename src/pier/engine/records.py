"""Containers on disk: `containers/<id>/{config,state}.json` and `names/<name>`. Reads, writes, and nothing else."""

from __future__ import annotations

from pier.errors import Conflict, NotFound
from pier.model.container import Container, ContainerSpec, ContainerState
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.engine.context import Engine
    from pier.state.paths import Paths

ID_LENGTH = 64


def read(paths: Paths, container_id: str) -> Container:
    """What the files say, true or not. FileNotFoundError when it is gone."""
    folder = paths.container(container_id)
    spec = ContainerSpec.from_dict(files.read_json(folder + "/config.json"))
    state = ContainerState.from_dict(files.read_json(folder + "/state.json"))
    return Container(spec=spec, state=state)


def write_spec(paths: Paths, spec: ContainerSpec) -> None:
    files.write_json(paths.container(spec.id) + "/config.json", spec.to_dict())


def write_state(paths: Paths, container_id: str, state: ContainerState) -> None:
    files.write_json(paths.container(container_id) + "/state.json", state.to_dict())


def lock(paths: Paths, container_id: str) -> files.FileLock:
    """Held by a command that starts, removes or repairs the container."""
    return files.FileLock(paths.container(container_id) + "/lock")


def names_lock(paths: Paths) -> files.FileLock:
    """Held while a name is taken or given up."""
    return files.FileLock(paths.names + "/.lock")


def ids(paths: Paths) -> list[str]:
    return [name for name in files.list_dir(paths.containers) if len(name) == ID_LENGTH]


def id_of_name(paths: Paths, name: str) -> str:
    """The id behind *name*; "" when no container has it."""
    if not name or "/" in name or name.startswith("."):
        return ""
    try:
        return files.read_text(f"{paths.names}/{name}").strip()
    except FileNotFoundError:
        return ""


def holder_of_name(paths: Paths, name: str) -> str:
    """The id of the container that is called *name*; "" when a killed command left the name behind."""
    holder = id_of_name(paths, name)
    if not holder:
        return ""
    try:
        spec = files.read_json(paths.container(holder) + "/config.json")
    except FileNotFoundError:
        return ""
    return holder if spec["name"] == name else ""


def replace_name(paths: Paths, name: str, container_id: str) -> None:
    """*name* means *container_id*. The caller holds the lock on names and knows that nobody has the name."""
    files.unlink_quietly(f"{paths.names}/{name}")
    files.create_exclusive(f"{paths.names}/{name}", container_id)


def resolve_id(engine: Engine, reference: str) -> str:
    """The id meant by a name, an id, or the unambiguous beginning of an id. NotFound in Docker's words; Conflict."""
    paths = engine.paths
    name = reference.removeprefix("/")
    found = holder_of_name(paths, name)
    if found:
        return found
    prefix = reference.lower()
    if prefix and all(character in "0123456789abcdef" for character in prefix):
        matches = [container_id for container_id in ids(paths) if container_id.startswith(prefix)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise Conflict(f"multiple containers match {reference}", hint="type more of the id")
    raise NotFound(f"No such container: {reference}", hint="`pier ps -a` lists the containers there are")
