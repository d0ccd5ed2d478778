"""YAML: strings stay strings for a reader of any YAML version; what is read is the text as it was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from vault.errors import FormatError
from vault.formats import FORMATS
from vault.model.environment import NAME_MAX_CHARACTERS, Variable

YAML = FORMATS["yaml"]

Load = Callable[[str], Any]
# PyYAML's own parser and libyaml's refuse different characters.
LOADERS = [
    pytest.param(yaml.safe_load, id="pyyaml"),
    pytest.param(lambda text: yaml.load(text, yaml.CSafeLoader), id="libyaml"),
]


def read(text: str) -> dict[str, str]:
    return {variable.name: variable.text for variable in YAML.parse(text).variables}


@pytest.mark.parametrize("value", ["no", "012", "1e3", "2026-01-01", "~", "", "x"])
def test_every_value_is_quoted(value: str) -> None:
    assert YAML.render([Variable("A", value)]).text == f'"A": "{value}"\n'


def test_a_long_value_stays_on_one_line() -> None:
    assert YAML.render([Variable("A", "word " * 1000)]).text.count("\n") == 1


@pytest.mark.parametrize("load", LOADERS)
def test_each_character_reads_back_the_same(load: Load) -> None:
    text = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF)
    values = {"A": text, "B": text[:0x3000:-1]}
    assert load(YAML.render([Variable(name, value) for name, value in values.items()]).text) == values


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("sign", ["x", '"', "\\", "\u2028", "\ufeff", "\U0001f511"], ids=ascii)
def test_the_longest_name_reads_back_the_same(load: Load, sign: str) -> None:
    """With escapes it is longer than the 1,024 characters in which a reader looks for the colon."""
    name = sign * NAME_MAX_CHARACTERS
    assert load(YAML.render([Variable(name, "x"), Variable("B", "y")]).text) == {name: "x", "B": "y"}
    if sign.isprintable():
        assert read(YAML.render([Variable(name, "x")]).text) == {name: "x"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{}", {}),
        ("\ufeffA: x # note\nB: 'y'\n", {"A": "x", "B": "y"}),
        ("---\nA: |\n  one\n  two\n...\n", {"A": "one\ntwo\n"}),
        ('{"A": "\\u00e9", B: !!str 1}', {"A": "é", "B": "1"}),
        ("no: 012\n1: 1.10\nA: ~\nB:\n", {"no": "012", "1": "1.10", "A": "", "B": ""}),
    ],
)
def test_reads(text: str, values: dict[str, str]) -> None:
    assert read(text) == values


def test_what_other_readers_take_for_something_else_is_named() -> None:
    assert YAML.parse("A: no\nB: 'no'\nC: x").warnings == ("A is not a string. Its text is used as it is written.",)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "Line 1"),
        ("- canary-5c1", "Line 1"),
        ("canary-5c1", "Line 1"),
        ("A: 1\nB: [canary-5c1]", "Line 2"),
        ("A: 1\nA: canary-5c1", "Line 2"),
        ("A: &x canary-5c1\nB: *x", "Line 2"),
        ("a: &a [x]\nb: &b [*a, *a]", "Line 2"),
        ("<<: {A: canary-5c1}", "Line 1"),
        ("A: !!binary canary-5c1", "Line 1"),
        ("A: !!python/object/apply:os.system [id]", "Line 1"),
        ("A: 1\n---\nB: canary-5c1", "Line 2"),
        ('A: "canary-5c1', "Line 1"),
        ("A: \x00canary-5c1", "The text"),
        ("[a]: canary-5c1", "Line 1"),
        ("'': canary-5c1", "Line 1"),
    ],
)
def test_refuses_with_the_line_and_without_the_value(text: str, place: str) -> None:
    with pytest.raises(FormatError, match=f"^{place}: ") as caught:
        read(text)
    assert "canary" not in str(caught.value)


def test_a_secret_is_told_its_format() -> None:
    with pytest.raises(FormatError, match="format kubernetes"):
        read("kind: Secret\ndata: {A: eA==}")
