"""Kubernetes: what a Secret may look like, its names, and what no variable can hold."""

from __future__ import annotations

import json

import pytest

from vault.errors import FormatError
from vault.formats import FORMATS, Source
from vault.model.environment import Variable

KUBERNETES = FORMATS["kubernetes"]
HEAD = "apiVersion: v1\nkind: Secret\n"


def read(text: str) -> dict[str, str]:
    return {variable.name: variable.text for variable in KUBERNETES.parse(text).variables}


def test_writes_an_opaque_secret_named_after_the_environment() -> None:
    text = KUBERNETES.render([Variable("A", "it's"), Variable("1e3", "")], Source("Team/Prod_1")).text
    assert text == (
        'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "team-prod-1"\ntype: Opaque\n'
        'data:\n  "A": "aXQncw=="\n  "1e3": ""\n'
    )


@pytest.mark.parametrize(("name", "fit"), [("/ä/", "strongroom"), ("x" * 300, "x" * 253), ("--a..b--", "a-b")])
def test_the_secrets_own_name_is_one_that_kubernetes_takes(name: str, fit: str) -> None:
    assert f'\n  name: "{fit}"\n' in KUBERNETES.render([], Source(name)).text


@pytest.mark.parametrize(
    ("name", "is_fit"),
    [("a.b-c_D", True), (".x", True), ("x" * 253, True), (".", False), ("..", False), ("..x", False), ("a/b", False),
     ("x" * 254, False), ("A\n", False)],
)  # fmt: skip
def test_keys_are_what_kubernetes_takes(name: str, is_fit: bool) -> None:
    assert bool(KUBERNETES.render([Variable(name, "x")]).warnings) is not is_fit


def test_more_than_a_mebibyte_is_named() -> None:
    half = "x" * (512 * 1024)
    assert KUBERNETES.render([Variable("A", half), Variable("B", half)]).warnings == ()
    rendered = KUBERNETES.render([Variable("A", half), Variable("B", half + "x")])
    assert rendered.warnings == ("The values are larger than 1 MiB together. Kubernetes refuses such a Secret.",)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("", {}),
        ("data:\nstringData: null\n", {}),
        ("data: {}\nstringData: {}\n", {}),
        ("data: {A: aXQncw==}\nmetadata: {labels: {a: [b]}}\n", {"A": "it's"}),
        ("data:\n  A: |\n    aXQn\n    cw==\n", {"A": "it's"}),
        ("stringData: {A: x, B: y}\ndata: {A: eg==, C: ''}\n", {"A": "x", "C": "", "B": "y"}),
    ],
)
def test_reads(body: str, values: dict[str, str]) -> None:
    assert read(HEAD + body) == values


def test_reads_json() -> None:
    assert read(json.dumps({"kind": "Secret", "data": {"A": "eA=="}}, indent=1)) == {"A": "x"}


def test_what_kubernetes_would_refuse_as_no_string_is_named() -> None:
    parsed = KUBERNETES.parse(HEAD + "stringData: {PORT: 5432}\n")
    assert parsed.variables == (Variable("PORT", "5432"),)
    assert parsed.warnings == ("PORT is not a string. Its text is used as it is written.",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: ConfigMap\ndata: {A: canary-5c1}", "a Kubernetes Secret"),
        ("- kind: Secret", "a Kubernetes Secret"),
        (HEAD + "data: {A: canary-5c1}", "Line 3: the value of A is not base64"),
        (HEAD + "data: {A: /w==}", "Line 3: the value of A is not UTF-8 text"),
        (HEAD + "data: [canary-5c1]", "Line 3: data must be a mapping"),
        (HEAD + "data: canary-5c1", "Line 3: data must be a mapping"),
        (HEAD + "data: {A: [canary-5c1]}", "Line 3: the value of A must be a text"),
        (HEAD + "data:\n  A: eA==\n  A: eA==", "Line 5: A is repeated here"),
        (HEAD + "data: {}\ndata: {}", "Line 4: data is repeated here"),
        (HEAD + "---\n" + HEAD, "a second document"),
    ],
)
def test_refuses_and_says_where_and_never_the_value(text: str, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence) as caught:
        read(text)
    assert "canary" not in str(caught.value)
