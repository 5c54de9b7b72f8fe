"""The `deploy:`, `develop:` and `gpus:` parts of a service, and what pier does with them."""

from __future__ import annotations

from pier.compose.kinds import (
    BYTES,
    DURATION,
    FLAG,
    INT,
    NUMBER,
    PAIRS,
    SCALAR,
    TEXT,
    TEXT_OR_TEXTS,
    TEXTS,
    Choice,
    Either,
    Fields,
    ListOf,
    done,
    refused,
    warned,
)

_SWARM = "it steers a swarm, and this is one machine"

_ROLLOUT = Fields(
    what="rollout",
    keys={
        "parallelism": done(INT),
        "delay": done(DURATION),
        "failure_action": done(TEXT),
        "monitor": done(DURATION),
        "max_failure_ratio": done(NUMBER),
        "order": done(Choice(values=("start-first", "stop-first"))),
    },
)

_DEVICE_REQUEST = Fields(
    what="device request",
    keys={
        "capabilities": done(TEXTS),
        "count": done(SCALAR),
        "device_ids": done(TEXTS),
        "driver": done(TEXT),
        "options": done(PAIRS),
    },
    required=("capabilities",),
)

GPUS = Either(kinds=(Choice(values=("all",)), ListOf(item=_DEVICE_REQUEST.replace(required=()))))

_LIMITS = Fields(what="limits", keys={"cpus": done(NUMBER), "memory": done(BYTES), "pids": done(INT)})

_RESERVATIONS = Fields(
    what="reservations",
    keys={
        "cpus": warned(NUMBER, "CPUs are limited, never reserved"),
        "memory": done(BYTES),
        "generic_resources": warned(
            ListOf(
                item=Fields(
                    what="generic resource",
                    keys={
                        "discrete_resource_spec": done(
                            Fields(what="discrete resource", keys={"kind": done(TEXT), "value": done(INT)})
                        )
                    },
                )
            ),
            _SWARM,
        ),
        "devices": refused(ListOf(item=_DEVICE_REQUEST), "GPUs are not passed into containers yet"),
    },
)

_RESTART_POLICY = Fields(
    what="restart_policy",
    keys={
        "condition": done(Choice(values=("none", "on-failure", "any"))),
        "delay": warned(DURATION, "restarts wait 100 ms, doubled each time up to a minute"),
        "max_attempts": done(INT),
        "window": warned(DURATION, "a container that has run ten seconds counts as restarted"),
    },
)

_PLACEMENT = Fields(
    what="placement",
    keys={
        "constraints": done(TEXTS),
        "preferences": done(ListOf(item=Fields(what="preference", keys={"spread": done(TEXT)}))),
        "max_replicas_per_node": done(INT),
    },
)

DEPLOY = Fields(
    what="deploy",
    keys={
        "mode": done(Choice(values=("replicated", "global", "replicated-job", "global-job"))),
        "endpoint_mode": warned(TEXT, _SWARM),
        "replicas": done(INT),
        "labels": warned(PAIRS, f"{_SWARM}; labels for the container go under the service's own `labels:`"),
        "rollback_config": warned(_ROLLOUT, _SWARM),
        "update_config": warned(_ROLLOUT, _SWARM),
        "resources": done(
            Fields(what="resources", keys={"limits": done(_LIMITS), "reservations": done(_RESERVATIONS)})
        ),
        "restart_policy": done(_RESTART_POLICY),
        "placement": warned(_PLACEMENT, _SWARM),
    },
)

_EXEC_HOOK = Fields(
    what="hook",
    keys={
        "command": done(TEXT_OR_TEXTS),
        "user": done(TEXT),
        "privileged": done(FLAG),
        "working_dir": done(TEXT),
        "environment": done(PAIRS),
    },
    required=("command",),
)

DEVELOP = Fields(
    what="develop",
    keys={
        "watch": done(
            ListOf(
                item=Fields(
                    what="watch rule",
                    keys={
                        "ignore": done(TEXT_OR_TEXTS),
                        "include": done(TEXT_OR_TEXTS),
                        "path": done(TEXT),
                        "action": done(Choice(values=("rebuild", "sync", "restart", "sync+restart", "sync+exec"))),
                        "target": done(TEXT),
                        "exec": done(_EXEC_HOOK),
                        "initial_sync": done(FLAG),
                    },
                    required=("path", "action"),
                )
            )
        )
    },
)
