"""Golden tests: what a person is told about a mistake in a compose file, word for word, with its place."""

from __future__ import annotations

import textwrap

import pytest

from unit.compose.projects import Folder

MISTAKES = [
    pytest.param(
        "services:\n  web:\n\timage: alpine\n",
        "3:1 a tab in the indentation",
        "YAML indents with spaces only",
        "replace the tab with two spaces",
        id="tab",
    ),
    pytest.param(
        "services:\n  web:\n    image: alpine\n   ports: [80]\n",
        "4:4 this line does not line up with any block above it",
        "indentation: it is indented by 3 spaces; the block it would continue by 2",
        "give it the indentation of the keys it belongs to",
        id="crooked indentation",
    ),
    pytest.param(
        "services:\n  web:\n    image: alpine\n      ports: [80]\n",
        "4:7 this line is indented deeper than the line above, which already has a value",
        "indentation: only a key that ends in `:` can hold deeper lines",
        "line it up with the line above",
        id="too deep",
    ),
    pytest.param(
        "services:\n  web:\n    image alpine\n    ports: [80]\n",
        "3:5 a key without its `:`",
        "every key is followed by `:`",
        "write `image:`",
        id="no colon",
    ),
    pytest.param(
        "services:\n  web:\n    image:alpine\n    ports: [80]\n",
        "3:5 a key without its `:`",
        "`:` needs a space after it",
        "write `image: alpine`",
        id="no space after the colon",
    ),
    pytest.param(
        "services:\n  web:\n    command: echo a: b\n",
        "3:20 a second `:` in one line",
        "a value that holds `: ` looks like another key",
        "put the value in quotes",
        id="unquoted colon",
    ),
    pytest.param(
        'services:\n  web:\n    image: "alpine\n    ports: [80]\n',
        "3:12 a quote is opened here and never closed",
        "",
        "",
        id="open quote",
    ),
    pytest.param(
        "services:\n  web:\n    image: alpine\n    ports: [80, 90\n    tty: true\n",
        "4:12 a [ is opened here and never closed",
        "",
        "close it with ], items parted by ,",
        id="open bracket",
    ),
    pytest.param(
        "services:\n  web:\n    image: @alpine\n",
        "3:12 a value cannot start with `@`",
        "",
        "put the value in quotes",
        id="reserved character",
    ),
    pytest.param(
        "services:\n  web:\n    image: *base\n",
        "3:12 an alias (`*name`) without its anchor (`&name`)",
        "",
        "a value that starts with * must be quoted; otherwise define the anchor above",
        id="alias",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    image: b\n",
        '4:5 the key "image" is already defined at line 3',
        "",
        "keep one of the two",
        id="duplicate key",
    ),
    pytest.param(
        "services:\n  web:\n    imgae: alpine\n",
        '3:5 services.web: unknown key "imgae"',
        "",
        "did you mean `image`?",
        id="misspelt key",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    depends-on: [db]\n",
        '4:5 services.web: unknown key "depends-on"',
        "",
        "did you mean `depends_on`?",
        id="dash for underscore",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\nports:\n  - 80:80\n",
        '4:1 the top level: unknown key "ports"',
        "it is a key of a service, and stands at the top level: probably the indentation",
        "services stand under `services:`, indented by two spaces, and their keys by four",
        id="service key at the top level",
    ),
    pytest.param(
        "web:\n  image: alpine\n",
        '1:1 the top level: unknown key "web"',
        "it looks like a service, and stands at the top level: probably the indentation",
        "services stand under `services:`, indented by two spaces, and their keys by four",
        id="service at the top level",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    healthcheck:\n      test: x\n      ports: [80]\n",
        '6:7 services.web.healthcheck: unknown key "ports"',
        "it is a key of a service: probably indented too deep",
        "line `ports:` up with the service's other keys",
        id="key indented too deep",
    ),
    pytest.param(
        "services:\n  web:\n  image: alpine\n",
        "2:3 services.web is empty",
        "a service needs at least `image:` or `build:`",
        "indent the lines after `web:` by two more spaces",
        id="empty service",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    frobnicate: 1\n",
        '4:5 services.web: unknown key "frobnicate"',
        "",
        "keys of your own start with x-",
        id="invented key",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    ports: 80:80\n",
        '4:12 services.web.ports must be a list, not the text "80:80"',
        "",
        "write `- 80:80`",
        id="list expected",
    ),
    pytest.param(
        'services:\n  web:\n    image: a\n    ports: ["8000:80a"]\n',
        "4:13 ports: invalid containerPort: 80a",
        "a port is a number from 1 to 65535",
        'write "HOST_PORT:CONTAINER_PORT", such as "8000:80"',
        id="bad port",
    ),
    pytest.param(
        "services:\n  web:\n    image: true\n",
        "3:12 services.web.image must be a text, not the boolean true",
        "",
        'put it in quotes: "true"',
        id="boolean for a text",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    healthcheck: {test: x, interval: 5 minutes}\n",
        '4:38 services.web.healthcheck.interval must be a duration such as 1m30s, not the text "5 minutes"',
        "",
        "",
        id="bad duration",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    depends_on:\n      db: {condition: service_helthy}\n  db: {image: b}\n",
        '5:23 services.web.depends_on.db.condition cannot be the text "service_helthy"',
        "",
        "did you mean service_healthy?",
        id="bad condition",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    depends_on: [bd]\n  db: {image: b}\n",
        '4:18 service "web" depends on undefined service bd',
        "",
        "did you mean db?",
        id="undefined dependency",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    volumes:\n      - data:/data\n",
        '5:9 service "web" refers to undefined volume data',
        "",
        "define it under the top-level `volumes:`",
        id="undefined volume",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    networks: [frnt]\nnetworks:\n  front:\n",
        '4:16 service "web" refers to undefined network frnt',
        "",
        "did you mean front?",
        id="undefined network",
    ),
    pytest.param(
        "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n"
        "  c: {image: x, depends_on: [a]}\n",
        "2:30 dependency cycle detected: a -> b -> c -> a",
        "no service of the circle can start first",
        "remove one of these `depends_on`",
        id="dependency cycle",
    ),
    pytest.param(
        "services:\n  web:\n    ports: [80]\n",
        '3:5 service "web" has neither an image nor a build context specified',
        "",
        "add `image: NAME` or `build: .`",
        id="neither image nor build",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    gpus: all\n",
        "4:5 services.web.gpus is not supported by pier",
        "GPUs are not passed into containers yet",
        "remove the key",
        id="refused key",
    ),
    pytest.param(
        "services:\n  web:\n    image: ${TAG:?say which}\n",
        "3:12 required variable TAG is missing a value: say which",
        "",
        "set TAG in the environment or in .env",
        id="required variable",
    ),
    pytest.param(
        "services:\n  web:\n    image: a$\n",
        '3:12 invalid interpolation: "a$"',
        "",
        "to write a dollar sign, double it: $$",
        id="lone dollar",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    env_file: missing.env\n",
        "4:15 env file /here/missing.env not found",
        "",
        "create it, or write `required: false` beside its `path:`",
        id="missing env file",
    ),
    pytest.param(
        "- a\n- b\n", "1:1 the file must be a mapping of keys to values", "", "start it with `services:`", id="list"
    ),
    pytest.param(
        "name: demo\n",
        "1:1 no service selected",
        "the file defines no services",
        "add them under `services:`",
        id="no service",
    ),
    pytest.param(
        "a: &a [*a]\nservices: {}\n",
        "1:4 an anchor contains itself",
        "the alias points at a map or list around it",
        "",
        id="recursive anchor",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    restart: sometimes\n",
        '4:14 invalid restart policy "sometimes"',
        "",
        "write no, always, on-failure, unless-stopped",
        id="restart policy",
    ),
    pytest.param(
        "services:\n  web:\n    image: a\n    extends: {service: bse}\n  base: {image: a}\n",
        '4:14 extends: there is no service "bse" in compose.yaml',
        "",
        "did you mean base?",
        id="extends nothing",
    ),
]


@pytest.mark.parametrize(("text", "what", "why", "hint"), MISTAKES)
def test_a_mistake_is_told_with_place_cause_and_remedy(
    folder: Folder, text: str, what: str, why: str, hint: str
) -> None:
    problem = folder.file("compose.yaml", text).problem()
    told = problem.message.replace(str(folder.path), "/here")
    assert (f"{problem.line}:{problem.column} {told}", problem.why, problem.hint) == (what, why, hint)
    assert problem.file == "compose.yaml"
    assert problem.text == text.splitlines()[problem.line - 1]


def test_a_mistake_in_an_included_file_names_that_file(folder: Folder) -> None:
    folder.write(compose_yaml="include: [db/compose.yaml]\nservices: {web: {image: a}}\n")
    folder.file("db/compose.yaml", "services:\n  db:\n    iamge: postgres\n")
    problem = folder.problem()
    assert (problem.file, problem.line, problem.hint) == ("db/compose.yaml", 3, "did you mean `image`?")


def test_a_mistake_that_merging_reveals_names_the_file_it_stands_in(folder: Folder) -> None:
    folder.write(compose_yaml="services: {web: {image: a}}\n")
    folder.file("compose.override.yaml", "services:\n  web:\n    depends_on:\n      - gone\n")
    problem = folder.problem()
    assert (problem.file, problem.line, problem.column) == ("compose.override.yaml", 4, 9)


def test_keys_without_effect_are_said_and_never_dropped_silently(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        textwrap.dedent("""\
            services:
              web:
                image: a
                runtime: runc
                logging: {driver: syslog}
                deploy: {placement: {constraints: [a]}}
        """),
    )
    folder.load()
    assert [warning.split(" has no effect")[0] for warning in folder.warnings] == [
        "compose.yaml:4: services.web.runtime",
        "compose.yaml:5: services.web.logging",
        "compose.yaml:6: services.web.deploy.placement",
    ]


def test_an_alias_bomb_is_refused(folder: Folder) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    folder.file("compose.yaml", "\n".join(["x-bomb:", *("  " + line for line in lines), "services: {a: {image: b}}"]))
    assert "expand to more than" in folder.problem().message
