"""Variables inside of dotenv values, put in when an import asks for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vault.errors import FormatError, InvalidInput, TooLarge
from vault.services.environments.files import parse_file

HEAD = "HOST=db\nEMPTY=\nDOLLAR='$HOST'\n"


def expanded(line: str) -> tuple[str, tuple[str, ...]]:
    parsed = parse_file("dotenv", f"{HEAD}{line}\n", expand=True)
    return parsed.stated["A"]["value"], parsed.warnings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("postgres://${HOST}:5432", "postgres://db:5432"),
        ("$HOST:1 # $HOST", "db:1"),
        ('"$HOST/${HOST}"', "db/db"),
        ('"${NOWHERE:-x y}"', "x y"),
        ("${NOWHERE-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("[${EMPTY-x}]", "[]"),
        ("${HOST:-x}", "db"),
        # What was put in is not expanded again.
        ("${DOLLAR}", "$HOST"),
        ('"\\\\$HOST"', "\\db"),
        ('"a\\n$HOST"', "a\ndb"),
        ('"$HOST\nb"', "db\nb"),
    ],
)
def test_a_name_stands_for_the_value_above_it(written: str, meant: str) -> None:
    value, warnings = expanded(f"A={written}")
    assert value == meant
    (told,) = warnings
    assert told.startswith("In A, $")
    assert told.endswith((" is replaced by its value.", " are replaced by their values."))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("'${HOST}'", "${HOST}"),
        ("`$HOST`", "$HOST"),
        ("\\$HOST", "$HOST"),
        ('"\\${HOST}"', "${HOST}"),
        ("5$", "5$"),
        ("$5", "$5"),
        ("C:\\new", "C:\\new"),
        ('"\\q"', "\\q"),
    ],
)
def test_what_is_no_variable_stays_without_a_word(written: str, kept: str) -> None:
    assert expanded(f"A={written}") == (kept, ())


@pytest.mark.parametrize("written", ["$LATER", "${A}:/bin", '"${NOWHERE}"', "${HOST:?x}", "${HOST", "${host}"])
def test_a_name_without_a_value_stays_and_is_told(written: str) -> None:
    value, warnings = expanded(f"A={written}\nLATER=1")
    assert value == written.strip('"')
    assert warnings == ("A contains $ and a name that has no value before it in the file. It is stored as it is.",)


def test_the_last_value_above_counts() -> None:
    parsed = parse_file("dotenv", "B=1\nA=$B\nB=2\nC=$B${A}\n", expand=True)
    assert {name: stated["value"] for name, stated in parsed.stated.items()} == {"A": "1", "B": "2", "C": "21"}
    assert "In C, $B, $A are replaced by their values." in parsed.warnings


def test_a_shell_agrees(tmp_path: Path) -> None:
    lines = ["H=db", 'A="x://${H}:$H"', 'B="\\$H \\\\$H"', "C='$H'", "D=${H}$A", 'E="${N:-n}${H-n}${N-}"', "F=$H/x"]
    text = "\n".join(lines) + "\n"
    file = tmp_path / "x.env"
    file.write_text(text)
    script = f'. \'{file}\'; for n in H A B C D E F; do eval printf "\'%s\\n\'" "\\"\\$$n\\""; done'
    read = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    parsed = parse_file("dotenv", text, expand=True)
    assert [stated["value"] for stated in parsed.stated.values()] == read.stdout.splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "A0=" + "x" * 1024 + "\n" + "".join(f"A{n + 1}=$A{n}$A{n}\n" for n in range(60)),
        "A=" + "x" * 100_000 + "\n" + "B=$A\n" * 100,
        'A="' + "x" * 1_000_000 + '"\nB="$A$A$A$A$A"\n',
    ],
)
def test_an_expansion_is_bounded(text: str) -> None:
    with pytest.raises(TooLarge, match="larger than an environment can be"):
        parse_file("dotenv", text, expand=True)


def test_without_the_wish_nothing_is_expanded() -> None:
    parsed = parse_file("dotenv", f"{HEAD}A=$HOST\n")
    assert parsed.stated["A"]["value"] == "$HOST"


@pytest.mark.parametrize(("name", "text"), [("json", '{"A": "$B"}'), ("docker", "A=$B"), ("postman", "{}")])
def test_other_formats_have_no_variables(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match="has no variables to expand") as caught:
        parse_file(name, text, expand=True)
    assert not isinstance(caught.value, FormatError)
