"""One suite over every format: what is written, the format's own readers read back the same, for any value."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import dotenv
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.errors import FormatError
from vault.formats import FORMATS
from vault.model.environment import Variable

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{2,12}", fullmatch=True).filter(
    lambda name: name not in {"PPID", "UID", "EUID", "RANDOM", "LINENO", "OPTIND", "SECONDS", "GROUPS", "SHLVL"}
)
# Half of the characters are those that some format gives a meaning to.
CHARACTERS = st.one_of(
    st.sampled_from("'\"\\$`#=!{}%&*|>-?:,[]@~ \t\r\n\v\f\a\b\0\x1b\x7f\x85\xa0\u2028\u2029\ufeff\U0001f511ntr"),
    st.characters(exclude_categories=["Cs"]),
)
VALUES = st.one_of(
    st.text(CHARACTERS, max_size=30),
    st.sampled_from(["", "no", "null", "~", "012", "1e3", "0x1F", "1_000", "2026-01-01", "=", "<<", "- a", "'", '"']),
)
ENVIRONMENTS = st.dictionaries(NAMES, VALUES, max_size=12)


def read_with_python_dotenv(text: str, folder: Path) -> dict[str, str | None]:
    path = folder / "file.env"
    path.write_bytes(text.encode())
    from_file = dotenv.dotenv_values(path, interpolate=False)
    assert from_file == dotenv.dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False)
    return dict(from_file)


def read_with_sh(text: str, folder: Path) -> dict[str, str | None]:
    path = folder / "file.sh"
    path.write_bytes(text.encode())
    found = subprocess.run(
        ["/bin/sh", "-c", '. "$1" && exec env -0', "sh", str(path)], env={"PATH": "/bin:/usr/bin"}, capture_output=True
    )
    assert (found.returncode, found.stderr) == (0, b"")
    pairs = (entry.decode().split("=", 1) for entry in found.stdout.split(b"\0") if entry)
    return {name: value for name, value in pairs if name not in ("PATH", "PWD", "OLDPWD", "_")}


READERS: dict[str, Callable[[str, Path], dict[str, str | None]]] = {
    "dotenv": read_with_python_dotenv,
    "json": lambda text, _: json.loads(text),
    "yaml": lambda text, _: yaml.safe_load(text),
    "shell": read_with_sh,
}


def variables_of(values: dict[str, str]) -> list[Variable]:
    return [Variable(name, value) for name, value in values.items()]


@pytest.fixture(params=sorted(FORMATS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=ENVIRONMENTS)
def test_what_is_written_reads_back_the_same(name: str, tmp_path: Path, values: dict[str, str]) -> None:
    rendered = FORMATS[name].render(variables_of(values))
    left_out = {key for key in values if any(key in warning for warning in rendered.warnings)}
    # Only a shell has to leave anything out, and only what no environment can hold.
    assert left_out == {key for key, value in values.items() if name == "shell" and "\0" in value}
    kept = {key: value for key, value in values.items() if key not in left_out}
    assert READERS[name](rendered.text, tmp_path) == kept


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=ENVIRONMENTS)
def test_what_is_written_can_be_imported_again(name: str, values: dict[str, str]) -> None:
    if FORMATS[name].can_parse:
        parsed = FORMATS[name].parse(FORMATS[name].render(variables_of(values)).text)
        assert parsed.variables == tuple(variables_of(values))
        assert parsed.warnings == ()
    else:
        with pytest.raises(FormatError, match="can be exported, not imported"):
            FORMATS[name].parse("A=1")


@pytest.mark.parametrize("unfit", ["A B", "A=B", "1 2", "Ä", "A\u202eB", "-x", "'quoted'", "A#B", "{{A}}"])
def test_a_name_that_a_format_cannot_carry_is_left_out_and_named(name: str, unfit: str, tmp_path: Path) -> None:
    rendered = FORMATS[name].render(variables_of({unfit: "canary-5c1", "KEPT": "1"}))
    if name in ("json", "yaml"):
        assert READERS[name](rendered.text, tmp_path) == {unfit: "canary-5c1", "KEPT": "1"}
    else:
        assert READERS[name](rendered.text, tmp_path) == {"KEPT": "1"}
        assert unfit.replace("\u202e", "\\u202e") in rendered.warnings[0]
        assert "canary-5c1" not in rendered.warnings[0]


def test_a_disabled_variable_is_left_out_and_named(name: str) -> None:
    rendered = FORMATS[name].render([Variable("OFF", "canary-5c1", enabled=False)])
    assert "canary-5c1" not in rendered.text
    assert rendered.warnings == ("OFF is left out: it is disabled.",)


def test_half_a_surrogate_pair_is_left_out_and_named(name: str) -> None:
    rendered = FORMATS[name].render([Variable("HALF", "\ud800")])
    rendered.text.encode()
    assert "HALF is left out" in rendered.warnings[0]


def test_no_variables_make_a_text_that_reads_back_empty(name: str, tmp_path: Path) -> None:
    assert READERS[name](FORMATS[name].render([]).text, tmp_path) == {}


def test_a_json_value_is_written_as_its_json_text(name: str, tmp_path: Path) -> None:
    text = FORMATS[name].render([Variable("PORT", 5432), Variable("MAP", {"ä": [True, None]})]).text
    assert READERS[name](text, tmp_path) == {"PORT": "5432", "MAP": '{"ä": [true, null]}'}


def test_a_repr_hides_the_text(name: str) -> None:
    assert "canary-5c1" not in repr(FORMATS[name].render([Variable("A", "canary-5c1")]))
