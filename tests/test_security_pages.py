"""The pages of docs/security say what is there: each file, test and setting that they name, and each number."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from vault.crypto.common_passwords import DISTINCT_CHARACTERS, WORDS
from vault.crypto.known_passwords import known_passwords
from vault.crypto.password import MAXIMUM_BYTES, MINIMUM_CHARACTERS
from vault.services.people import throttle
from vault.services.people.factors import challenges
from vault.settings import PREFIX, SECRET_SETTINGS, Settings, load

ROOT = Path(__file__).parent.parent
SECURITY = ROOT / "docs" / "security"
PAGES = sorted(path.name for path in SECURITY.glob("*.md"))

# The requirements of levels 1 and 2 in OWASP ASVS 5.0.0: each section with its numbers. Those of level 3 are left out.
_SECTIONS = """
1.1 1-2, 1.2 1-9, 1.3 1-11, 1.4 1-3, 1.5 1-2, 2.1 1-3, 2.2 1-3, 2.3 1-4, 2.4 1, 3.2 1-2, 3.3 1-4, 3.4 1-6, 3.5 1-5,
3.7 1-2, 4.1 1-3, 4.2 1, 4.3 1-2, 4.4 1-4, 5.1 1, 5.2 1-3, 5.3 1-2, 5.4 1-3, 6.1 1-3, 6.2 1-12, 6.3 1-4, 6.4 1-4,
6.5 1-5, 6.6 1-3, 6.8 1-4, 7.1 1-3, 7.2 1-4, 7.3 1-2, 7.4 1-5, 7.5 1-2, 7.6 1-2, 8.1 1-2, 8.2 1-3, 8.3 1, 8.4 1,
9.1 1-3, 9.2 1-4, 10.1 1-2, 10.2 1-2, 10.3 1-4, 10.4 1-11, 10.5 1-5, 10.6 1-2, 10.7 1-3, 11.1 1-2, 11.2 1-3, 11.3 1-3,
11.4 1-4, 11.5 1, 11.6 1, 12.1 1-3, 12.2 1-2, 12.3 1-4, 13.1 1, 13.2 1-5, 13.3 1-2, 13.4 1-5, 14.1 1-2, 14.2 1-4,
14.3 1-3, 15.1 1-3, 15.2 1-3, 15.3 1-7, 16.1 1, 16.2 1-5, 16.3 1-4, 16.4 1-3, 16.5 1-3, 17.1 1, 17.2 1-4, 17.3 1-2
"""
STATES = ("met", "not met by default", "not met", "n/a")

_NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_NAMED_FILE = re.compile(r"`((?:vault|tests|deploy|docs)/[\w./-]+|[\w-]+\.(?:toml|cfg|md))`")
_NAMED_SETTING = re.compile(rf"{PREFIX}([A-Z0-9_]+)")

_OF_THE_COMMAND = frozenset({"URL", "TOKEN", "TOKEN_FILE", "CA_FILE", "ENVIRONMENT", "PASSWORD", "PASSWORD_FILE"})


def _read(page: str) -> str:
    return (SECURITY / page).read_text(encoding="utf-8")


def _required() -> list[str]:
    found = []
    for section, first, last in re.findall(r"(\d+\.\d+) (\d+)(?:-(\d+))?", _SECTIONS):
        found += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    return found


def _rows() -> list[list[str]]:
    """The answers of the page of ASVS: the requirements of a row, its description, state and evidence."""
    lines = re.findall(r"^\| \d+\.\d+\.\d+.*\|$", _read("asvs.md"), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _missing(text: str) -> list[str]:
    """The files, tests and settings that a text names and that do not exist."""
    known = {item.name for item in fields(Settings)} | {f"{name}_file" for name in SECRET_SETTINGS}
    named = set(_NAMED_SETTING.findall(text)) - _OF_THE_COMMAND
    missing = sorted(f"{PREFIX}{name}" for name in named if name.lower() not in known)
    missing += [path for path in _NAMED_FILE.findall(text) if not (ROOT / path).exists()]
    for path, name in _NAMED_TEST.findall(text):
        file = ROOT / path
        if not file.is_file() or f"def {name}(" not in file.read_text(encoding="utf-8"):
            missing.append(f"{path}::{name}")
    return missing


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    assert _missing(_read(page)) == []


def test_what_does_not_exist_is_found() -> None:
    there = "`vault/app.py`, `tests/test_docs.py::test_every_link_leads_somewhere`, STRONGROOM_DATABASE_URL_FILE"
    gone = "`vault/nothing.py`, `nothing.toml`, `tests/test_docs.py::test_nothing`, STRONGROOM_NOTHING"
    assert _missing(there) == []
    assert _missing(f"{gone}, STRONGROOM_BIND_FILE") == [
        "STRONGROOM_BIND_FILE",
        "STRONGROOM_NOTHING",
        "vault/nothing.py",
        "nothing.toml",
        "tests/test_docs.py::test_nothing",
    ]


def test_every_requirement_is_answered_once() -> None:
    answered = [number for row in _rows() for number in row[0].split(", ")]
    assert sorted(answered) == sorted(_required())
    assert len(answered) == 70 + 183, "ASVS 5.0.0 has 70 requirements of level 1, and 183 more of level 2."


def test_every_answer_has_a_state_and_its_evidence_or_reason() -> None:
    for row in _rows():
        numbers, asked, state, evidence = row
        assert asked, numbers
        assert state in STATES, numbers
        names_something = re.search(r"`[^`]+`|\]\(", evidence)
        assert names_something or state == "n/a" or (state == "not met" and len(evidence) > 40), numbers


def test_the_page_counts_its_answers() -> None:
    counts = Counter(dict.fromkeys(STATES, 0))
    for row in _rows():
        counts[row[2]] += len(row[0].split(", "))
    found = re.findall(r"^\| ([\w/ ]+) \|.*\| (\d+) \|$", _read("asvs.md"), re.MULTILINE)
    assert {state: int(count) for state, count in found} == {**counts, "all": sum(counts.values())}


def test_the_controls_have_the_numbers_of_the_code(tmp_path: Path) -> None:
    page = _read("controls.md")
    for what, number, then in (
        ("one account from one address, in 15 minutes", throttle.PAIR_FAILURES, "refused until the 15 minutes"),
        ("one account from anywhere", throttle.ACCOUNT_FAILURES, f"slower, up to {throttle.SLOWEST_SECONDS} seconds"),
        ("one address at any account", throttle.ADDRESS_FAILURES, "the same"),
        ("all accounts from anywhere", throttle.OVERALL_FAILURES, f"every {throttle.OVERALL_SECONDS} seconds"),
        ("second factors of one account, in a day", throttle.DAILY_FACTOR_FAILURES, "refused until the day"),
        (
            "what vouches for the person, in 15 minutes",
            throttle.VOUCHED_FAILURES,
            f"up to {throttle.VOUCHED_SLOWEST_SECONDS} seconds",
        ),
        ("what vouches, before it is ignored", throttle.VOUCHED_MOST, "until the 15 minutes"),
        ("second factors for one challenge", challenges.ATTEMPTS, "the challenge ends"),
    ):
        row = next(line for line in page.splitlines() if line.startswith(f"| {what} |"))
        assert f"| {number:,} |" in row
        assert then in row
    defaults = load({"STRONGROOM_DATA_DIR": str(tmp_path)})
    for setting, told in (
        ("session_idle_seconds", f"{defaults.session_idle_seconds // 60} minutes"),
        ("session_absolute_seconds", f"{defaults.session_absolute_seconds // 3600} hours"),
        ("quota_sessions", f"{defaults.quota_sessions}; "),
    ):
        row = next(line for line in page.splitlines() if line.endswith(f"| `{PREFIX}{setting.upper()}` |"))
        assert told in row
    assert f"{MINIMUM_CHARACTERS} characters at least, {MAXIMUM_BYTES:,} bytes at most" in page
    assert f"fewer than {DISTINCT_CHARACTERS} different characters" in page
    long_ones, words = known_passwords()
    for where in (page, _read("asvs.md"), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        assert f"{len(long_ones):,}" in where
        assert f"{len(words):,}" in where


def test_the_words_that_the_controls_name_are_refused() -> None:
    section = _read("controls.md").partition("\n## Passwords\n")[2].partition("\nThe whole list")[0]
    named = re.findall(r"`([a-z]+)`", section)
    assert len(named) > 20
    assert set(named) <= set(WORDS)
