"""dotenv: what is read, what is refused, and that python-dotenv agrees."""

from __future__ import annotations

import contextlib
import io
import time

import pytest
from dotenv.parser import parse_stream
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.patience import in_time
from vault.errors import FormatError, TooLarge
from vault.formats import FORMATS, dotenv
from vault.formats.dotenv_readers import Form
from vault.model.environment import Variable

DOTENV = FORMATS["dotenv"]


def read(text: str) -> dict[str, str]:
    return {variable.name: variable.text for variable in DOTENV.parse(text).variables}


def write(value: str) -> str:
    return DOTENV.render([Variable("A", value)]).text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1", {"A": "1"}),
        ("export=1", {"export": "1"}),
        ("\ufeffA=1", {"A": "1"}),
        ("# note\n\n  A = x # note\n", {"A": "x"}),
        ("A=x#y", {"A": "x#y"}),
        ("A= # note", {"A": ""}),
        ("A=#x", {"A": "#x"}),
        ("A=", {"A": ""}),
        ("A='$B ${B}'", {"A": "$B ${B}"}),
        ("A=${B}", {"A": "${B}"}),
        ("A='one\ntwo' # note\nB=2", {"A": "one\ntwo", "B": "2"}),
        (r"A='it\'s \n'", {"A": r"it's \n"}),
        (r'A="\"\n\t\\n\x"', {"A": '"\n\t\\n\\x'}),
        (r"A=C:\new", {"A": r"C:\new"}),
        ("'A'=1", {"A": "1"}),
        ("A=a=b==", {"A": "a=b=="}),
        ('A=`say "it\'s"`', {"A": 'say "it\'s"'}),
        ("A=`one\ntwo` # note\nB=2", {"A": "one\ntwo", "B": "2"}),
        (r"A=`a\`b\n`", {"A": r"a\`b\n"}),
        ("A=``\nB=2", {"A": "", "B": "2"}),
        ("A=`x\nB=2", {"A": "`x", "B": "2"}),
        ("A=`x` y\nB=2", {"A": "`x` y", "B": "2"}),
    ],
)
def test_reads(text: str, values: dict[str, str]) -> None:
    assert read(text) == values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A='canary-5c1", 1),
        ('\n\nA="canary-5c1\n', 3),
        ("A=1\nB='x' canary-5c1", 2),
        ("A='1\n2'\n=canary-5c1", 3),
        ("A=1\ncanary-5c1", 2),
        ("A=1\r\nB=2\r\ncanary-5c1 and more", 3),
        ("A=1\n\x01=canary-5c1", 2),
        ("'A\nB'=canary-5c1", 1),
        ("A=\ud800", 1),
        ("A" * 257 + "=canary-5c1", 1),
    ],
)
def test_refuses_with_the_line_and_without_the_value(text: str, line: int) -> None:
    with pytest.raises(FormatError, match=f"^Line {line}: ") as caught:
        read(text)
    assert "canary" not in str(caught.value)


def test_of_two_equal_names_the_last_wins_with_a_warning() -> None:
    parsed = DOTENV.parse("A=1\nB=2\nA=3")
    assert {variable.name: variable.text for variable in parsed.variables} == {"A": "3", "B": "2"}
    assert parsed.warnings == ("A is on line 1 and again on line 3. The last one is used.",)


def test_names_are_equal_after_composition() -> None:
    assert list(read("caf\u00e9=1\ncafe\u0301=2")) == ["caf\u00e9"]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("postgres://u:p@h:5432/d", "A=postgres://u:p@h:5432/d\n"),
        ("a=b", "A='a=b'\n"),
        ("$HOME `x`", "A='$HOME `x`'\n"),
        ("one\ntwo", "A='one\ntwo'\n"),
        ("it's", 'A="it\'s"\n'),
        ("a\r\nb", 'A="a\\r\nb"\n'),
        ("C:\\new", "A='C:\\new'\n"),
        ("C:\\new\\", "A=C:\\new\\ #\n"),
        ("\\\\server\\share", "A=\\\\server\\share\n"),
        ("it's\\new", 'A="it\'s\\\\new"\n'),
        ("a b\\", 'A="a b\\\\"\n'),
    ],
)
def test_writes_the_plainest_form_that_carries_the_value(value: str, line: str) -> None:
    assert write(value) == line


@pytest.mark.parametrize("value", ["'$(id)'", "$(id)\\", "it's `id`", "$A\r"])
def test_what_no_quotes_can_keep_from_a_shell_is_warned_of(value: str) -> None:
    """Somebody who may write one variable could else have commands run wherever such a file is read by a shell."""
    (warning,) = FORMATS["dotenv"].render([Variable("A", value)]).warnings
    assert "may run a part of" in warning
    assert value not in warning
    for kept in ("$(id)", "`id`\n$(A)", "it's", "C:\\new"):
        assert FORMATS["dotenv"].render([Variable("A", kept)]).warnings == ()


@pytest.mark.parametrize(
    ("name", "value", "readers"),
    [
        ("A", "a\\\\b", "shells"),
        ("A", "$B", "dotenv-expand"),
        ("A", "${B}", "dotenv-expand, python-dotenv"),
        ("A", "encrypted:x", "dotenvx"),
        ("A", "it's\r", "shells, node --env-file"),
        ("A", 'it\'s "x" y', "Node's dotenv, node --env-file, dotenvx, dotenv-expand"),
        ("UID", "1", "shells"),
        ("A.B", "1", "shells"),
        ("A-B", "1", "shells, godotenv"),
    ],
)
def test_what_some_reader_reads_otherwise_is_warned_of(name: str, value: str, readers: str) -> None:
    warnings = DOTENV.render([Variable(name, value)]).warnings
    assert warnings == (f"{name} is read differently, or refused with the whole file, by {readers}.",)


def test_values_after_which_a_reader_may_be_lost_come_last() -> None:
    names = [line[0] for line in DOTENV.render([Variable("A", "it's \\"), Variable("B", "1")]).text.splitlines()]
    assert names == ["B", "A"]


@pytest.mark.parametrize("text", ["A=x" + " " * 1_000_000 + "y", "A='" + "\\'" * 500_000, "A=1\n" * 100_000])
def test_a_hostile_megabyte_is_read_or_refused_at_once(text: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(FormatError, TooLarge):
        read(text)
    # The library's parser took some 2,000 s for the first of these.
    assert in_time(time.monotonic() - started, 5)


WORDS = ["A", "B", "x", "export ", "export", "A=", "\nB='", "A='x'", 'B="y"\n', "${A}"]
SIGNS = ["=", " = ", "=\n", "'", '"', "'\n", '"\n', "\\", "\\n", "\\'", '\\"', "#", " #", "$"]
SPACES = [" ", "\t", "\n", "\r\n", "\r", "\n\n", "\u00a0", "\x0b", "\x85"]
PIECES = st.sampled_from([*WORDS, *SIGNS, *SPACES])


@settings(deadline=None, max_examples=1500)
@given(text=st.lists(PIECES, max_size=14).map("".join))
def test_agrees_with_python_dotenv(text: str) -> None:
    bindings = list(parse_stream(io.StringIO(text, newline="")))
    is_clean = not any(binding.error or (binding.key and binding.value is None) for binding in bindings)
    expected = {binding.key: binding.value for binding in bindings if binding.key}
    if is_clean and all(name.isprintable() for name in expected):
        assert read(text) == expected
    else:
        with pytest.raises(FormatError):
            read(text)


@pytest.mark.parametrize("values", [["plain"], ["it's", "a b", "\\\\", "$x"], ["twice", "twice"]])
def test_the_form_of_each_value_is_found_once(values: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    find = dotenv._form

    def noted(value: str) -> Form:
        asked.append(value)
        return find(value)

    monkeypatch.setattr(dotenv, "_form", noted)
    DOTENV.render([Variable(f"A_{number}", value) for number, value in enumerate(values)])
    assert asked == values
