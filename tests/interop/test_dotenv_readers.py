"""Every dotenv reader reads what is written, or a warning names the variable and the reader."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.dotenv_readers import OUR_WORD, Found, read_by_all
from vault.formats import FORMATS, Rendered
from vault.formats.dotenv_readers import READERS
from vault.model.environment import Variable

DOTENV = FORMATS["dotenv"]

HARD = [
    "", " ", "  a ", "a b", "#", "a #b", "a#b", "'", '"', "`", "''", '""', "``", "\\", "\\\\", "\\\\\\", "a\\", "a b\\",
    "C:\\new", "C:\\Users\\t\\", "\\\\server\\share", '{"a":"b\\nc"}', '{"a":"it\'s"}', "it's", "say \"it's\"",
    "it's \\\"", "`it's \"x\"`", "$", "$A", "${A}", "${A:-b}", "$(id)", "`id`", "pa$word", "\\$A", "it's $A", "a$",
    "a\nb", "a\n\nb\n", "\n", "a\rb", "a\r\nb", "\r", "it's\nB0='x'", "'\"\nB0=1", "\\n", "it's\\n", "\t", "a\tb",
    "\u00a0a\u00a0", "\u2028", "\ufeff", "\x85", "\x00", "é", "🔑", "!!", "~", "*", "a=b", "=", "export A=1", "a;b",
    "a&b", "a|b", "<a>", "(a)", "[a]", "encrypted:abc", "null", "true", "a,b", "%s", "^", "--", "\\'", '\\"', "'\\",
    "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n", "postgres://u:p@h:5432/d?a=b&c=d", "'\\\nx", "\"'\\", "'a'",
    '"a"', "a'", '"', "it's\r", "x'\"", "\"x'", "'#", "' #\"",
]  # fmt: skip
PIECES = ["'", '"', "`", "\\", "$", "{", "}", "#", " ", "\n", "\r", "=", "A", "n", "(", ")", ":-", "x", "é", "\t", "!"]
NAMES = ["A", "B2", "LONG_NAME", "a.b", "C-D", "_e", "UID", "export", "f.g-h"]
SEED = 11


def generated(count: int) -> list[str]:
    """The hard values, and made ones of pieces that readers give a meaning to."""
    choice = random.Random(SEED)
    made = ("".join(choice.choices(PIECES, k=choice.randint(1, 9))) for _ in range(count))
    return [*HARD, *made][:count]


def files(values: Sequence[str]) -> list[list[Variable]]:
    """Each value alone, and all of them in files of several."""
    choice = random.Random(SEED)
    alone = [[Variable("A", value)] for value in values]
    mixed = list(values)
    choice.shuffle(mixed)
    several = []
    while mixed:
        names = choice.sample(NAMES, k=choice.randint(2, 6))
        several.append([Variable(name, mixed.pop()) for name in names if mixed])
    return alone + several


def check(found: dict[str, list[Found]], written: Sequence[tuple[list[Variable], Rendered]]) -> None:
    """Each value is read as it is meant, or a warning names it and the reader."""
    faults = []
    for reader, readings in found.items():
        word = OUR_WORD.get(reader, reader)
        for (variables, rendered), reading in zip(written, readings, strict=True):
            told = [warning for warning in rendered.warnings if word in warning]
            if reading is None:
                faults += [] if told else [(reader, rendered.text, "refused")]
                continue
            named = {warning.split(" is ")[0] for warning in told}
            faults += [
                (reader, rendered.text, variable.name)
                for variable in variables
                if variable.name not in named and reading.get(variable.name) != variable.text
            ]
    assert not faults, (len(faults), faults[:10])


def check_values(values: Sequence[str], folder: Path) -> None:
    written = [(variables, DOTENV.render(variables)) for variables in files(values)]
    check(read_by_all([rendered.text for _, rendered in written], folder), written)


def test_each_reader_reads_what_is_written_or_is_named(tmp_path: Path) -> None:
    check_values(generated(160), tmp_path)


@pytest.mark.parametrize(
    "name",
    ["__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString",
     "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "prototype", "length",
     "toString", "valueOf", "__proto__x", "ToString", "arguments", "name"],
)  # fmt: skip
def test_a_name_that_every_object_of_javascript_has_is_read_or_the_reader_named(name: str, tmp_path: Path) -> None:
    written = [(variables, DOTENV.render(variables)) for variables in ([Variable(name, "x"), Variable("A", "y")],)]
    found = read_by_all([rendered.text for _, rendered in written], tmp_path)
    check(found, written)
    rendered = written[0][1]
    wrong = {OUR_WORD.get(reader, reader) for reader, [read] in found.items() if read is None or read.get(name) != "x"}
    assert {word for word in wrong | {"dotenvx", "dotenv-expand"} if word in " ".join(rendered.warnings)} == wrong


@pytest.mark.parametrize("value", ["\0", "a\0b", "it's \0", "C:\\\0"])
def test_a_nul_is_told_for_every_reader(value: str) -> None:
    """Parsers keep it, but `node --env-file` cuts the value there, and python-dotenv's load_dotenv fails."""
    (warning,) = DOTENV.render([Variable("A", value)]).warnings
    assert all(reader.name in warning for reader in READERS)


def test_node_itself_reads_as_its_parser_does(tmp_path: Path) -> None:
    variables = [Variable(f"A{number}", value) for number, value in enumerate(HARD) if "\0" not in value]
    named = {warning.split(" is ")[0] for warning in DOTENV.render(variables).warnings}
    kept = [variable for variable in variables if variable.name not in named]
    path = tmp_path / "file.env"
    path.write_bytes(DOTENV.render(kept).text.encode())
    script = "process.stdout.write(Object.keys(process.env).map(n => `${n}=${process.env[n]}\\0`).join(''))"
    done = subprocess.run(
        ["node", f"--env-file={path}", "-e", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    read = dict(re.findall(r"(A\d+)=([^\0]*)\0", done.stdout.decode()))
    assert read == {variable.name: variable.text for variable in kept}
    assert len(kept) > 30


@pytest.mark.parametrize(
    "value",
    [
        "C:\\new",
        '{"a":"b\\nc"}',
        "it's",
        "a\nb",
        "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n",
        "$(id)",
        "cost: 5$",
        "a #b",
    ],
)
def test_common_values_need_no_warning(value: str) -> None:
    assert DOTENV.render([Variable("A", value)]).warnings == ()
