"""What `config` prints, against outputs written down from Docker Compose."""

from __future__ import annotations

import json
import textwrap

from hypothesis import given
from hypothesis import strategies as st

from pier.compose import configtext
from pier.compose.source import Source, plain
from pier.compose.yamltree import parse
from unit.compose.projects import Folder


def test_the_lab_prints_as_docker_compose_prints_it(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        services:
          db:
            image: postgres:16
            environment: {POSTGRES_PASSWORD: demo, POSTGRES_DB: demo}
            volumes: ["db-data:/var/lib/postgresql/data", "./init:/docker-entrypoint-initdb.d:ro"]
            healthcheck:
              test: ["CMD-SHELL", "pg_isready -U demo"]
              interval: 90s
              timeout: 3s
              retries: 5
          api:
            build: .
            ports: ["8000:8000", "127.0.0.1:9000:9000/udp"]
            environment:
              - DATABASE_URL=postgresql://demo:demo@db:5432/demo
              - ON=yes
            depends_on:
              db: {condition: service_healthy}
            deploy: {resources: {limits: {memory: 50M, cpus: "0.5"}}}
        volumes:
          db-data:
          unused:
        """,
    )
    project = folder.load()
    text = configtext.yaml_text(configtext.normalised(project.model, project.services))
    expected = """\
        name: demo
        services:
          api:
            build:
              context: /here
              dockerfile: Dockerfile
            depends_on:
              db:
                condition: service_healthy
                required: true
            deploy:
              resources:
                limits:
                  cpus: 0.5
                  memory: "52428800"
            environment:
              DATABASE_URL: postgresql://demo:demo@db:5432/demo
              "ON": "yes"
            networks:
              default: null
            ports:
              - mode: ingress
                target: 8000
                published: "8000"
                protocol: tcp
              - mode: ingress
                host_ip: 127.0.0.1
                target: 9000
                published: "9000"
                protocol: udp
          db:
            environment:
              POSTGRES_DB: demo
              POSTGRES_PASSWORD: demo
            healthcheck:
              test:
                - CMD-SHELL
                - pg_isready -U demo
              timeout: 3s
              interval: 1m30s
              retries: 5
            image: postgres:16
            networks:
              default: null
            volumes:
              - type: volume
                source: db-data
                target: /var/lib/postgresql/data
                volume: {}
              - type: bind
                source: /here/init
                target: /docker-entrypoint-initdb.d
                read_only: true
                bind: {}
        networks:
          default:
            name: demo_default
        volumes:
          db-data:
            name: demo_db-data
        """
    assert text.replace(str(folder.path), "/here") == textwrap.dedent(expected)


def test_json_names_command_and_entrypoint_even_when_the_image_decides(folder: Folder) -> None:
    folder.file("compose.yaml", "services:\n  web: {image: a, command: []}\n")
    project = folder.load()
    shown = json.loads(configtext.json_text(configtext.normalised(project.model, project.services)))
    assert shown["services"]["web"] == {
        "command": [],
        "entrypoint": None,
        "image": "a",
        "networks": {"default": None},
    }
    assert shown["networks"] == {"default": {"name": "demo_default", "ipam": {}}}


def test_networks_secrets_and_names_of_ones_own(folder: Folder) -> None:
    folder.file("secret.txt", "s")
    folder.file(
        "compose.yaml",
        """\
        name: shop
        services:
          web:
            image: a
            networks: {front: {aliases: [www]}, back: }
            secrets: [token]
        networks:
          front: {name: public, external: true}
          back: {internal: true, ipam: {config: [{subnet: 10.9.0.0/24}]}}
        secrets:
          token: {file: secret.txt}
        x-note: kept
        """,
    )
    project = folder.load()
    text = configtext.yaml_text(configtext.normalised(project.model, project.services))
    expected = """\
        name: shop
        services:
          web:
            image: a
            networks:
              back: null
              front:
                aliases:
                  - www
            secrets:
              - source: token
                target: /run/secrets/token
        networks:
          back:
            name: shop_back
            ipam:
              config:
                - subnet: 10.9.0.0/24
            internal: true
          front:
            name: public
            external: true
        secrets:
          token:
            name: shop_token
            file: /here/secret.txt
        x-note: kept
        """
    assert text.replace(str(folder.path), "/here") == textwrap.dedent(expected)


def test_what_is_printed_loads_again_to_the_same(folder: Folder) -> None:
    folder.file(
        "compose.yaml",
        """\
        services:
          web:
            image: a
            ports: ["80-82:80-82", 99]
            environment: {A: "on", B: "1", C: "null", D: "x: y", E: "", F: "- a", G: "22:22", H: "2020-01-01"}
            ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}
            tmpfs: /run
            extra_hosts: ["a:1.2.3.4"]
            stop_grace_period: 90s
        """,
    )
    first = folder.load()
    text = configtext.yaml_text(configtext.normalised(first.model, first.services))
    again = folder.file("again.yaml", text).load("again.yaml")
    assert again.services == first.services


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**6), 10**6),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(values)
def test_any_value_survives_being_printed(value: object) -> None:
    assert plain(parse(Source("x", configtext.yaml_text({"v": value})))) == {"v": value}
