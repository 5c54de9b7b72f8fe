"""Whether the store's file system can carry containers, found out by a mount that nobody sees."""

from __future__ import annotations

import os

from pier.kernel import idmap, namespaces
from pier.runtime import handshake, operations
from pier.state import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import Never

    from pier.state.paths import Paths


def overlay_problem(paths: Paths) -> str:
    """What the kernel says against an overlay in this store; "" where it works, marks and owners included."""
    trial = f"{paths.tmp}/trial.{os.getpid()}.new"
    folders = [f"{trial}/{name}" for name in ("lower", "upper", "work", "root")]
    try:
        for folder in folders:
            files.ensure_dir(folder)
        return _in_child(lambda: _try(*folders))
    except OSError as exc:
        return exc.strerror or str(exc)
    finally:
        files.remove_tree(trial)


def _try(lower: str, upper: str, work: str, root: str) -> None:
    namespaces.unshare(namespaces.CLONE_NEWNS)
    site = operations.Site()
    operations.IsolateMounts().run(site)
    for name in ("gone", "folder/inner"):
        files.ensure_dir(f"{lower}/{name}")
    operations.MountOverlay(
        lower=(lower,), upper=upper, work=work, target=root, user_xattrs=idmap.current().nested
    ).run(site)
    # A whiteout, and an opaque directory in place of one that was.
    os.rmdir(root + "/gone")
    os.rmdir(root + "/folder/inner")
    os.rmdir(root + "/folder")
    os.mkdir(root + "/folder")
    if os.listdir(root + "/folder"):
        raise OSError(95, "directories cannot be made opaque (no extended attributes)")


def _in_child(act: Callable[[], None]) -> str:
    ours, theirs = handshake.pair()
    pid = os.fork()
    if pid == 0:
        _report(act, theirs)
    theirs.close()
    try:
        message, _ = handshake.receive(ours)
    finally:
        ours.close()
        os.waitpid(pid, 0)
    if message is None:
        return "the trial ended too early"
    return str(message.get("why") or message.get("message") or "")


def _report(act: Callable[[], None], socket: _socket.socket) -> Never:
    try:
        act()
        handshake.send(socket, {})
    except BaseException as error:
        handshake.send(socket, handshake.describe(error, "a trial mount"))
    finally:
        os._exit(0)
