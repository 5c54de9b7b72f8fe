"""The C library, loaded once; an errno becomes an OSError here and nowhere else.

PyDLL keeps the interpreter lock during a call: a raw clone(2) must not return in the child while another thread of the
parent owns that lock.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_libc = ctypes.PyDLL(None, use_errno=True)

c_int = ctypes.c_int
c_uint = ctypes.c_uint
c_long = ctypes.c_long
c_ulong = ctypes.c_ulong
c_char_p = ctypes.c_char_p
c_void_p = ctypes.c_void_p


def function(name: str, *argtypes: Any, restype: Any = c_int) -> Any:
    """The C function *name* with its types set. AttributeError when the C library is older than the function."""
    found = getattr(_libc, name)
    found.argtypes = argtypes
    found.restype = restype
    return found


_syscall = function("syscall", c_long, c_ulong, c_ulong, c_ulong, c_ulong, c_ulong, c_ulong, restype=c_long)


def check(result: int, *paths: str) -> int:
    """*result*, or the OSError that errno names when it is -1."""
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), *paths[:1])
    return result


def syscall(number: int, *arguments: int) -> int:
    """syscall(2) with integer or pointer arguments; OSError on failure."""
    padded = arguments + (0,) * (6 - len(arguments))
    result: int = _syscall(number, *padded)
    return check(result)


def encode(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)
