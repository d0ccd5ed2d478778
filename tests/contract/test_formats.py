"""One suite over every format: what is written, the format's own readers read back the same, for any value."""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.format_readers import READERS
from tests.support.patience import in_time
from vault.errors import FormatError, TooLarge
from vault.formats import FORMATS, refuse
from vault.model.environment import Variable, VariableType

# A template holds no values, so nothing of these is for it but what says otherwise.
# A reader of a format that is not registered must not end the run before a test can name it.
WITH_VALUES = sorted(READERS.keys() & FORMATS)
ADVICE = 'See "File format" in docs/contributing/to-add.md.'
DOUBTS = ["invisible character", "contains $ and a name"]
"""A warning about a value that is read as it was written."""

READABLE = [name for name in WITH_VALUES if FORMATS[name].can_parse]
FULL_RECORDS = ["postman", "postman-newman"]

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{2,12}", fullmatch=True).filter(
    lambda name: name not in {"PPID", "UID", "EUID", "RANDOM", "LINENO", "OPTIND", "SECONDS", "GROUPS", "SHLVL"}
)
SIGNS = "'\"\\$`#=!{}%&*|>-?:,[]@~ \t\r\n\v\f\a\b\0\x1b\x7fntr" + (
    "\x85\xa0\u2028\u2029\ufeff\ufdd0\ufffe\uffff\U0010ffff\U0001f511"
)
# Half of the characters are those that some format gives a meaning to.
CHARACTERS = st.one_of(st.sampled_from(SIGNS), st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(
    st.text(CHARACTERS, max_size=30),
    st.sampled_from(["", "no", "null", "~", "012", "1e3", "0x1F", "1_000", "2026-01-01", "=", "<<", "- a", "'", '"']),
)
ENVIRONMENTS = st.dictionaries(NAMES, VALUES, max_size=12)
RECORDS = st.builds(
    Variable,
    NAMES,
    VALUES,
    st.sampled_from(VariableType),
    st.booleans(),
    description=st.text(CHARACTERS, max_size=12),
)


def variables_of(values: dict[str, str]) -> list[Variable]:
    return [Variable(name, value) for name, value in values.items()]


def refusal_of(name: str, text: str) -> str:
    """What the format says against this text; nothing where it takes it."""
    try:
        FORMATS[name].parse(text)
    except (FormatError, TooLarge) as error:
        return error.message
    return ""


def named_in(warnings: tuple[str, ...]) -> set[str]:
    """Which variables are left out."""
    return {warning.split(" ", 1)[0] for warning in warnings if " is left out: " in warning}


def test_every_format_with_values_has_a_reader_here() -> None:
    without = set(FORMATS) - {*READERS, "template"}
    assert not without, f"Add to `READERS` in tests/contract/format_readers.py: {without}. {ADVICE}"
    unknown = set(READERS) - set(FORMATS)
    assert not unknown, f"Add to `_ALL` in vault/formats/__init__.py: {unknown}. {ADVICE}"


@pytest.mark.parametrize("name", WITH_VALUES)
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=ENVIRONMENTS)
def test_what_is_written_reads_back_the_same(name: str, tmp_path: Path, values: dict[str, str]) -> None:
    rendered = FORMATS[name].render(variables_of(values))
    left_out = named_in(rendered.warnings)
    # A format leaves out what its readers could not take, and nothing else.
    assert left_out == {key for key, value in values.items() if READERS[name].cannot_carry(value)}
    kept = {key: value for key, value in values.items() if key not in left_out}
    assert READERS[name].read(rendered.text, tmp_path) == kept


@pytest.mark.parametrize("name", WITH_VALUES)
def test_each_sign_that_some_format_gives_a_meaning_to_reads_back_the_same(name: str, tmp_path: Path) -> None:
    around = ("{}", "x{}", "{}x", "x {} x")
    values = {f"V{ord(sign)}_{place}": text.format(sign) for sign in SIGNS for place, text in enumerate(around)}
    rendered = FORMATS[name].render(variables_of(values))
    kept = {key: value for key, value in values.items() if not READERS[name].cannot_carry(value)}
    assert named_in(rendered.warnings) == set(values) - set(kept)
    assert READERS[name].read(rendered.text, tmp_path) == kept


@pytest.mark.parametrize("name", READABLE)
@settings(deadline=None, max_examples=80)
@given(values=ENVIRONMENTS)
def test_what_is_written_can_be_imported_again(name: str, values: dict[str, str]) -> None:
    rendered = FORMATS[name].render(variables_of(values))
    parsed = FORMATS[name].parse(rendered.text)
    left_out = named_in(rendered.warnings)
    kept = {variable.name: variable for variable in variables_of(values) if variable.name not in left_out}
    # dotenv writes some values last.
    assert {variable.name: variable for variable in parsed.variables} == kept
    assert [warning for warning in parsed.warnings if not any(word in warning for word in DOUBTS)] == []


@pytest.mark.parametrize("name", FULL_RECORDS)
@settings(deadline=None, max_examples=80)
@given(variables=st.lists(RECORDS, max_size=8, unique_by=lambda variable: variable.name))
def test_a_full_record_comes_back_with_type_flag_and_description(name: str, variables: list[Variable]) -> None:
    assert FORMATS[name].parse(FORMATS[name].render(variables).text).variables == tuple(variables)


def lines_run(name: str, variable: Variable) -> int:
    """How many lines of Python run, and how many functions and generators are entered, to write the variable."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    # A collection of garbage runs finalizers of other tests, and their lines would count.
    gc.disable()
    sys.settrace(trace)
    try:
        FORMATS[name].render([variable])
    finally:
        sys.settrace(before)
        gc.enable()
    return count


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_format_works_in_python_on_each_character_of_a_value(name: str) -> None:
    """A file of 2 MB, which any token may ask for again and again, took 1.4 s so."""
    FORMATS[name].render([Variable("A", "first use compiles and imports")])
    for sign in ("x", *SIGNS):
        variables = (Variable("A", sign * length, description="x" * length) for length in (100, 1000))
        short, long = (lines_run(name, variable) for variable in variables)
        assert long < short + 50, ascii(sign)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(READABLE)))
def test_what_cannot_be_imported_says_so(name: str) -> None:
    with pytest.raises(FormatError, match="cannot be imported"):
        FORMATS[name].parse("A=1")


@pytest.mark.parametrize("name", WITH_VALUES)
@pytest.mark.parametrize("unfit", ["A B", "A=B", "1 2", "Ä", "A\u202eB", "'quoted'", "A#B", "{{A}}"])
def test_a_name_that_a_format_cannot_carry_is_left_out_and_named(name: str, unfit: str, tmp_path: Path) -> None:
    rendered = FORMATS[name].render(variables_of({unfit: "canary-5c1", "KEPT": "1"}))
    if READERS[name].takes_any_name:
        assert READERS[name].read(rendered.text, tmp_path) == {unfit: "canary-5c1", "KEPT": "1"}
    else:
        assert READERS[name].read(rendered.text, tmp_path) == {"KEPT": "1"}
        assert unfit.replace("\u202e", "\\u202e") in rendered.warnings[0]
        assert "canary-5c1" not in rendered.text + rendered.warnings[0]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_disabled_variable_is_written_as_such_or_left_out_and_named(name: str) -> None:
    off = Variable("OFF", "canary-5c1", enabled=False)
    rendered = FORMATS[name].render([off])
    if FORMATS[name].keeps_disabled:
        assert FORMATS[name].parse(rendered.text).variables == (off,)
        assert rendered.warnings == ()
    else:
        assert "canary-5c1" not in rendered.text
        assert rendered.warnings == ("OFF is left out: it is disabled.",)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_half_a_surrogate_pair_is_left_out_and_named(name: str) -> None:
    rendered = FORMATS[name].render([Variable("HALF", "\ud800")])
    rendered.text.encode()
    assert "HALF is left out" in rendered.warnings[0]


@pytest.mark.parametrize("name", READABLE)
def test_half_a_surrogate_pair_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        FORMATS[name].parse(FORMATS[name].render([Variable("A", "x")]).text.replace("A", "A\ud800"))


@pytest.mark.parametrize("name", WITH_VALUES)
def test_no_variables_make_a_text_that_reads_back_empty(name: str, tmp_path: Path) -> None:
    assert READERS[name].read(FORMATS[name].render([]).text, tmp_path) == {}


@pytest.mark.parametrize("name", WITH_VALUES)
def test_a_json_value_is_written_as_its_json_text(name: str, tmp_path: Path) -> None:
    port, mapping = Variable("PORT", 5432), Variable("MAP", {"ä": [True, None]})
    text = FORMATS[name].render([port, mapping]).text
    assert READERS[name].read(text, tmp_path) == {"PORT": "5432", "MAP": mapping.text}
    assert json.loads(mapping.text) == {"ä": [True, None]}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_repr_hides_the_text(name: str) -> None:
    rendered = FORMATS[name].render([Variable("A", "canary-5c1")])
    assert "canary-5c1" not in repr(rendered)
    if FORMATS[name].can_parse:
        assert "canary-5c1" not in repr(FORMATS[name].parse(rendered.text))


@pytest.mark.parametrize("name", READABLE)
@settings(deadline=None, max_examples=120)
@given(text=st.text(CHARACTERS, max_size=60))
def test_any_text_is_read_or_refused_in_a_sentence(name: str, text: str) -> None:
    assert (refusal_of(name, text) or ".").endswith(".")


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 300_000,
        '{"a":' * 60_000,
        "A=x" + " " * 300_000 + "y",
        "A: x" + " " * 300_000 + "y",
        "A='" + "\\'" * 150_000,
        'A="' + "\\\n" * 150_000,
        "#" * 300_000,
        "\n" * 300_000,
        "? " * 100_000,
        "- " * 100_000,
        "A=1\n" * 30_000,
        "kind: Secret\ndata:\n" + "  A: eA==\n" * 15_000,
    ],
    ids=range(12),
)
def test_a_hostile_file_is_read_or_refused_at_once(name: str, hostile: str) -> None:
    started = time.monotonic()
    assert len(refusal_of(name, hostile)) < 300
    # What takes the square of its length would take minutes.
    assert in_time(time.monotonic() - started, 5)


@pytest.mark.parametrize(
    ("name", "crowd"),
    [
        *[(name, "A=1\n" * 350_000) for name in ("dotenv", "docker", "systemd")],
        ("yaml", "{" + "a," * 700_000),
        ("yaml", "a: b\n" * 250_000),
        ("kubernetes", "kind: Secret\ndata:\n" + " a: YQ==\n" * 150_000),
        ("json", "{" + ",".join(f'"{number}":1' for number in range(150_000)) + "}"),
        ("postman", '{"values":[' + ",".join(['{"key":"a"}'] * 100_000) + "]}"),
    ],
)
def test_more_variables_than_can_be_stored_are_refused_as_soon_as_they_are_counted(name: str, crowd: str) -> None:
    """One name over and over too: 1.4 MB of YAML took 20 s, and the same of dotenv made 22 MB of warnings."""
    started = time.process_time()
    with pytest.raises(TooLarge):
        FORMATS[name].parse(crowd)
    assert in_time(time.process_time() - started, 5)


def test_a_strict_export_refuses_and_names_what_it_would_warn_of() -> None:
    refuse(())
    with pytest.raises(FormatError, match=r"^Nothing was exported, .* A is left out: x\. .* There are 2 more\.$"):
        refuse(["A is left out: x."] * 7)
