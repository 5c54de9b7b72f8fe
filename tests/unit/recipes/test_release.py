"""Nothing of a mirror is believed that a trusted key has not signed."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Corrupt, Unsupported
from pier.recipes.debian import release

TEXT = """Origin: Debian
Codename: bookworm
Version: 12.9
Acquire-By-Hash: yes
Valid-Until: Sat, 01 Aug 2026 00:00:00 UTC
SHA256:
 {} 120 main/binary-amd64/Packages.xz
 {} 9 main/binary-amd64/Release
""".format("a" * 64, "b" * 64)


def test_a_release_promises_checksums_by_path() -> None:
    found = release.parse_release(TEXT)
    assert (found.codename, found.version, found.by_hash) == ("bookworm", "12.9", True)
    assert found.files["main/binary-amd64/Packages.xz"] == ("a" * 64, 120)


@pytest.mark.parametrize("text", ["", "Codename: bookworm\n", "Codename: x\nSHA256:\n abc notanumber file\n"])
def test_a_release_without_checksums_is_refused(text: str) -> None:
    with pytest.raises(Corrupt):
        release.parse_release(text)


def test_an_expired_release_is_refused_with_the_date() -> None:
    found = release.parse_release(TEXT)
    release.check_validity(found, now=1785542399.0, uri="http://m.example")
    with pytest.raises(Corrupt, match="expired on Sat, 01 Aug 2026"):
        release.check_validity(found, now=1785542401.0, uri="http://m.example")


def test_a_signed_message_is_split_without_what_stands_around_it() -> None:
    signed = (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\na  \n- -dash\n"
        b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
    )
    message, signature = release.split_clearsigned(signed)
    assert message == b"a\n-dash"
    assert signature.startswith(b"-----BEGIN PGP SIGNATURE-----\n")
    for wrong in (b"Codename: evil\n" + signed, signed + b"Codename: evil\n", signed + signed, b"", b"text"):
        with pytest.raises(Corrupt):
            release.split_clearsigned(wrong)


@given(st.binary(max_size=300))
def test_armour_gives_its_bytes_back(data: bytes) -> None:
    body = base64.encodebytes(data).decode()
    text = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n{body}=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    assert release.dearmor(text) == data


def test_a_keyring_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="/keys/none.gpg"):
        release.keyrings("/keys/none.gpg", str(tmp_path))
    with pytest.raises(Unsupported) as caught:
        release.keyrings("", str(tmp_path), default=str(tmp_path / "none"))
    assert "debian-archive-keyring" in caught.value.hint
    (tmp_path / "debian-archive-stable.asc").write_text("x")
    assert release.keyrings("", str(tmp_path), default="/none") == (str(tmp_path / "debian-archive-stable.asc"),)


class Signer:
    """A key of our own, as a mirror would have."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700)
        self._gpg("--quick-gen-key", "--passphrase", "", "Test <t@example.org>", "ed25519", "sign", "never")
        self.keyring = home / "trusted.gpg"
        self.keyring.write_bytes(self._gpg("--export"))
        self.armoured = self._gpg("--export", "--armor").decode()

    def sign(self, text: str) -> bytes:
        return self._gpg("--clearsign", stdin=text.encode())

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--homedir", str(self.home), "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg to sign with")
    found = Signer(tmp_path_factory.mktemp("gpg") / "home")
    yield found
    subprocess.run(["gpgconf", "--homedir", str(found.home), "--kill", "all"], check=False)


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Signer]:
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg to sign with")
    found = Signer(tmp_path / "other")
    yield found
    subprocess.run(["gpgconf", "--homedir", str(found.home), "--kill", "all"], check=False)


def verify(signed: bytes, signed_by: str, workdir: Path) -> str:
    environ = {"PATH": os.environ["PATH"]}
    return release.verify(signed, signed_by=signed_by, trusted_parts="/none", workdir=str(workdir), environ=environ)


def test_a_good_signature_gives_the_text(signer: Signer, tmp_path: Path) -> None:
    assert release.parse_release(verify(signer.sign(TEXT), str(signer.keyring), tmp_path)).codename == "bookworm"


def test_an_embedded_key_is_trusted_like_a_file(signer: Signer, tmp_path: Path) -> None:
    assert "bookworm" in verify(signer.sign(TEXT), signer.armoured, tmp_path)


def test_text_around_the_signed_part_is_not_returned(signer: Signer, tmp_path: Path) -> None:
    signed = b"Codename: evil\n" + signer.sign(TEXT)
    try:
        assert "evil" not in verify(signed, str(signer.keyring), tmp_path)
    except Corrupt:
        return


def test_a_changed_text_is_refused(signer: Signer, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="not signed by a trusted Debian key"):
        verify(signer.sign(TEXT).replace(b"12.9", b"12.8"), str(signer.keyring), tmp_path)


def test_a_stranger_s_signature_is_refused(signer: Signer, others: Signer, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="not signed by a trusted Debian key"):
        verify(others.sign(TEXT), str(signer.keyring), tmp_path)


def test_without_a_verifier_nothing_is_believed(signer: Signer, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="neither gpgv nor sqv") as caught:
        release.verify(
            b"x", signed_by=str(signer.keyring), trusted_parts="", workdir=str(tmp_path), environ={"PATH": "/none"}
        )
    assert "gpgv" in caught.value.hint
