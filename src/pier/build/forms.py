"""How each instruction is written: one reader per keyword. Pure; errors carry no line, the grammar adds it."""

from __future__ import annotations

from pier.build import instructions as ins
from pier.build.likely import did_you_mean
from pier.build.lines import LogicalLine, heredoc_opening
from pier.build.mounts import parse_mount
from pier.build.words import check_flags, json_words, name_values, split_words, take_flags
from pier.errors import Invalid, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SECOND = 1_000_000_000
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND}


class Draft:
    """An instruction being read: the keyword, the text after it, and where it stands."""

    def __init__(self, keyword: str, rest: str, line: LogicalLine, escape: str) -> None:
        self.keyword = keyword
        self.rest = rest
        self.escape = escape
        self.heredocs = line.heredocs
        self.place: dict[str, Any] = {"keyword": keyword, "text": line.text, "line": line.line, "end": line.end}

    def flags(self, *, values: tuple[str, ...] = (), switches: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Take the leading flags off the text. Invalid for unknown and repeated ones."""
        found, self.rest = take_flags(self.rest, self.escape)
        flags = check_flags(self.keyword, found, values=values, switches=switches)
        for name, given in flags.items():
            if len(given) > 1 and name not in ("mount", "exclude"):
                raise Invalid(f"{self.keyword} --{name} was given twice")
        return flags

    def words(self) -> list[str]:
        return split_words(self.rest, self.escape)

    def required(self, example: str) -> str:
        if not self.rest:
            raise Invalid(f"{self.keyword} needs an argument", hint=f"{self.keyword} {example}")
        return self.rest

    def command(self) -> ins.Command:
        words = json_words(self.rest)
        if words is None:
            return ins.Command(shell=True, text=self.rest)
        return ins.Command(shell=False, words=words)


def _from(draft: Draft) -> ins.From:
    flags = draft.flags(values=("platform",))
    words = draft.words()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise Invalid("FROM requires either one or three arguments", hint="FROM image, or FROM image AS name")
    alias = words[2] if len(words) == 3 else ""
    if alias and not (alias[0].isalpha() and all(char.isalnum() or char in "-_." for char in alias)):
        raise Invalid(f"invalid name for a build stage: {alias}", hint="a letter, then letters, digits, - _ and .")
    return ins.From(**draft.place, image=words[0], platform=flags.get("platform", [""])[0], alias=alias)


def _run(draft: Draft) -> ins.Run:
    flags = draft.flags(values=("mount", "network", "security"))
    network = flags.get("network", [""])[0]
    if network not in ("", "default", "host", "none"):
        raise Invalid(f"unknown network mode of RUN: {network}", hint="default, host or none")
    if flags.get("security", ["sandbox"])[0] != "sandbox":
        raise Unsupported(f"RUN --security={flags['security'][0]} is not supported: build steps always run confined")
    draft.required("command")
    return ins.Run(
        **draft.place,
        command=draft.command(),
        mounts=tuple(parse_mount(text) for text in flags.get("mount", ())),
        network=network,
        heredocs=draft.heredocs,
    )


def _cmd(draft: Draft) -> ins.Cmd:
    draft.flags()
    return ins.Cmd(**draft.place, command=draft.command())


def _entrypoint(draft: Draft) -> ins.Entrypoint:
    draft.flags()
    return ins.Entrypoint(**draft.place, command=draft.command())


def _copy(draft: Draft) -> ins.Copy:
    adding = draft.keyword == "ADD"
    own = ("checksum",) if adding else ("from",)
    switches = ("link", "parents", "keep-git-dir", "unpack") if adding else ("link", "parents")
    flags = draft.flags(values=("chown", "chmod", "exclude", *own), switches=switches)
    for refused in ("parents", "keep-git-dir"):
        if flags.get(refused) == ["true"]:
            raise Unsupported(f"{draft.keyword} --{refused} is not supported")
    words = json_words(draft.rest) or tuple(draft.words())
    if len(words) < 2:
        raise Invalid(
            f"{draft.keyword} requires at least two arguments, but only {len(words)} provided",
            hint=f"{draft.keyword} source… destination",
        )
    return ins.Copy(
        **draft.place,
        sources=tuple(words[:-1]),
        destination=words[-1],
        heredocs=draft.heredocs,
        source_stage=flags.get("from", [""])[0],
        chown=flags.get("chown", [""])[0],
        chmod=flags.get("chmod", [""])[0],
        link=flags.get("link") == ["true"],
        exclude=tuple(flags.get("exclude", ())),
        checksum=flags.get("checksum", [""])[0],
        unpack=flags["unpack"] == ["true"] if "unpack" in flags else None,
    )


def _env(draft: Draft) -> ins.Env:
    draft.flags()
    return ins.Env(**draft.place, pairs=name_values("ENV", draft.rest, draft.escape))


def _label(draft: Draft) -> ins.Label:
    draft.flags()
    return ins.Label(**draft.place, pairs=name_values("LABEL", draft.rest, draft.escape))


def _arg(draft: Draft) -> ins.Arg:
    draft.flags()
    draft.required("NAME=default")
    pairs: list[tuple[str, str | None]] = []
    for word in draft.words():
        name, equals, value = word.partition("=")
        if not name:
            raise Invalid(f"ARG: '{word}' has no name before its =")
        pairs.append((name, value if equals else None))
    return ins.Arg(**draft.place, pairs=tuple(pairs))


def _expose(draft: Draft) -> ins.Expose:
    draft.flags()
    draft.required("8000")
    return ins.Expose(**draft.place, ports=tuple(draft.words()))


def _volume(draft: Draft) -> ins.Volume:
    draft.flags()
    draft.required("/data")
    paths = json_words(draft.rest)
    paths = tuple(draft.words()) if paths is None else paths
    if not paths or not all(path.strip() for path in paths):
        raise Invalid("VOLUME specified can not be an empty string", hint="VOLUME /data")
    return ins.Volume(**draft.place, paths=paths)


def _user(draft: Draft) -> ins.User:
    draft.flags()
    return ins.User(**draft.place, user=draft.required("name"))


def _workdir(draft: Draft) -> ins.Workdir:
    draft.flags()
    return ins.Workdir(**draft.place, path=draft.required("/app"))


def _shell(draft: Draft) -> ins.Shell:
    draft.flags()
    words = json_words(draft.rest)
    if not words:
        raise Invalid("SHELL requires the arguments to be in JSON form", hint='SHELL ["/bin/bash", "-c"]')
    return ins.Shell(**draft.place, words=words)


def _stopsignal(draft: Draft) -> ins.StopSignal:
    draft.flags()
    return ins.StopSignal(**draft.place, signal=draft.required("SIGTERM"))


def _maintainer(draft: Draft) -> ins.Maintainer:
    return ins.Maintainer(**draft.place, name=draft.required("name"))


def _onbuild(draft: Draft) -> ins.OnBuild:
    keyword = draft.required("RUN command").split(None, 1)[0].upper()
    if keyword in ("ONBUILD", "FROM", "MAINTAINER"):
        raise Invalid(f"{keyword} isn't allowed as an ONBUILD trigger")
    reader = READERS.get(keyword)
    if reader is None:
        raise Invalid(f"unknown instruction after ONBUILD: {keyword}", hint=did_you_mean(keyword, READERS))
    line = LogicalLine(line=1, end=1, text=draft.rest, heredocs=draft.heredocs)
    reader(Draft(keyword, draft.rest[len(keyword) :].strip(), line, draft.escape))
    bodies = "".join(f"\n{item.content}{item.name}" for item in draft.heredocs)
    return ins.OnBuild(**draft.place, trigger=draft.rest + bodies)


def _healthcheck(draft: Draft) -> ins.HealthCheck:
    flags = draft.flags(values=("interval", "timeout", "start-period", "start-interval", "retries"))
    words = draft.required("CMD command").split(None, 1)
    kind = words[0].upper()
    if kind == "NONE":
        if len(words) > 1:
            raise Invalid("HEALTHCHECK NONE takes no arguments")
        return ins.HealthCheck(**draft.place, disabled=True)
    if kind != "CMD":
        raise Invalid(f"unknown type of HEALTHCHECK: {words[0]}", hint="HEALTHCHECK CMD command, or HEALTHCHECK NONE")
    draft.rest = words[1] if len(words) > 1 else ""
    draft.required("CMD command")
    retries = flags.get("retries", ["0"])[0]
    if not retries.isdigit():
        raise Invalid(f"HEALTHCHECK --retries is a number, not {retries}")
    times: dict[str, Any] = {
        name.replace("-", "_"): duration(given[0]) for name, given in flags.items() if name != "retries"
    }
    return ins.HealthCheck(**draft.place, disabled=False, command=draft.command(), retries=int(retries), **times)


def duration(text: str) -> int:
    """Nanoseconds of a Go duration: `30s`, `1m30s`, `500ms`, `1.5h`."""
    total = 0.0
    position = 0
    while position < len(text):
        start = position
        while position < len(text) and (text[position].isdigit() or text[position] == "."):
            position += 1
        number = text[start:position]
        start = position
        while position < len(text) and not (text[position].isdigit() or text[position] == "."):
            position += 1
        unit = text[start:position]
        if unit not in _UNITS or not number.replace(".", "", 1).isdigit():
            raise Invalid(f"not a duration: {text}", hint="30s, 1m30s, 500ms")
        total += float(number) * _UNITS[unit]
    if total < 0 or not text or (total and total < 1_000_000):
        raise Invalid(f"not a duration of at least one millisecond: {text}", hint="30s, 1m30s, 500ms")
    return int(total)


def heredoc_sources(copy: ins.Copy) -> dict[str, int]:
    """Which words of *copy* are here-documents: the word and the index of its content."""
    openings = [word for word in copy.sources if heredoc_opening(word)]
    return {word: number for number, word in enumerate(openings)}


READERS: dict[str, Callable[[Draft], ins.Instruction]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
