"""Who we are to a registry: `auths` of Docker's config.json, and the challenges that ask for it. Opens no connection.

Credential helpers are programs of their own and are not run; where one would be needed, the refusal names it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from pier.errors import Invalid
from pier.model.record import Record
from pier.model.reference import DEFAULT_DOMAIN
from pier.state import files

_DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", DEFAULT_DOMAIN)  # the first is what `docker login` writes


class Credentials(Record):
    """A name and a password, or why there are none (`helper`: the program that holds them)."""

    user: str = ""
    password: str = ""
    helper: str = ""

    def __bool__(self) -> bool:
        return bool(self.user)

    def basic(self) -> str:
        """The Authorization header of RFC 7617."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Challenge(Record):
    """What a WWW-Authenticate header asks for: scheme "bearer" or "basic", and its parameters."""

    scheme: str
    parameters: dict[str, str]


def look_up(config_path: str, domain: str) -> Credentials:
    """What config.json at *config_path* knows about *domain*; empty where there is no such file or entry. Invalid."""
    if not config_path:
        return Credentials()
    try:
        config = files.read_json(config_path)
        auths, helpers = config.get("auths") or {}, config.get("credHelpers") or {}
    except FileNotFoundError:
        return Credentials()
    except (ValueError, AttributeError) as exc:
        raise Invalid(f"{config_path} is not a Docker configuration", why=str(exc)) from exc
    keys = _DOCKER_HUB_KEYS if domain == DEFAULT_DOMAIN else (domain, f"https://{domain}", f"https://{domain}/v2/")
    for key in keys:
        entry = auths.get(key) or {}
        if entry.get("auth"):
            return _decoded(entry["auth"], config_path, key)
    helper = next((helpers[key] for key in keys if key in helpers), config.get("credsStore") or "")
    return Credentials(helper=f"docker-credential-{helper}" if helper else "")


def challenges(header: str) -> list[Challenge]:
    """The challenges of one WWW-Authenticate header (RFC 9110, section 11.6.1), those that pier can answer."""
    found = []
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() in ("bearer", "basic"):
        found.append(Challenge(scheme=scheme.lower(), parameters=_parameters(rest)))
    return found


def _parameters(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    at = 0
    while at < len(text):
        equals = text.find("=", at)
        if equals < 0:
            break
        name = text[at:equals].strip(" ,\t").lower()
        if text[equals + 1 : equals + 2] == '"':
            end = text.find('"', equals + 2)
            end = len(text) if end < 0 else end
            values[name] = text[equals + 2 : end]
        else:
            end = text.find(",", equals)
            end = len(text) if end < 0 else end
            values[name] = text[equals + 1 : end].strip()
        at = end + 1
    return values


def _decoded(auth: Any, config_path: str, key: str) -> Credentials:
    try:
        user, colon, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise Invalid(f"{config_path}: the entry of {key} cannot be decoded", why=str(exc)) from exc
    if not colon:
        raise Invalid(f"{config_path}: the entry of {key} has no password", why="auth must encode user:password")
    return Credentials(user=user, password=password)
