"""Every table says what bounds its rows, and the numbers that it says are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.services import idempotency
from vault.services.audit import refusals
from vault.services.people import sessions, throttle
from vault.services.people.factors import challenges, enrolment
from vault.services.sync import tickets
from vault.services.tokens import request, tokens
from vault.services.vaultkv import wrapping
from vault.settings import Settings
from vault.storage.bounds import ROW_BOUNDS
from vault.storage.rows import changes, users
from vault.storage.tables import metadata

MIB = 1024 * 1024


def test_every_table_says_what_bounds_its_rows() -> None:
    assert set(ROW_BOUNDS) == set(metadata.tables)
    for table, bound in ROW_BOUNDS.items():
        assert bound.who in ("person", "stranger", "operator", "vault"), table
        assert all(bound), table


@pytest.mark.parametrize(
    ("table", "numbers"),
    [
        ("audit_events", [refusals._MOST]),
        ("challenges", [challenges.OF_PERSON_MOST, challenges.FROM_ADDRESS_MOST, challenges.OF_STRANGERS_MOST]),
        ("changes", [changes.CHANGES_MOST]),
        ("credentials", [enrolment.FACTORS_MOST]),
        ("grants", [request.GRANTS_MAX]),
        ("idempotency", [idempotency.KEPT_MOST, idempotency.KEPT_MOST_BYTES // MIB]),
        ("known_addresses", [users.KNOWN_ADDRESSES_MOST]),
        ("sessions", [sessions.ENDED_MOST]),
        ("sync_tickets", [tickets.WAITING_MOST]),
        ("throttle", [throttle.COUNTERS_MOST]),
        ("tokens", [tokens.ENDED_MOST]),
        (
            "wrapped_answers",
            [
                number
                for share in (wrapping.OF_ONE_TOKEN, wrapping.OF_ALL_TOKENS, wrapping.OF_SESSIONS)
                for number in (share.count, share.bytes // MIB)
            ],
        ),
    ],
)
def test_the_numbers_are_those_of_the_code(table: str, numbers: list[int]) -> None:
    for number in numbers:
        assert f"{number:,}" in ROW_BOUNDS[table].most


def test_the_page_of_limits_says_the_same() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "limits.md").read_text()
    for table, bound in ROW_BOUNDS.items():
        assert f"| `{table}` | {bound.who} | {bound.most} | {bound.goes} |" in page


def test_the_settings_that_bound_rows_exist() -> None:
    for name in ("quota_environments", "quota_tokens", "quota_sessions", "quota_bytes", "purge_after_days"):
        assert name in Settings.__dataclass_fields__
        assert any(name.upper() in f"{bound.most} {bound.goes}" for bound in ROW_BOUNDS.values()), name
