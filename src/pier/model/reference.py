"""Names of images: the grammar of distribution/reference, with Docker's short names. Pure; knows no registry's address.

The grammar, after defaults have been filled in:

    reference  = [domain "/"] path [":" tag] ["@" digest]
    domain     = host [":" port]
    path       = component *("/" component)
    component  = alnum *(("." / "_" / "__" / 1*"-") alnum)       lower case only
    tag        = 1 word character, then up to 127 of word characters, "." and "-"
    digest     = "sha256:" 64 hexadecimal digits, lower case      (sha512: 128)
"""

from __future__ import annotations

from pier.errors import Invalid
from pier.model.record import Record

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
OFFICIAL = "library/"

_LEGACY_DOMAIN = "index.docker.io"
_DIGITS = "0123456789"
_HEX = _DIGITS + "abcdef"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_ALNUM = _LOWER + _DIGITS
_ANYCASE = _ALNUM + _LOWER.upper()
_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_LONGEST_PATH = 255
_LONGEST_TAG = 128


class Reference(Record):
    """One image name, complete: *tag* is "" only where a digest was given instead."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """`docker.io/library/alpine`."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        """`alpine`: what a person types and `pier images` shows."""
        if self.domain != DEFAULT_DOMAIN:
            return self.repository
        short = self.path
        if short.startswith(OFFICIAL) and "/" not in short[len(OFFICIAL) :]:
            short = short[len(OFFICIAL) :]
        # A user called "localhost" or "a.b" reads as a host, and 64 hexadecimal digits as an id: those stay long.
        ambiguous = _split_domain(short) != (self.domain, self.path) or _is_bare_id(short)
        return self.repository if ambiguous else short

    def canonical(self) -> str:
        """`docker.io/library/alpine:latest`: equal for all spellings of one image."""
        return self.repository + self._suffix()

    def familiar(self) -> str:
        """`alpine:latest`. Parses back to the same reference."""
        return self.familiar_repository + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """The reference that *text* means, `latest` filled in. Invalid, saying which part breaks which rule."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _invalid(text, _digest_fault(digest))
    tag = ""
    colon = name.rfind(":")
    if colon > name.rfind("/"):
        name, tag = name[:colon], name[colon + 1 :]
        if fault := _tag_fault(tag):
            raise _invalid(text, fault)
    if not name:
        raise _invalid(text, "the name is empty")
    if _is_bare_id(name):
        raise _invalid(text, "64 hexadecimal digits are an image id, not a name")
    domain, path = _split_domain(name)
    if fault := _domain_fault(domain) or _path_fault(path):
        typed = path.removeprefix(OFFICIAL)
        hint = f"type {text.replace(typed, typed.lower(), 1)}" if "lower case" in fault else ""
        raise _invalid(text, fault, hint)
    if not tag and not digest:
        tag = DEFAULT_TAG
    return Reference(domain=domain, path=path, tag=tag, digest=digest)


def is_digest(text: str) -> bool:
    """True for `sha256:` and 64 lower-case hexadecimal digits (or `sha512:` and 128)."""
    algorithm, _, value = text.partition(":")
    return len(value) == _HEX_LENGTHS.get(algorithm) and not value.strip(_HEX)


def is_id_prefix(text: str) -> bool:
    """True where *text* may be an image id or the beginning of one, with or without `sha256:`."""
    value = text.removeprefix("sha256:")
    return 0 < len(value) <= 64 and not value.strip(_HEX)


def short_id(digest: str) -> str:
    """The twelve digits that people see."""
    return digest.partition(":")[2][:12]


def _is_bare_id(name: str) -> bool:
    return len(name) == 64 and not name.strip(_HEX)


def _split_domain(name: str) -> tuple[str, str]:
    # The first part is a host only if it cannot be a Docker Hub user: a dot, a port, capitals, or localhost.
    first, slash, rest = name.partition("/")
    if not slash or ("." not in first and ":" not in first and first != "localhost" and first == first.lower()):
        domain, path = DEFAULT_DOMAIN, name
    else:
        domain, path = first, rest
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path and path:
        path = OFFICIAL + path
    return domain, path


def _domain_fault(domain: str) -> str:
    host, port = domain, None
    if domain.startswith("["):
        host, bracket, after = domain[1:].partition("]")
        if not bracket or not host or host.strip(_HEX + "ABCDEF:") or (after and after[0] != ":"):
            return f"{domain!r} is not an IPv6 address in brackets"
        port = after[1:] if after else None
    else:
        colon = domain.find(":")
        if colon >= 0:
            host, port = domain[:colon], domain[colon + 1 :]
        for part in host.split("."):
            if not part or part.strip(_ANYCASE + "-") or part[0] == "-" or part[-1] == "-":
                return f"{host!r} is not a host name"
    if port is not None and (not port or port.strip(_DIGITS)):
        return f"the port {port!r} of {host!r} is not a number"
    return ""


def _path_fault(path: str) -> str:
    if len(path) > _LONGEST_PATH:
        return f"the name has {len(path)} characters, more than {_LONGEST_PATH}"
    for part in path.split("/"):
        if fault := _component_fault(part):
            return fault
    return ""


def _component_fault(part: str) -> str:
    if not part:
        return "a part between slashes is empty"
    if part != part.lower() and not part.strip(_ANYCASE + "._-"):
        return f"{part!r} must be in lower case"
    stray = part.strip(_ALNUM + "._-")
    if stray:
        return f"{stray[0]!r} is not allowed in a name"
    for run in _separator_runs(part):
        if run not in (".", "_", "__") and run.strip("-"):
            return f"{run!r} cannot separate words in {part!r}"
    if part[0] not in _ALNUM or part[-1] not in _ALNUM:
        return f"{part!r} must begin and end with a letter or digit"
    return ""


def _separator_runs(part: str) -> list[str]:
    return "".join(" " if char in _ALNUM else char for char in part).split()


def _tag_fault(tag: str) -> str:
    if not tag:
        return "the tag after ':' is empty"
    if len(tag) > _LONGEST_TAG:
        return f"the tag has {len(tag)} characters, more than {_LONGEST_TAG}"
    stray = tag.strip(_ANYCASE + "_.-")
    if stray:
        return f"{stray[0]!r} is not allowed in a tag"
    if tag[0] in ".-":
        return f"the tag cannot begin with {tag[0]!r}"
    return ""


def _digest_fault(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    wanted = _HEX_LENGTHS.get(algorithm)
    if wanted is None:
        return f"the digest {digest!r} does not begin with sha256:"
    return f"the digest has {len(value)} characters after {algorithm}:, not {wanted} lower-case hexadecimal digits"


def _invalid(text: str, why: str, hint: str = "") -> Invalid:
    return Invalid(f"invalid reference format: {text!r}", why=why, hint=hint)
