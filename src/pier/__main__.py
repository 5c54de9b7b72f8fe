"""Start pier: by the launcher as `python -I -S .../pier/__main__.py`, or as `python -m pier`.

Finds the package beside itself, because the launcher starts the interpreter without `site`, and loads its compiled
modules by a shorter way than the interpreter's own: a sixth of a start is looking for them.
"""

from __future__ import annotations

import _frozen_importlib
import _frozen_importlib_external
import _signal  # type: ignore[import-not-found]
import gc
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

PACKAGE = "pier"
# PEP 552: magic number, flags, then the source's modification time and size.
_HEADER_BYTES = 16


class CompiledModules:
    """A finder for pier's own modules whose compiled file is there and of the source's time and size.

    Everything else it leaves to the interpreter's finders, which then compile the source and keep the result.
    """

    def __init__(self, home: str, magic: bytes) -> None:
        self._home = home
        self._magic = magic
        self._suffix = f".{sys.implementation.cache_tag}.pyc"

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Protocol of `importlib.abc.MetaPathFinder`."""
        package, _, own = name.rpartition(".")
        if name != PACKAGE and not name.startswith(PACKAGE + "."):
            return None
        folder = f"{self._home}/{package.replace('.', '/')}" if package else self._home
        for source, compiled, is_package in (
            (f"{folder}/{own}.py", f"{folder}/__pycache__/{own}{self._suffix}", False),
            (f"{folder}/{own}/__init__.py", f"{folder}/{own}/__pycache__/__init__{self._suffix}", True),
        ):
            code = self._read(source, compiled)
            if code is not None:
                spec = _frozen_importlib.ModuleSpec(name, self, origin=source, is_package=is_package)  # type: ignore[arg-type]
                spec.has_location = True
                spec.loader_state = code
                if spec.submodule_search_locations is not None:
                    spec.submodule_search_locations.append(f"{folder}/{own}")
                return spec
        return None

    def _read(self, source: str, compiled: str) -> CodeType | None:
        try:
            fd = os.open(compiled, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(fd, os.fstat(fd).st_size)
            status = os.stat(source)
        except OSError:
            return None
        finally:
            os.close(fd)
        stamp = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
        expected = self._magic + bytes(4) + stamp[0].to_bytes(4, "little") + stamp[1].to_bytes(4, "little")
        if data[:_HEADER_BYTES] != expected:
            return None
        code: CodeType = marshal.loads(memoryview(data)[_HEADER_BYTES:])
        return code

    def create_module(self, spec: ModuleSpec) -> None:
        """Protocol of `importlib.abc.Loader`: the interpreter makes the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Protocol of `importlib.abc.Loader`."""
        spec = module.__spec__
        if spec is not None:
            exec(spec.loader_state, module.__dict__)


def start() -> None:
    """Run the command line and end the process with its exit code."""
    # Short process: the collector finds nothing worth its time before the end.
    gc.disable()
    # The launcher starts the interpreter deaf to Ctrl-C.
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    if not __package__:
        _find_package(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from pier.cli.main import main

    code = main(sys.argv[1:], os.environ)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    # _exit(2): taking the interpreter down module by module costs milliseconds and gives nothing back.
    os._exit(code & 0xFF)


def _find_package(home: str) -> None:
    """Make `import pier` work, from the folder *home*."""
    if home not in sys.path:
        sys.path.insert(0, home)
    sys.meta_path.insert(0, CompiledModules(home, _frozen_importlib_external.MAGIC_NUMBER))


if __name__ == "__main__":
    try:
        start()
    except KeyboardInterrupt:
        # Pressed before there was a command line to hear it; nothing has been done yet.
        os._exit(128 + 2)
