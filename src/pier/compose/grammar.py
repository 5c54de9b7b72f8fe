"""Every key of the Compose specification outside `services.*`, and what pier does with it. A test compares it with the
specification's JSON schema: no key is missing, none is invented."""

from __future__ import annotations

from pier.compose.grammar_service import SERVICE
from pier.compose.kinds import (
    ANYTHING,
    FLAG,
    INT,
    PAIRS,
    TEXT,
    TEXT_OR_TEXTS,
    TEXTS,
    Either,
    Fields,
    ListOf,
    MapOf,
    done,
    refused,
    warned,
)

_SWARM = "there is no swarm here"
_DRIVERS = "pier has the built-in driver only"
_EXTERNAL = Either(kinds=(FLAG, Fields(what="external", keys={"name": done(TEXT)})))
_OPTIONS = MapOf(value=TEXT)

INCLUDE = Either(
    kinds=(
        TEXT,
        Fields(
            what="include",
            keys={"path": done(TEXT_OR_TEXTS), "env_file": done(TEXT_OR_TEXTS), "project_directory": done(TEXT)},
            closed=True,
        ),
    )
)

IPAM = Fields(
    what="ipam",
    keys={
        "driver": warned(TEXT, _DRIVERS),
        "config": done(
            ListOf(
                item=Fields(
                    what="ipam config",
                    keys={
                        "subnet": done(TEXT),
                        "ip_range": warned(TEXT, "addresses are given from the whole subnet"),
                        "gateway": done(TEXT),
                        "aux_addresses": warned(MapOf(value=TEXT), "addresses are not set aside"),
                    },
                )
            )
        ),
        "options": warned(_OPTIONS, _DRIVERS),
    },
)

NETWORK = Fields(
    what="network",
    keys={
        "name": done(TEXT),
        "driver": done(TEXT),
        "driver_opts": done(_OPTIONS),
        "ipam": done(IPAM),
        "external": done(_EXTERNAL),
        "internal": done(FLAG),
        "enable_ipv4": warned(FLAG, "networks always have IPv4"),
        "enable_ipv6": warned(FLAG, "networks have IPv4 only"),
        "attachable": done(FLAG),
        "labels": done(PAIRS),
    },
)

VOLUME = Fields(
    what="volume",
    keys={
        "name": done(TEXT),
        "driver": done(TEXT),
        "driver_opts": refused(_OPTIONS, "volumes are folders of pier's store; to use a host folder, bind it"),
        "external": done(_EXTERNAL),
        "labels": done(PAIRS),
    },
)

SECRET = Fields(
    what="secret",
    keys={
        "name": done(TEXT),
        "environment": done(TEXT),
        "file": done(TEXT),
        "external": refused(
            _EXTERNAL, f"external secrets live in a swarm, and {_SWARM}; use `file:` or `environment:`"
        ),
        "labels": done(PAIRS),
        "driver": refused(TEXT, f"secret drivers belong to a swarm, and {_SWARM}"),
        "driver_opts": refused(_OPTIONS, f"secret drivers belong to a swarm, and {_SWARM}"),
        "template_driver": refused(TEXT, f"secret templates belong to a swarm, and {_SWARM}"),
    },
)

CONFIG = Fields(
    what="config",
    keys={
        "name": done(TEXT),
        "content": done(TEXT),
        "environment": done(TEXT),
        "file": done(TEXT),
        "external": refused(_EXTERNAL, f"external configs live in a swarm, and {_SWARM}; use `file:` or `content:`"),
        "labels": done(PAIRS),
        "template_driver": refused(TEXT, f"config templates belong to a swarm, and {_SWARM}"),
    },
)

MODEL = Fields(
    what="model",
    keys={"name": done(TEXT), "model": done(TEXT), "context_size": done(INT), "runtime_flags": done(TEXTS)},
    required=("model",),
)

PROJECT = Fields(
    what="compose file",
    keys={
        "version": warned(ANYTHING, "it is obsolete; remove the line"),
        "name": done(TEXT),
        "include": done(ListOf(item=INCLUDE)),
        "services": done(MapOf(value=SERVICE)),
        "models": refused(
            MapOf(value=MODEL), "pier runs no language models; point the service at a model server instead"
        ),
        "networks": done(MapOf(value=NETWORK)),
        "volumes": done(MapOf(value=VOLUME)),
        "secrets": done(MapOf(value=SECRET)),
        "configs": done(MapOf(value=CONFIG)),
    },
)
