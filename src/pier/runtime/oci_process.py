"""The `process` object of an OCI configuration, as pier's Program. Pure."""

from __future__ import annotations

from pier.errors import Invalid
from pier.kernel import identity, process
from pier.model.record import Record
from pier.runtime.program import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.runtime.oci_section import Section

_NOT_IN_FORCE = "pier sets none"


class Process(Record):
    """What is to be executed and on what: *size* is (rows, columns) of the *terminal*, (0, 0) when not told."""

    program: Program
    terminal: bool = False
    size: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()


def read(section: Section, *, seccomp: bytes, seccomp_flags: int, last_capability: int, granted: int) -> Process:
    """The process that *section* describes, under the filter *seccomp*.

    *granted*: mask of the capabilities that can be given at all; others are left out with a warning, as the
    specification demands. Invalid or Unsupported, naming the field, for anything else.
    """
    with section:
        section.required("cwd")
        section.refuse("commandLine", "it is for Windows")
        section.refuse("apparmorProfile", _NOT_IN_FORCE)
        section.refuse("selinuxLabel", _NOT_IN_FORCE)
        section.refuse("ioPriority", _NOT_IN_FORCE)
        section.refuse("scheduler", _NOT_IN_FORCE)
        section.refuse("execCPUAffinity", _NOT_IN_FORCE)
        if not section.texts("args"):
            raise Invalid(f"{section.at('args')} is empty", hint="name the program and its arguments")
        cwd = section.text("cwd")
        if not cwd.startswith("/"):
            raise Invalid(f"{section.at('cwd')} is not an absolute path: {cwd}")
        ids, umask = _user(section.section("user"))
        warnings: list[str] = []
        bounding, sets = _capabilities(section.section("capabilities"), granted, warnings)
        terminal = section.flag("terminal")
        with section.section("consoleSize") as console:
            size = (console.number("height"), console.number("width"))
        program = Program(
            argv=section.texts("args"),
            env=section.texts("env"),
            cwd=cwd,
            ids=ids,
            umask=umask,
            capabilities=bounding,
            sets=sets,
            last_capability=last_capability,
            seccomp=seccomp,
            seccomp_flags=seccomp_flags,
            no_new_privileges=section.flag("noNewPrivileges"),
            limits=_limits(section),
            oom_score_adj=section.number("oomScoreAdj"),
        )
    return Process(program=program, terminal=terminal, size=size, warnings=tuple(warnings))


def _user(section: Section) -> tuple[tuple[int, ...], int]:
    with section:
        section.refuse("username", "it is for Windows")
        ids = (section.number("uid"), section.number("gid"), *section.numbers("additionalGids"))
        for number in ids:
            if not 0 <= number < 1 << 32:
                raise Invalid(f"{section.path} names the id {number}", why="ids are 32 bits wide")
        return ids, section.number("umask", 0o022)


def _capabilities(section: Section, granted: int, warnings: list[str]) -> tuple[int, identity.CapabilitySets]:
    masks = {}
    with section:
        for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
            mask = 0
            for capability in section.texts(name):
                number = identity.NUMBER_OF.get(capability, -1)
                if number < 0 or not granted >> number & 1:
                    warnings.append(f"{section.at(name)}: {capability} is not known or cannot be given here")
                else:
                    mask |= 1 << number
            masks[name] = mask
    # capabilities(7): no capability can be ambient that is not both permitted and inheritable.
    ambient = masks["ambient"] & masks["permitted"] & masks["inheritable"]
    if ambient != masks["ambient"]:
        warnings.append(f"{section.at('ambient')} holds what is not both permitted and inheritable; it is left out")
    sets = identity.CapabilitySets(
        effective=masks["effective"], permitted=masks["permitted"], inheritable=masks["inheritable"], ambient=ambient
    )
    return masks["bounding"], sets


def _limits(section: Section) -> tuple[tuple[str, int, int], ...]:
    limits: dict[str, tuple[str, int, int]] = {}
    for item in section.sections("rlimits"):
        with item:
            kind = item.text("type")
            name = kind.removeprefix("RLIMIT_").lower()
            if name not in process.RLIMITS or not kind.startswith("RLIMIT_"):
                raise Invalid(f"{item.at('type')}: nobody knows the limit {kind}")
            if name in limits:
                raise Invalid(f"{item.at('type')}: {kind} is set twice")
            limits[name] = (name, item.number("soft"), item.number("hard"))
    return tuple(limits.values())
