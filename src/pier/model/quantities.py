"""Sizes and durations as Docker prints and reads them. Pure.

Docker prints decimal sizes with the units kB, MB (image and container sizes), binary ones with KiB, MiB (memory), and
reads `512m` as binary. Durations are Go's: `1h30m`, `1.5s`, `300ms`.
"""

from __future__ import annotations

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_BYTE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_DAY = 24


def decimal_size(count: float, precision: int = 4) -> str:
    """`7.05MB`: powers of 1000 with *precision* significant digits."""
    return _size(count, 1000.0, _DECIMAL, precision)


def binary_size(count: float) -> str:
    """`1.5MiB`: powers of 1024 with four significant digits."""
    return _size(count, 1024.0, _BINARY, 4)


def _size(count: float, base: float, units: tuple[str, ...], precision: int) -> str:
    step = 0
    while count >= base and step < len(units) - 1:
        count /= base
        step += 1
    text = f"{count:.{precision}g}"
    # Go prints 1e+03 as Python does when rounding crosses the next power; spell it out.
    return f"{float(text):g}{units[step]}"


def parse_bytes(text: str) -> int:
    """`512m`, `1.5GiB`, `1024` as bytes, all units binary; -1 (no limit) passes. ValueError in Docker's words."""
    if text == "-1":
        return -1
    lowered = text.strip().lower()
    number = lowered.rstrip("bikmgtp ")
    unit = lowered[len(number) :].strip()
    for ending in ("ib", "b"):
        if unit.endswith(ending) and (ending == "b" or len(unit) == 3):
            unit = unit[: -len(ending)]
            break
    if unit not in _BYTE_POWERS or not _is_number(number):
        raise ValueError(f"invalid size: '{text}'")
    return int(float(number) * 1024 ** _BYTE_POWERS[unit])


def _is_number(text: str) -> bool:
    whole, _, part = text.partition(".")
    return text.isascii() and (whole + part).isdigit()


def parse_duration(text: str) -> float:
    """Go's duration text in seconds: `1h2m3.5s`, `-10ms`, `0`. ValueError in Go's words."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    total = 0.0
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    while rest:
        number = _leading(rest, "0123456789.")
        if not _is_number(number):
            raise ValueError(f'time: invalid duration "{text}"')
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("hmsunµμ"))]
        if unit not in _SECONDS:
            unit = next((size for size in ("ms", "h", "m", "s") if unit.startswith(size)), unit)
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _SECONDS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += float(number) * _SECONDS[unit]
        rest = rest[len(unit) :]
    return -total if text.startswith("-") else total


def _leading(text: str, letters: str) -> str:
    return text[: len(text) - len(text.lstrip(letters))]


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration: `1h0m0s`, `1m30s`, `1.5s`, `300ms`, `0s`."""
    sign = "-" if seconds < 0 else ""
    nanos = round(abs(seconds) * 1e9)
    if nanos == 0:
        return "0s"
    for size, unit in ((1_000, "ns"), (1_000_000, "µs"), (1_000_000_000, "ms")):
        if nanos < size:
            return f"{sign}{_trimmed(nanos, size // 1000)}{unit}"
    minutes, nanos = divmod(nanos, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_trimmed(nanos, 1_000_000_000)}s"


def _trimmed(count: int, size: int) -> str:
    whole, part = divmod(count, size)
    return f"{whole}.{part:0{len(str(size)) - 1}d}".rstrip("0").rstrip(".") if part else str(whole)


def human_duration(seconds: float) -> str:
    """`About a minute`, `3 hours`, `2 weeks`: what Docker prints for an age."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < _DAY * 14:
        return f"{hours // _DAY} days"
    if hours < _DAY * 60:
        return f"{hours // _DAY // 7} weeks"
    if hours < _DAY * 730:
        return f"{hours // _DAY // 30} months"
    return f"{int(seconds / 3600) // _DAY // 365} years"
