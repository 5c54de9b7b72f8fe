"""Templates, with what Docker's own client (28.2) answered for the same text and data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pier.errors import Invalid
from pier.ui.gotemplate import Template

DATA: dict[str, Any] = {
    "Name": "default",
    "Metadata": {},
    "Endpoints": {"docker": {"Host": "unix:///x", "SkipTLSVerify": False}},
    "List": ["a", "b"],
    "Nothing": None,
    "Label": lambda name: f"<{name}>",
    "Count": 3,
}


def render(source: str) -> str:
    return Template(source).render(DATA, type_name="formatter.Context")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("{{.Name}}", "default"),
        ("{{.Endpoints}}", "map[docker:{unix:///x false}]"),
        ("{{.Endpoints.docker.Host}}", "unix:///x"),
        ("{{.Endpoints.foo}}", "<no value>"),
        ("{{.Nothing}}", "<no value>"),
        ('{{index .Endpoints "docker"}}', "{unix:///x false}"),
        ('{{(index .Endpoints "docker").Host}}', "unix:///x"),
        ('{{index .Endpoints "docker" "Host"}}', "unix:///x"),
        ("{{index .List 1}}", "b"),
        ('{{.Label "com.example"}}', "<com.example>"),
        ('{{printf "%q %v %5d|%-10s|" .Name .Name 5 "x"}}', '"default" default     5|x         |'),
        ("{{len .Name}} {{len .List}}", "7 2"),
        ("{{.Name | upper}} {{upper .Name | lower}}", "DEFAULT default"),
        ('{{split .Name "a"}}', "[def ult]"),
        ('{{join (split .Name "a") ","}}', "def,ult"),
        ("{{truncate .Name 3}}", "def"),
        ("{{pad .Name 2 3}}|", "  default   |"),
        ("{{title .Name}}", "Default"),
        ('{{eq .Name "a" "default"}} {{ne .Count 3}} {{lt 1 2}} {{ge 2 3}}', "true false true false"),
        ("{{slice .Name 1 3}}", "ef"),
        ("{{range $k, $v := .Endpoints}}{{$k}}={{$v.Host}};{{end}}", "docker=unix:///x;"),
        ("{{range $i, $v := .List}}{{$i}}{{$v}}{{else}}none{{end}}", "0a1b"),
        ("{{range .Metadata}}x{{else}}none{{end}}", "none"),
        ("{{range .List}}{{.}}{{$.Name}} {{end}}", "adefault bdefault "),
        ("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range .List}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}", "b"),
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}", "12"),
        ("{{if .Nothing}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{with .Name}}{{.}}{{else}}none{{end}}", "default"),
        ("{{with .Nothing}}{{.}}{{else}}none{{end}}", "none"),
        ("{{with $x := .Name}}{{$x}}{{end}}", "default"),
        ("a {{- /* hidden */ -}} b", "ab"),
        ("{{/* hidden */}}x", "x"),
        ('{{- " a " -}} b', " a b"),
        ("{{.Name  -}}   x", "defaultx"),
        ('{{println 1 "a" 2 3}}', "1 a 2 3\n"),
        ('{{print 1 "a" 2 3}}', "1a2 3"),
        ('{{"a\\tb" | json}} {{`raw\\t`}}', '"a\\tb" raw\\t'),
        ("{{1.5}} {{1e3}} {{0x10}} {{true}} {{'a'}} {{-4}}", "1.5 1000 16 true 97 -4"),
        ('{{and .Name 0 "x"}} {{or "" 0 "z"}} {{not .Name}}', "0 z false"),
        ("{{json .List}} {{json .Endpoints}}", '["a","b"] {"docker":{"Host":"unix:///x","SkipTLSVerify":false}}'),
        ("{{range 3}}x{{end}}", "xxx"),
        (
            '{{printf "%d" "x"}} {{printf "%s" 5}} {{printf "%d"}} {{printf "x" 1}} {{printf "%z" 1}}',
            "%!d(string=x) %!s(int=5) %!d(MISSING) x%!(EXTRA int=1) %!z(int=1)",
        ),
        (
            '{{printf "%5.2f" 3.14159}} {{printf "%x" 255}} {{printf "%%"}} {{printf "%05d" 42}} {{printf "%t" true}}',
            " 3.14 ff % 00042 true",
        ),
        ('{{.Name | printf "%s-%s" "a"}}', "a-default"),
    ],
)
def test_what_people_type_gives_what_docker_gives(source: str, text: str):
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{.Foo}}", "template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type formatter.Context"),
        ("x\n{{.Foo}}", "template: :2:2: executing \"\" at <.Foo>: can't evaluate field Foo in type formatter.Context"),
        ("{{.Name.Foo}}", "template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string"),
        (
            "{{.Endpoints.docker.Foo}}",
            'template: :1:12: executing "" at <.Endpoints.docker.Foo>: map has no entry for key "Foo"',
        ),
        ("{{.Name", "template: :1: unclosed action"),
        ("{{.Name}", "template: :1: bad character U+007D '}'"),
        ("{{if .Name}}y", "template: :1: unexpected EOF"),
        ("{{foo .Name}}", 'template: :1: function "foo" not defined'),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{if}}x{{end}}", "template: :1: missing value for if"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{$y}}", 'template: :1: undefined variable "$y"'),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{nil}}", 'template: :1:2: executing "" at <nil>: nil is not a command'),
        ("{{1 2}}", "template: :1:2: executing \"\" at <1>: can't give argument to non-function 1"),
        ("{{len 3}}", 'template: :1:2: executing "" at <len 3>: error calling len: len of type int'),
        (
            '{{eq 1 "a"}}',
            'template: :1:2: executing "" at <eq 1 "a">: error calling eq: incompatible types for comparison',
        ),
    ],
)
def test_faults_are_said_as_docker_says_them(source: str, message: str):
    with pytest.raises(Invalid) as caught:
        render(source)
    assert caught.value.message == f"template parsing error: {message}"


@given(st.text(alphabet="{}.$|()\"`' -+=:,/*\\nName1e5endifrange\n", max_size=40))
def test_any_source_renders_or_is_refused(source: str):
    try:
        assert isinstance(render(source), str)
    except Invalid as exc:
        assert exc.message


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_actions_is_copied(source: str):
    assert render(source) == source


@given(st.text())
def test_a_quoted_string_prints_itself(text: str):
    source = '{{"' + "".join(f"\\U{ord(letter):08x}" for letter in text) + '"}}'
    assert render(source) == text
