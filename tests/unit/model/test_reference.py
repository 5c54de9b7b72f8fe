"""Image names: the grammar of distribution/reference and Docker's short forms."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.model.reference import Reference, is_digest, is_id_prefix, parse, short_id

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("python:3.11-slim", "docker.io/library/python:3.11-slim", "python:3.11-slim"),
        ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("ghcr.io/a/b/c:x", "ghcr.io/a/b/c:x", "ghcr.io/a/b/c:x"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("Host/app", "Host/app:latest", "Host/app:latest"),
        ("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest", "a__b/c--d.e_f:latest"),
        (f"alpine@{DIGEST}", f"docker.io/library/alpine@{DIGEST}", f"alpine@{DIGEST}"),
        (f"alpine:3@{DIGEST}", f"docker.io/library/alpine:3@{DIGEST}", f"alpine:3@{DIGEST}"),
    ],
)
def test_a_name_has_one_canonical_and_one_familiar_form(text: str, canonical: str, familiar: str) -> None:
    ref = parse(text)
    assert (ref.canonical(), ref.familiar()) == (canonical, familiar)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Alpine", "lower case"),
        ("ghcr.io/User/app", "lower case"),
        ("a..b", "'..' cannot separate"),
        ("a___b", "'___' cannot separate"),
        ("-a", "begin and end"),
        ("a-", "begin and end"),
        ("a//b", "between slashes is empty"),
        ("a/", "between slashes is empty"),
        ("/a", "between slashes is empty"),
        ("a b", "' ' is not allowed in a name"),
        ("a\nb", "is not allowed in a name"),
        ("é", "is not allowed in a name"),
        ("a:", "tag after ':' is empty"),
        ("a:-x", "cannot begin with '-'"),
        ("a:x y", "' ' is not allowed in a tag"),
        ("a:" + "x" * 129, "129 characters"),
        ("a" * 256, "more than 255"),
        ("f" * 64, "image id"),
        ("a@", "does not begin with sha256:"),
        ("a@sha256:abc", "3 characters"),
        ("a@sha256:" + "G" * 64, "hexadecimal"),
        ("a@md5:" + "0" * 32, "does not begin with sha256:"),
        ("host.name:port/a", "is not a number"),
        ("-host.name/a", "not a host name"),
        ("[::1/a", "not an IPv6 address"),
        (":5000/a", "not a host name"),
    ],
)
def test_a_bad_name_is_refused_with_the_rule_it_breaks(text: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(text)
    assert why in refusal.value.why


def test_a_capital_letter_gets_the_spelling_that_works() -> None:
    with pytest.raises(Invalid) as refusal:
        parse("Ghcr.io/My/App:V1")
    assert refusal.value.hint == "type Ghcr.io/my/app:V1"


WORD = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
COMPONENT = st.lists(WORD, min_size=1, max_size=3).flatmap(
    lambda words: st.sampled_from([".", "_", "__", "-", "---"]).map(lambda joint: joint.join(words))
)
DOMAIN = st.sampled_from(
    ["docker.io", "localhost", "localhost:5000", "ghcr.io", "127.0.0.1:80", "[2001:db8::1]:443", "H"]
)
TAG = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=1).flatmap(
    lambda head: st.text(string.ascii_letters + string.digits + "_.-", max_size=127).map(lambda tail: head + tail)
)
PATHS = st.lists(COMPONENT, min_size=1, max_size=4).map("/".join)


@given(DOMAIN, PATHS, TAG)
def test_both_forms_of_a_valid_name_parse_back_to_it(domain: str, path: str, tag: str) -> None:
    assume(len(path) < 240)
    ref = parse(f"{domain}/{path}:{tag}")
    assert parse(ref.canonical()) == ref
    assert parse(ref.familiar()) == ref
    assert ref.tag == tag


@given(PATHS)
def test_a_digest_replaces_the_default_tag(path: str) -> None:
    assume(len(path.strip("0123456789abcdef")) or len(path) != 64)
    ref = parse(f"{path}@{DIGEST}")
    assert (ref.tag, ref.digest) == ("", DIGEST)
    assert parse(ref.familiar()) == ref


@given(st.text(max_size=80))
def test_any_text_is_a_reference_that_round_trips_or_invalid(text: str) -> None:
    try:
        ref = parse(text)
    except Invalid as refusal:
        assert refusal.why
        return
    assert parse(ref.canonical()) == ref
    assert parse(ref.familiar()) == ref


def test_a_path_that_reads_as_a_host_stays_long_in_its_familiar_form() -> None:
    ref = Reference(domain="docker.io", path="localhost/app", tag="latest")
    assert ref.familiar() == "docker.io/localhost/app:latest"


@pytest.mark.parametrize(
    ("text", "digest", "prefix"),
    [
        (DIGEST, True, True),
        (DIGEST[7:], False, True),
        ("sha256:0123", False, True),
        ("0123abc", False, True),
        ("xyz", False, False),
        ("", False, False),
        ("sha256:", False, False),
        (DIGEST + "0", False, False),
        (DIGEST.upper(), False, False),
    ],
)
def test_ids_and_their_beginnings_are_told_apart(text: str, digest: bool, prefix: bool) -> None:
    assert (is_digest(text), is_id_prefix(text)) == (digest, prefix)


def test_a_short_id_has_twelve_digits() -> None:
    assert short_id(DIGEST) == "0123456789ab"
