"""Signed releases: InRelease files, who signed them, and the checksums they promise (deb repository format).

Verification is gpgv's or sqv's, whichever the machine has; without one nothing is believed.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import os
import shutil
import subprocess
import time

from pier.errors import Corrupt, Exhausted, PierError, Unavailable, Unsupported
from pier.model.record import Record
from pier.recipes.debian import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_NO_KEYRING_HINT = "install the package debian-archive-keyring, or put Debian's keyring at " + KEYRING


class Release(Record):
    """What a verified Release file promises. *files*: path below the suite to (sha256, size)."""

    codename: str
    origin: str
    version: str = ""
    by_hash: bool = False
    valid_until: str = ""
    files: dict[str, tuple[str, int]] = {}


def parse_release(text: str) -> Release:
    """The promises of a Release file. Corrupt when it has no SHA256 section."""
    fields = next(control.stanzas(text), {})
    if "sha256" not in fields:
        raise Corrupt("the Release file lists no SHA256 checksums")
    files = {}
    for line in fields["sha256"].strip().split("\n"):
        words = line.split()
        if len(words) != 3 or not words[1].isdigit():
            raise Corrupt(f"the Release file holds a bad checksum line: {line!r}")
        files[words[2]] = (words[0].lower(), int(words[1]))
    return Release(
        codename=fields.get("codename", ""),
        origin=fields.get("origin", ""),
        version=fields.get("version", ""),
        by_hash=fields.get("acquire-by-hash", "") == "yes",
        valid_until=fields.get("valid-until", ""),
        files=files,
    )


def check_validity(release: Release, *, now: float, uri: str) -> None:
    """Corrupt when the release has expired: an old state of a mirror, replayed, hides security updates."""
    if not release.valid_until:
        return
    try:
        until = time.strptime(release.valid_until, "%a, %d %b %Y %H:%M:%S %Z")
    except ValueError as exc:
        raise Corrupt(f"{uri} {release.codename}: unreadable Valid-Until {release.valid_until!r}") from exc
    if calendar.timegm(until) < now:
        raise Corrupt(
            f"the release file of {release.codename} at {uri} expired on {release.valid_until}",
            why="the mirror is out of date, or this machine's clock is wrong",
            hint='choose another mirror, or, for a frozen one, set Acquire::Check-Valid-Until "false" in apt.conf.d',
        )


def keyrings(signed_by: str, trusted_parts: str, *, default: str = KEYRING) -> tuple[str, ...]:
    """The keyring files to trust: those of Signed-By, else Debian's own, else apt's trusted parts.

    An armoured block in place of file names is for `verify` to write out. Unsupported when there is none.
    """
    named = tuple(name for name in signed_by.split("\n") if name.startswith("/"))
    missing = [name for name in named if not os.path.exists(name)]
    if missing:
        raise Unsupported(f"the keyring {missing[0]} that apt names does not exist", hint=_NO_KEYRING_HINT)
    if named:
        return named
    if os.path.exists(default):
        return (default,)
    found = []
    if os.path.isdir(trusted_parts):
        found = [name for name in sorted(os.listdir(trusted_parts)) if name.startswith("debian-archive-")]
    if not found:
        raise Unsupported(
            "cannot verify Debian's signatures: no Debian archive keyring on this machine", hint=_NO_KEYRING_HINT
        )
    return tuple(os.path.join(trusted_parts, name) for name in found)


def verify(signed: bytes, *, signed_by: str, trusted_parts: str, workdir: str, environ: Mapping[str, str]) -> str:
    """The text that a good signature covers; nothing outside the signed part is returned.

    Corrupt when a signature is bad or none is by a trusted key. Unsupported without verifier or keyring.
    """
    if signed_by.startswith("-----BEGIN"):
        trusted = [_write(workdir, "signed-by.gpg", dearmor(signed_by))]
    else:
        trusted = []
        for number, name in enumerate(keyrings(signed_by, trusted_parts)):
            trusted.append(_binary_keyring(name, workdir, number))
    path = environ.get("PATH") or os.defpath
    if gpgv := shutil.which("gpgv", path=path):
        return _verify_gpgv(gpgv, signed, trusted, workdir)
    if sqv := shutil.which("sqv", path=path):
        return _verify_sqv(sqv, signed, trusted, workdir)
    raise Unsupported(
        "cannot verify Debian's signatures: neither gpgv nor sqv is installed", hint="install the package gpgv (or sqv)"
    )


def _binary_keyring(name: str, workdir: str, number: int) -> str:
    with open(name, "rb") as file:
        data = file.read()
    if not data.startswith(b"-----BEGIN"):
        return name
    return _write(workdir, f"keyring-{number}.gpg", dearmor(data.decode("ascii", "replace")))


def dearmor(text: str) -> bytes:
    """The packets of an ASCII-armoured block (RFC 9580 section 6)."""
    lines = text.strip().splitlines()
    try:
        start = next(number for number, line in enumerate(lines) if not line.strip()) + 1
    except StopIteration:
        raise Corrupt("an armoured key has no empty line after its header") from None
    body = [line.strip() for line in lines[start:] if not line.startswith(("=", "-----"))]
    try:
        return base64.b64decode("".join(body), validate=True)
    except binascii.Error as exc:
        raise Corrupt("an armoured key is not base64", why=str(exc)) from exc


def _verify_gpgv(program: str, signed: bytes, trusted: list[str], workdir: str) -> str:
    output = os.path.join(workdir, "Release")
    given = _write(workdir, "InRelease", signed)
    command = [program, "--status-fd", "1", "--output", output]
    for name in trusted:
        command += ["--keyring", name]
    done = subprocess.run([*command, given], capture_output=True, env={"GNUPGHOME": workdir, "LC_ALL": "C"})
    status = [
        line.split()[1] for line in done.stdout.decode("ascii", "replace").splitlines() if line.startswith("[GNUPG:] ")
    ]
    # gpgv exits with 2 when any key is unknown; a release is signed by several, of which one trusted key will do.
    if b"No space left" in done.stderr:
        raise Exhausted(f"no space left on the disk while checking a signature in {workdir}")
    if "GOODSIG" not in status or "BADSIG" in status:
        raise _distrust(done.stderr)
    with open(output, encoding="utf-8") as file:
        text = file.read()
    os.unlink(output)
    return text


def _verify_sqv(program: str, signed: bytes, trusted: list[str], workdir: str) -> str:
    message, signature = split_clearsigned(signed)
    data = _write(workdir, "Release", message)
    command = [program]
    for name in trusted:
        command += ["--keyring", name]
    done = subprocess.run([*command, _write(workdir, "Release.gpg", signature), data], capture_output=True)
    if done.returncode != 0:
        raise _distrust(done.stderr)
    return message.decode("utf-8")


def split_clearsigned(signed: bytes) -> tuple[bytes, bytes]:
    """Text and armoured signature of a cleartext-signed message (RFC 9580 section 7). Corrupt for anything else."""
    lines = signed.rstrip(b"\r\n").split(b"\n")
    lines = [line.rstrip(b"\r") for line in lines]
    if lines[0] != b"-----BEGIN PGP SIGNED MESSAGE-----" or lines[-1] != b"-----END PGP SIGNATURE-----":
        raise Corrupt("not a cleartext-signed message")
    try:
        start = lines.index(b"") + 1
        end = lines.index(b"-----BEGIN PGP SIGNATURE-----")
    except ValueError:
        raise Corrupt("a cleartext-signed message without a signature") from None
    if lines.count(b"-----BEGIN PGP SIGNED MESSAGE-----") > 1 or end < start:
        raise Corrupt("more than one message in a cleartext-signed file")
    text = [line.removeprefix(b"- ").rstrip(b" \t") for line in lines[start:end]]
    return b"\n".join(text), b"\n".join(lines[end:]) + b"\n"


def _distrust(stderr: bytes) -> PierError:
    detail = stderr.decode("utf-8", "replace").strip().splitlines()
    return Corrupt(
        "the mirror's release file is not signed by a trusted Debian key",
        why=detail[-1] if detail else "no good signature",
        hint="update the package debian-archive-keyring, or choose another mirror with PIER_DEBIAN_MIRROR",
    )


def _write(workdir: str, name: str, data: bytes) -> str:
    path = os.path.join(workdir, name)
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as exc:
        raise Unavailable(f"cannot write {path}", why=exc.strerror or str(exc)) from exc
    return path
