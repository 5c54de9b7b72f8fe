"""What every verb is handed: where the store lies, its images, and a way to warn. Holds no other state."""

from __future__ import annotations

import errno
import time

from pier.engine import place
from pier.errors import Denied, Exhausted, PierError
from pier.images.store import ImageStore
from pier.kernel import idmap
from pier.state import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pier.state.paths import Paths

_FOLDERS = ("containers", "names", "volumes", "networks", "cache", "tmp")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_ELSEWHERE = "choose another folder with --root or PIER_ROOT"


class Engine:
    """One store, its user and their place. *environ* is the user's environment, for what Docker takes from it.

    *note* is told what was decided; None when nobody asked for it (`--debug`).
    """

    def __init__(
        self,
        paths: Paths,
        warn: Callable[[str], None],
        environ: Mapping[str, str],
        note: Callable[[str], None] | None = None,
        here: place.Place | None = None,
    ) -> None:
        self.paths = paths
        self.place = here or place.Place(idmap.current())
        self.warn = warn
        self.environ = environ
        self.note = note
        self.images = ImageStore(paths, warn)

    def record(self, kind: str, action: str, actor: str, **attributes: str) -> None:
        """Append an event to the journal."""
        journal.record(self.paths.events, kind, action, actor, attributes, now_ns=time.time_ns())


def open_engine(
    paths: Paths,
    *,
    warn: Callable[[str], None],
    environ: Mapping[str, str],
    note: Callable[[str], None] | None = None,
) -> Engine:
    """The engine over *paths*, whose folders are made when absent. Denied, Exhausted, Unsupported."""
    try:
        files.ensure_dir(paths.run)
        here = place.find(paths, warn)
        for name in _FOLDERS:
            files.ensure_dir(f"{paths.root}/{name}")
        engine = Engine(paths, warn, environ, note, here)
        _notice_boot(engine)
    except PermissionError as exc:
        raise Denied(f"the store at {paths.root} cannot be written", why=str(exc), hint=_ELSEWHERE) from exc
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            raise Exhausted(f"no room for the store at {paths.root}", why=exc.strerror or "") from exc
        raise PierError(f"the store at {paths.root} cannot be used", why=str(exc), hint=_ELSEWHERE) from exc
    return engine


def _notice_boot(engine: Engine) -> None:
    """After a reboot the same pid and start time may be another program's: what the files say of processes is over."""
    paths = engine.paths
    current = files.read_text(_BOOT_ID)
    if files.exists(paths.boot) and files.read_text(paths.boot) == current:
        return
    with files.FileLock(paths.boot + ".lock"):
        known = files.read_text(paths.boot) if files.exists(paths.boot) else current
        if known != current:
            from pier.engine import reconcile

            reconcile.forget_processes(engine)
        files.write_text(paths.boot, current)
