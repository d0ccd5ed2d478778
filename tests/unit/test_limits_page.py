"""docs/reference/limits.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.api.test_public_costs import CPU_MOST_SECONDS, MEMORY_MOST_BYTES
from vault.api.schemas.parts import NAME_MOST, PASSWORD_MOST
from vault.api.schemas.tokens import TokenBody
from vault.formats import yaml_tree
from vault.http.routes import DIGITS_MOST
from vault.model import bases, budgets
from vault.model.environment import DESCRIPTION_MAX_CHARACTERS, VARIABLES_MOST
from vault.model.json_scan import DEPTH_MOST
from vault.services.tokens.request import GRANTS_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text()

TOKEN_FIELDS = TokenBody().fields

LINES = {
    "fields of a query": budgets.QUERY_FIELDS_MOST,
    "cookies": budgets.COOKIES_MOST,
    "digits of a number in an address": DIGITS_MOST,
    "variables of an environment, in one call or file": VARIABLES_MOST,
    "bases of an environment": bases.BASES_MOST,
    "bases in a chain beneath an environment": bases.DEPTH_MOST,
    "environments beneath an environment in all": bases.BENEATH_MOST,
    "size of the sealed variables beneath an environment in all": bases.BENEATH_MAX_BYTES,
    "grants of a token": GRANTS_MAX,
    "networks of a token": getattr(TOKEN_FIELDS["networks"], "most", None),
    "pairs of a token's metadata": getattr(TOKEN_FIELDS["metadata"], "most", None),
    "characters of a name, as it is sent": NAME_MOST,
    "characters of a password, as it is sent": PASSWORD_MOST,
    "characters of a variable's description": DESCRIPTION_MAX_CHARACTERS,
    "JSON items of a file that is imported": budgets.FILE_ITEMS_MOST,
    "YAML events of a file that is imported": yaml_tree.EVENTS_MOST,
    "levels of a YAML file": yaml_tree.DEPTH_MOST,
}


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the table under a heading: the first cell, and the others."""
    section = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[1:]}


def number(cell: str) -> int:
    return int(cell.removesuffix(" KiB").replace(",", "")) * (budgets.KIB if cell.endswith(" KiB") else 1)


def test_every_class_stands_in_the_table_with_its_budget() -> None:
    told = {name: budgets.Budget(*map(number, cells)) for name, cells in table("By class of route").items()}
    assert told == {str(route_class): budget for route_class, budget in budgets.BUDGETS.items()}


def test_every_class_is_explained() -> None:
    assert [name for name in budgets.RouteClass if f"- **{name}**: " not in PAGE] == []


def test_every_other_number_is_that_of_the_code() -> None:
    told = {name: number(cells[0]) for heading in ("Heads and addresses", "Lists and texts")
            for name, cells in table(heading).items()}  # fmt: skip
    assert told == LINES


@pytest.mark.parametrize(
    "sentence",
    [
        f"| public, without the password's hash | {CPU_MOST_SECONDS * 1000:.0f} ms | "
        f"{MEMORY_MOST_BYTES // 2**20} MiB |",
        f"JSON nests at most {DEPTH_MOST} levels",
        f"a body of more than {budgets.BUDGETS[budgets.RouteClass.PUBLIC].body_bytes // budgets.KIB} KiB",
    ],
)
def test_the_sentences_with_numbers_are_those_of_the_code(sentence: str) -> None:
    assert sentence in PAGE
