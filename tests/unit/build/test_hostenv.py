"""Which variables of the host reach a build step."""

from __future__ import annotations

from pier.build.hostenv import CA_TARGET, CA_VARIABLES, host_environment


def test_one_bundle_is_named_in_every_usual_variable() -> None:
    found = host_environment({"PIP_CERT": "/etc/ca.pem"})
    assert found.ca_bundle == "/etc/ca.pem"
    assert found.variables() == dict.fromkeys(CA_VARIABLES, CA_TARGET)


def test_without_a_bundle_nothing_is_set() -> None:
    assert host_environment({"PATH": "/bin", "SSL_CERT_DIR": "/etc/ssl"}).variables() == {}


def test_proxies_keep_their_spelling() -> None:
    assert host_environment({"http_proxy": "p", "NO_PROXY": "n", "OTHER": "x"}).proxies == {
        "http_proxy": "p",
        "NO_PROXY": "n",
    }


def test_mirrors_are_addresses_and_paths_stay_outside() -> None:
    found = host_environment({"PIP_INDEX_URL": "https://mirror/simple", "PIP_EXTRA_INDEX_URL": "file:///opt/simple"})
    assert found.settings == {"PIP_INDEX_URL": "https://mirror/simple"}


def test_an_address_with_a_password_is_withheld_by_name() -> None:
    found = host_environment({"PIP_INDEX_URL": "https://me:secret@mirror/simple", "GOPROXY": "https://a,https://u@b"})
    assert found.settings == {}
    assert found.withheld == ("PIP_INDEX_URL", "GOPROXY")
