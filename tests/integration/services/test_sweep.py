"""`doctor --database` and a restore open very many environments: with few statements, and each thing once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.storage.spy import statements
from tests.support.vaults import add_environment, patch
from vault.model.principal import Principal
from vault.services import Services
from vault.services.doctor import Sweep
from vault.storage.walks import sweep

Fill = Callable[[int, int], None]


@pytest.fixture
def fill(vault: Services, ada: Principal) -> Fill:
    """Adds environments with some revisions each."""
    made: list[str] = []

    def add(environments: int, revisions: int = 1) -> None:
        for _ in range(environments):
            name = f"env-{len(made)}"
            made.append(name)
            add_environment(vault, ada, name, A="1")
            for number in range(1, revisions):
                patch(vault, ada, name, A=str(number) * 2000)

    return add


def opened(vault: Services) -> tuple[int, int]:
    """How many things a sweep opens, and with how many statements."""
    with statements(vault) as seen:
        found = Sweep(vault.storage, vault.instance).blobs()
    assert found.faults == []
    return found.count, len(seen)


def test_more_environments_take_no_more_statements(vault: Services, fill: Fill) -> None:
    fill(10, 1)
    few, statements_of_few = opened(vault)
    fill(60, 1)
    many, statements_of_many = opened(vault)
    # A row, a description, a key and a revision for each.
    assert many - few == 60 * 4
    assert statements_of_many == statements_of_few


@pytest.mark.parametrize(
    ("name", "most"), [("_LARGE_PAGE", 3), ("_PART_BYTES", 5000), ("_PART_BYTES", 1), ("_PAGE", 4)]
)
def test_each_revision_is_opened_once_however_they_are_read(
    vault: Services, fill: Fill, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    fill(5, 4)
    expected, _ = opened(vault)
    monkeypatch.setattr(sweep, name, most)
    assert opened(vault)[0] == expected
    with vault.storage.read() as unit:
        ids = [row.id for row in sweep.every(unit.environments)]
        found = [(row.environment_id, row.number) for row in sweep.living_revisions_of_all(unit, ids)]
    assert found == [(each, number) for each in sorted(ids) for number in range(1, 5) if (each, number) in found]
    assert len(found) == 5 * 4
