"""What build steps need from the host's environment to reach the network as the host does: proxies, a private CA,
mirrors.

Decides from the variables passed in. Nothing of it is recorded in an image or in a cache key
(docs/decisions/0010-host-settings-in-build-steps.md).
"""

from __future__ import annotations

from pier.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Docker's predefined build arguments (Dockerfile reference, "Predefined ARGs").
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
PROXIES = PROXY_NAMES + tuple(name.lower() for name in PROXY_NAMES)

# Variables that name one file of certificates; the first that is set on the host decides.
CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
)
# Where a step sees the bundle. /dev is a fresh tmpfs of each step, so no mount point is left in the layer.
CA_TARGET = "/dev/pier-host-ca.pem"

_URLS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "YARN_REGISTRY",
    "YARN_NPM_REGISTRY_SERVER",
    "GOPROXY",
    "RUSTUP_DIST_SERVER",
    "RUSTUP_UPDATE_ROOT",
)
_PLAIN = ("PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "UV_HTTP_TIMEOUT", "GOSUMDB", "GONOSUMDB")


class HostEnvironment(Record):
    """*proxies* by name, as the host spells them; *ca_bundle* a file, or ""; *settings*: the package managers'
    variables.

    *withheld* names the variables that were not passed on because they hold a password.
    """

    proxies: dict[str, str] = {}
    ca_bundle: str = ""
    settings: dict[str, str] = {}
    withheld: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        """The variables of a step, apart from proxies. The image's own ENV and ARG win over them."""
        bundle = dict.fromkeys(CA_VARIABLES, CA_TARGET) if self.ca_bundle else {}
        return {**bundle, **self.settings}


def host_environment(environ: Mapping[str, str], *, proxies: bool = True) -> HostEnvironment:
    """What *environ* says. An address with a password in it is withheld: a Dockerfile of others could read it."""
    urls = {name: environ[name] for name in _URLS if environ.get(name, "").startswith(("http://", "https://"))}
    withheld = tuple(name for name, url in urls.items() if _has_password(url))
    settings = {name: url for name, url in urls.items() if name not in withheld}
    settings |= {name: environ[name] for name in _PLAIN if environ.get(name)}
    return HostEnvironment(
        proxies={name: environ[name] for name in PROXIES if environ.get(name)} if proxies else {},
        ca_bundle=next((environ[name] for name in CA_VARIABLES if environ.get(name)), ""),
        settings=settings,
        withheld=withheld,
    )


def _has_password(text: str) -> bool:
    for url in text.replace(",", " ").replace("|", " ").split():
        authority = url.partition("://")[2].partition("/")[0]
        if "@" in authority:
            return True
    return False
