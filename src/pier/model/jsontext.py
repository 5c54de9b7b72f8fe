"""JSON text in and out through the interpreter's C accelerator, without importing `json` (9 ms with `re`).

Where the accelerator is missing or has changed its shape, `json` itself does the work: same results, later start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _ScanContext:
    """What `_json.make_scanner` reads from a `json.JSONDecoder`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}


def _accelerated() -> tuple[Any, Any]:
    import _json

    scan = _json.make_scanner(_ScanContext())  # type: ignore[arg-type]
    encode = _json.make_encoder(None, _refuse, _json.encode_basestring_ascii, None, ":", ",", False, False, True)
    if scan('{"a":[1]}', 0) != ({"a": [1]}, 9) or "".join(encode({"a": [1]}, 0)) != '{"a":[1]}':
        raise ImportError("the json accelerator has changed")
    return scan, encode


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON form")


try:
    _scan, _encode = _accelerated()
except (ImportError, TypeError, AttributeError):
    _scan = _encode = None


def loads(text: str | bytes) -> Any:
    """The value of one JSON text. ValueError when it is not JSON."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    if _scan is None:
        import json

        return json.loads(text)
    text = text.strip(" \t\r\n")
    try:
        value, end = _scan(text, 0)
    except StopIteration as exc:
        raise ValueError(f"not JSON at character {exc.value}") from None
    except SystemError:
        # The accelerator takes its exception from json.decoder, and sets none where that was never imported.
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError(f"more than one JSON value: surplus at character {end}")
    return value


def dumps(value: Any) -> str:
    """Compact JSON, ASCII only. TypeError for what JSON cannot say."""
    if _encode is None:
        import json

        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, str):
        import _json

        return _json.encode_basestring_ascii(value)
    if value is None or isinstance(value, (bool, int, float)):
        return "".join(_encode([value], 0))[1:-1]
    return "".join(_encode(value, 0))
