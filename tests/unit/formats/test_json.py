"""JSON: what is read, and what is refused."""

from __future__ import annotations

import pytest

from vault.errors import FormatError, InvalidInput, TooLarge
from vault.formats import FORMATS
from vault.model.environment import Variable

JSON = FORMATS["json"]


def read(text: str) -> dict[str, str]:
    return {variable.name: variable.text for variable in JSON.parse(text).variables}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{}", {}),
        ("\ufeff {\r\n} \n", {}),
        ('{"A": "1", "B C": "\\u0000\\ud83d\\udd11"}', {"A": "1", "B C": "\0\U0001f511"}),
        ('{"A":1.10,"B":true,"C":null}', {"A": "1.10", "B": "true", "C": ""}),
        ('{"A": {"b": [1.0, "x"]}}', {"A": '{"b": [1.0, "x"]}'}),
        ('{"A": ' + "9" * 5000 + "}", {"A": "9" * 5000}),
    ],
)
def test_reads(text: str, values: dict[str, str]) -> None:
    assert read(text) == values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("[]", 1),
        ("{", 1),
        ('{"A": "canary-5c1"', 1),
        ('{"A": "canary-5c1}', 1),
        ('{\n"A": "canary-5c1\\q"}', 2),
        ('{\n"A": "1",\n}', 3),
        ('{"A": "1"} canary-5c1', 1),
        ('{"A" "canary-5c1"}', 1),
        ('{"A": "1" "canary-5c1"}', 1),
        ('{1: "canary-5c1"}', 1),
        ('{"A": NaN}', 1),
        ('{"A": -Infinity}', 1),
        ('{"A": "\\ud800"}', 1),
        ('{"": "canary-5c1"}', 1),
        ('{"a\\u0000b": "canary-5c1"}', 1),
        ('{\n"A": "1",\n"A": "canary-5c1"}', 3),
        ('{"\u00e9": "1", "e\\u0301": "canary-5c1"}', 1),
    ],
)
def test_refuses_with_the_line_and_without_the_value(text: str, line: int) -> None:
    with pytest.raises(FormatError, match=f"^Line {line}(, column [0-9]+)?: ") as caught:
        read(text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ('{"A": ' + "[" * 100_000, FormatError, "nests more than 100 levels"),
        ('{"A": [' + "[]," * 150_000 + "[]]}", TooLarge, "has more than 150000 JSON items"),
        ('{"A": [' + "1," * 300_000 + "1]}", TooLarge, "has more than 150000 JSON items"),
        ("{" + '"a":"",' * 200_000 + '"b":""}', TooLarge, "has more than 150000 JSON items"),
    ],
)
def test_refuses_what_is_deep_or_has_many_items_before_it_reads_them(
    text: str, kind: type[InvalidInput], sentence: str
) -> None:
    with pytest.raises(kind, match=f"^The file {sentence}"):
        read(text)


def test_a_value_that_is_no_string_is_named_in_a_warning() -> None:
    assert JSON.parse('{"A": 5}').warnings == ("A is not a string. Its JSON text is used as the value.",)


def test_keeps_the_order_and_writes_letters_as_they_are() -> None:
    assert JSON.render([Variable("Z", "ä"), Variable("A", "1")]).text == '{\n  "Z": "ä",\n  "A": "1"\n}\n'
