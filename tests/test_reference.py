"""The pages that are made from code are as `make reference` would write them now, and the drawing shows every arrow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import reference, synchronous

ROOT = Path(__file__).parent.parent
ARCHITECTURE = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    # A process of its own: Click keeps a command's help option from its first use, and other tests use the commands.
    code = "import json; from deploy import reference; print(json.dumps(reference.made()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    pages: dict[str, str] = json.loads(done.stdout)
    return pages


@pytest.mark.parametrize("page", sorted({*reference.PAGES, *(page for page, _ in reference.PARTS)}))
def test_a_page_that_is_made_is_not_stale(made: dict[str, str], page: str) -> None:
    stored = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert stored == made[page], f"docs/{page} is stale. Run `make reference`, and commit what it writes."


@pytest.mark.parametrize("module", synchronous.MODULES)
def test_the_synchronous_half_of_the_sdk_is_not_stale(module: str) -> None:
    stored = (ROOT / "vault" / "client" / f"{module}.py").read_text(encoding="utf-8")
    assert stored == synchronous.made(module), f"vault/client/{module}.py is stale. Run `make reference`."


def _drawn(name: str) -> set[tuple[str, str]]:
    """The arrows of one drawing, as a reader of the page sees them."""
    block = ARCHITECTURE.split(f"<!-- made: {name} -->")[1].split("<!-- end -->")[0]
    lines = re.findall(r"^ +(\w+) --> (.+)$", block, re.MULTILINE)
    return {(here, there) for here, ends in lines for there in ends.split(" & ")}


@pytest.mark.parametrize(("name", "below"), [("rooms", "vault"), ("services", "vault.services")])
def test_the_drawing_shows_every_import_between_rooms_and_no_other(name: str, below: str) -> None:
    imported = {(here, there) for here, ends in reference.arrows(below).items() for there in ends}
    assert ("people", "own") in imported or ("services", "storage") in imported
    assert _drawn(name) == imported


def test_the_table_of_rooms_names_every_room_and_no_other() -> None:
    rows = re.findall(r"^\| (`.+?`) \| ", ARCHITECTURE, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    rooms = {
        path.stem for path in (ROOT / "vault").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert told == rooms - {"__init__", "__main__"}


def test_a_part_without_its_marks_is_an_error() -> None:
    text = "<!-- made: a -->\nold\n<!-- end -->\n"
    assert reference.with_part(text, "a", "new") == "<!-- made: a -->\nnew\n<!-- end -->\n"
    with pytest.raises(ValueError, match="0 times"):
        reference.with_part(text, "b", "new")
