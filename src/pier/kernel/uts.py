"""Host and domain name of the UTS namespace: sethostname(2), setdomainname(2)."""

from __future__ import annotations

from pier.kernel import libc

_sethostname = libc.function("sethostname", libc.c_char_p, libc.c_ulong)
_setdomainname = libc.function("setdomainname", libc.c_char_p, libc.c_ulong)


def set_hostname(name: str) -> None:
    encoded = name.encode()
    libc.check(_sethostname(encoded, len(encoded)))


def set_domainname(name: str) -> None:
    encoded = name.encode()
    libc.check(_setdomainname(encoded, len(encoded)))
