"""systemd's EnvironmentFile: what is read, what is refused, and that systemd's own parser agrees."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.contract.format_readers import systemd
from vault.errors import FormatError
from vault.formats import FORMATS
from vault.model.environment import Variable

SYSTEMD = FORMATS["systemd"]


def read(text: str) -> dict[str, str]:
    return {variable.name: variable.text for variable in SYSTEMD.parse(text).variables}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("\ufeffA=1\r\n B = x y  \n", {"A": "1", "B": "x y"}),
        ("# A=1\n; B=2\n\nC=3", {"C": "3"}),
        ("A='a' \"b\" c", {"A": "abc"}),
        ("A=a 'b' # c", {"A": "a 'b' # c"}),
        ('A="\\" \\\\ \\$ \\` \\n \\\nx"', {"A": '" \\ $ ` \\n x'}),
        ("A='\\n\n'", {"A": "\\n\n"}),
        ("A=x\\ \n", {"A": "x "}),
        ("A=one\\\ntwo", {"A": "onetwo"}),
        ("A=${B}$$", {"A": "${B}$$"}),
        ("A=", {"A": ""}),
        ("# no\\te \\\\\nA=1", {"A": "1"}),
    ],
)
def test_reads(text: str, values: dict[str, str]) -> None:
    assert read(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "A=1\ncanary-5c1",
        "A=1\nB='canary-5c1",
        'A=1\nB="canary-5c1\\"',
        "A=1\nB.C=canary-5c1",
        "A=1\n# canary-5c1 \\\nB=2",
        "\n=canary-5c1",
    ],
)
def test_refuses_with_the_line_and_without_the_value(text: str) -> None:
    with pytest.raises(FormatError, match=r"^Line 2: ") as caught:
        read(text)
    assert "canary" not in str(caught.value)


def test_writes_one_form_alone() -> None:
    assert SYSTEMD.render([Variable("A", "it's \"$x`\\\n")]).text == 'A="it\'s \\"\\$x\\`\\\\\n"\n'


@pytest.mark.parametrize("value", ["\ufdd0", "\ufffe", "\U0010ffff"])
def test_a_code_point_that_systemd_refuses_the_file_for_is_left_out(value: str) -> None:
    assert "noncharacter" in SYSTEMD.render([Variable("A", value)]).warnings[0]


WORDS = ["AB", "x", "A=", "\nBC=", "CD='x'", 'DE="y"\n', "y z"]
SIGNS = ["'", '"', "\\", "\\\\", "\\n", "\\'", '\\"', "#", ";", "`", "\\`"]
SPACES = [" ", "\t", "\n", "  \n", "\r", "\\\n", "\\ "]
PIECES = st.sampled_from([*WORDS, *SIGNS, *SPACES])


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(PIECES, max_size=10).map("".join))
def test_agrees_with_systemd_on_all_that_it_takes(tmp_path: Path, body: str) -> None:
    text = "QQ=" + body
    try:
        parsed = SYSTEMD.parse(text)
    except FormatError:
        # systemd takes more: it drops what it does not understand, and closes quotes at the end of the file.
        return
    # Of a name that stands twice, the generator's complaints do not say which one they are about.
    assume(not parsed.warnings)
    ours = {variable.name: variable.text for variable in parsed.variables}
    assert ours == systemd(text, tmp_path, names=set(ours))
