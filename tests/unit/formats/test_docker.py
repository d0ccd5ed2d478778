"""Docker's env-file: what is read, what is refused, and what cannot be written."""

from __future__ import annotations

import pytest

from vault.errors import FormatError
from vault.formats import FORMATS
from vault.model.environment import Variable

DOCKER = FORMATS["docker"]


def read(text: str) -> dict[str, str]:
    return {variable.name: variable.text for variable in DOCKER.parse(text).variables}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\r\nB=2", {"A": "1", "B": "2"}),
        ("\ufeff  A = 'x' # y \n", None),
        ("\ufeff  A='x' # y \n", {"A": "'x' # y "}),
        ("#A=1\n\n \t\nB==", {"B": "="}),
        ("A=\nexport=x", {"A": "", "export": "x"}),
    ],
)
def test_reads_without_any_quoting(text: str, values: dict[str, str] | None) -> None:
    if values is None:
        with pytest.raises(FormatError, match=r"^Line 1: this is not NAME=value\.$"):
            read(text)
    else:
        assert read(text) == values


@pytest.mark.parametrize("text", ["A=1\ncanary-5c1", "A=1\n=canary-5c1", "A=1\nexport B=canary-5c1"])
def test_refuses_with_the_line_and_without_the_value(text: str) -> None:
    with pytest.raises(FormatError, match=r"^Line 2: ") as caught:
        read(text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("a\nb", "several lines"),
        ("a\r", "carriage return"),
        ("a\0", "NUL"),
        ("x" * 65_533, "64 KiB"),
        ("ä" * 32_767, "64 KiB"),
    ],
)
def test_what_cannot_be_written_is_left_out_and_named(value: str, cause: str) -> None:
    rendered = DOCKER.render([Variable("A", value)])
    assert rendered.text == ""
    assert cause in rendered.warnings[0]


def test_the_longest_line_that_docker_reads_is_written() -> None:
    assert DOCKER.render([Variable("A", "x" * 65_532)]).warnings == ()
