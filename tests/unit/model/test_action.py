"""What the audit records: each action has words, is recorded somewhere, and keeps the name that was ever stored."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from vault.model.action import Action, words_of

ROOT = Path(__file__).parents[3]
RELEASES = ROOT / "tests" / "releases"

NAME_MOST = 64
"""The width of the column."""

NEVER_RECORDED = {"backup.key"}
"""Release 0.1.1 had words for it; no release has stored it."""


@pytest.fixture(scope="module")
def source() -> str:
    """Everything under `vault/` but the enum itself."""
    files = (ROOT / "vault").rglob("*.py")
    return "\n".join(path.read_text() for path in files if path.name != "action.py")


@pytest.mark.parametrize("action", Action)
def test_an_action_has_words_of_its_own(action: Action) -> None:
    assert action.words[:1].isupper()
    assert not action.words.endswith(".")
    assert words_of(str(action)) == action.words != action


@pytest.mark.parametrize("action", Action)
def test_an_action_is_recorded_somewhere(action: Action, source: str) -> None:
    is_recorded = re.search(rf"\bAction\.{action.name}\b", source) is not None
    assert is_recorded, f"Nothing records Action.{action.name}. See docs/contributing/to-add.md."


@pytest.mark.parametrize("action", Action)
def test_a_member_is_called_as_its_stored_name(action: Action) -> None:
    assert action.name == action.upper().replace(".", "_")
    assert len(action) <= NAME_MOST


@pytest.mark.parametrize(
    ("release", "file", "pattern"),
    [
        ("0.1.1", "vault/web/deeds.py", r'^    "([a-z._]+)": "'),
        ("0.2.0", "vault/model/action.py", r'^    [A-Z_]+ = "([a-z._]+)", "'),
    ],
)
def test_every_name_that_an_older_release_stored_is_known(release: str, file: str, pattern: str) -> None:
    with zipfile.ZipFile(RELEASES / release / f"strongroom-{release}-py3-none-any.whl") as wheel:
        stored = set(re.findall(pattern, wheel.read(file).decode(), re.MULTILINE))
    assert "values.read" in stored
    assert len(stored) > 70
    assert stored - NEVER_RECORDED <= set(Action)


@pytest.mark.parametrize("name", ["base.add", "values.read.twice", "", "Values.Read"])
def test_a_name_of_a_newer_release_stands_for_itself(name: str) -> None:
    assert words_of(name) == name


@pytest.mark.parametrize("action", [Action.REFUSED, Action.VALUES_READ, Action.USER_ERASE])
def test_an_action_is_written_as_its_name(action: Action) -> None:
    assert f"{action}" == str(action) == json.loads(json.dumps(action)) == action.value
