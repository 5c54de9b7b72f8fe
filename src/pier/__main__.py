"""Start pier: by the launcher as `python -I -S .../pier/__main__.py`, or as `python -m pier`.

Finds the package beside itself, because the launcher starts the interpreter without `site`.
"""

from __future__ import annotations

import gc
import os
import sys


def start() -> None:
    """Run the command line and end the process with its exit code."""
    # Short process: the collector finds nothing worth its time before the end.
    gc.disable()
    if not __package__:
        home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        if home not in sys.path:
            sys.path.insert(0, home)
    try:
        from pier.cli.main import main

        code = main(sys.argv[1:], os.environ)
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        code = 130
    except OSError:
        # Only the last flush is left to fail here, and stderr itself may be what is closed.
        code = 1
    # _exit(2): taking the interpreter down module by module costs milliseconds and gives nothing back.
    os._exit(code & 0xFF)


if __name__ == "__main__":
    start()
