"""Row formats are opened when no older release runs, and rows of older formats are signed again.

The format of this test is made of a column that is there already: `tokens.last_used_us`, NULL until a token is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import KINDS
from tests.support.vaults import HOST, FakeClock, add_token, as_token, grant, opened_again, run_sql, write
from vault.app import open_vault
from vault.errors import Conflict, Forbidden, MacError, StorageError
from vault.model.principal import Principal
from vault.services import Services
from vault.services.doctor import Sweep
from vault.services.keys import upgrading
from vault.services.pace import Pace
from vault.services.people.proven import hold
from vault.storage.database.schema import SCHEMA_NUMBER
from vault.storage.rows.tokens import Tokens
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.later_formats import FormatStatus
from vault.storage.signing.signed import FIRST_FORMAT, SignedTable
from vault.storage.tables import tokens
from vault.storage.walks.key_walk import sign_many

TOKENS = 12
NEXT = SCHEMA_NUMBER + 1


@pytest.fixture(autouse=True)
def next_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is a release with one format more."""
    before = {number: Tokens.signed.added_by(number) for number in Tokens.signed.own_formats - {FIRST_FORMAT}}
    signed = SignedTable(tokens, added={**before, NEXT: {"last_used_us": None}})
    monkeypatch.setattr(Tokens, "signed", signed)
    monkeypatch.setitem(SIGNED_TABLES, "tokens", signed)
    for module in ("vault.storage.rows.workers", "vault.services.keys.upgrading"):
        monkeypatch.setattr(f"{module}.SCHEMA_NUMBER", NEXT)


@pytest.fixture(params=KINDS)
def vault(
    request: pytest.FixtureRequest, next_release: None, copied_vault: Callable[[Any], Any], clock: FakeClock
) -> Iterator[Services]:
    made = open_vault(copied_vault(request.param), clock)
    yield made
    made.storage.close()


def beat(vault: Services, worker_id: str, release: str, row_format: int) -> None:
    """A living worker of some release."""
    run_sql(
        vault,
        "INSERT INTO workers (id, host, pid, knows_version, state_version, started_us, lease_until_us, release,"
        " row_format) VALUES (:id, 'web-2', 77, 1, 1, 0, :until, :release, :row_format)",
        id=worker_id, until=vault.clock() + 20_000_000, release=release, row_format=row_format,
    )  # fmt: skip


def use(vault: Services, token_id: str) -> None:
    """Write the column that the new format covers."""

    def change(unit: Any) -> None:
        unit.tokens.change(unit.tokens.by_id(token_id), last_used_us=5)

    write(vault, change)


def formats(vault: Services) -> list[int]:
    return sorted(row.row_format for row in run_sql(vault, "SELECT row_format FROM tokens"))


def the_status(vault: Services) -> FormatStatus:
    """Of the newest format of tokens."""
    return next(each for each in vault.keys.upgrading.status(HOST) if (each.table, each.number) == ("tokens", NEXT))


def add_tokens(vault: Services, ada: Principal, count: int = TOKENS) -> list[str]:
    return [as_token(vault, add_token(vault, ada, grant("read", path="*")).secret).id for _ in range(count)]


def test_a_format_is_not_written_while_an_older_release_runs(vault: Services, ada: Principal) -> None:
    beat(vault, "old", "0.1.1", 2)
    beat(vault, "new", "0.2.0", NEXT)
    assert vault.keys.upgrading.has_closed()
    assert vault.keys.upgrading.open(HOST) == 0
    status = the_status(vault)
    assert (status.opened_us, status.waits_for) == (None, ("web-2 (process 77, release 0.1.1)",))
    [token_id] = add_tokens(vault, ada, 1)
    assert formats(vault) == [1]
    with pytest.raises(Conflict, match=r"web-2 \(process 77, release 0\.1\.1\)"):
        use(vault, token_id)


def test_it_is_opened_when_the_last_older_worker_has_gone(vault: Services, ada: Principal, clock: FakeClock) -> None:
    beat(vault, "old", "0.1.1", 2)
    [token_id] = add_tokens(vault, ada, 1)
    with opened_again(vault, clock) as other:
        clock.advance(21)
        assert vault.keys.upgrading.open(HOST) == len(vault.keys.upgrading.status(HOST))
        assert vault.keys.upgrading.open(HOST) == 0
        assert not vault.keys.upgrading.has_closed()
        use(vault, token_id)
        assert formats(vault) == [NEXT]
        # Another worker learns it as it learns keys.
        assert other.keys.upgrading.has_closed()
        other.instance.learn()
        assert not other.keys.upgrading.has_closed()
        use(other, token_id)
    assert [row.action for row in run_sql(vault, "SELECT action FROM audit_events WHERE action LIKE 'schema.%'")] == [
        "schema.open_formats"
    ]
    assert Sweep(vault.storage, vault.instance).macs().faults == []
    assert vault.audit.verifier.verify().faults == []


def test_rows_of_older_formats_are_signed_again_also_after_a_crash(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tokens(vault, ada)
    vault.keys.upgrading.open(HOST)
    slow = Pace(per_second=25)
    assert slow.batch == 5
    calls = []

    def crash(*arguments: Any) -> None:
        calls.append(arguments[1])
        if calls.count(Tokens) == 2:
            raise RuntimeError("crash")
        sign_many(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(upgrading, "sign_many", crash)
        with pytest.raises(RuntimeError):
            vault.keys.upgrading.sign_again(HOST, slow)
    assert formats(vault) == [1] * 7 + [NEXT] * 5
    assert vault.keys.upgrading.sign_again(HOST) >= 7
    assert formats(vault) == [NEXT] * TOKENS
    assert Sweep(vault.storage, vault.instance).macs().faults == []


def test_a_login_under_way_does_not_take_a_row_that_was_signed_again_for_a_changed_one(
    vault: Services, ada: Principal
) -> None:
    with vault.storage.read() as unit:
        before = unit.users.by_id(ada.user_id)
    assert before is not None
    vault.keys.upgrading.open(HOST)
    vault.keys.upgrading.sign_again(HOST)
    after = write(vault, lambda unit: unit.users.by_id(ada.user_id))
    assert after is not None
    assert (before.row_format, after.row_format) == (FIRST_FORMAT, SIGNED_TABLES["users"].newest)
    # Raises `BadLogin` for an account that has changed since its password was checked.
    write(vault, lambda unit: hold(unit, before))
    assert vault.audit.verifier.verify().faults == []


def test_a_walk_ends_and_begins_again_after_an_older_release_has_run(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_tokens(vault, ada)
    vault.keys.upgrading.open(HOST)
    assert vault.keys.upgrading.sign_again(HOST) >= TOKENS
    assert formats(vault) == [NEXT] * TOKENS
    assert the_status(vault).settled_us is None
    assert vault.keys.upgrading.sign_again(HOST) == 0
    assert the_status(vault).settled_us is not None
    assert Sweep(vault.storage, vault.instance).macs().faults == []
    assert vault.audit.verifier.verify().faults == []
    # On the way back.
    beat(vault, "old", "0.1.1", 2)
    assert vault.keys.upgrading.sign_again(HOST) == 0
    assert the_status(vault).settled_us is None
    clock.advance(21)
    vault.keys.upgrading.sign_again(HOST)
    assert the_status(vault).settled_us is not None


def test_a_forged_row_is_not_signed_again_and_holds_nothing_up(vault: Services, ada: Principal) -> None:
    forged, *_ = add_tokens(vault, ada)
    run_sql(vault, "UPDATE tokens SET last_used_us = 9 WHERE id = :id", id=forged)
    vault.keys.upgrading.open(HOST)
    assert vault.keys.upgrading.sign_again(HOST) >= TOKENS - 1
    assert formats(vault) == [1] + [NEXT] * (TOKENS - 1)
    vault.keys.upgrading.sign_again(HOST)
    assert the_status(vault).settled_us is not None
    with vault.storage.read() as unit, pytest.raises(MacError):
        unit.tokens.by_id(forged)


def test_a_forged_catalogue_opens_nothing(vault: Services) -> None:
    vault.keys.upgrading.open(HOST)
    run_sql(vault, "UPDATE row_formats SET number = 99, id = 'tokens.99' WHERE number = :number", number=NEXT)
    with pytest.raises(MacError):
        vault.keys.upgrading.open(HOST)
    with pytest.raises((MacError, StorageError)):
        open_vault(vault.settings, vault.clock)


def test_only_operators_may(vault: Services, ada: Principal) -> None:
    for call in (vault.keys.upgrading.open, vault.keys.upgrading.sign_again, vault.keys.upgrading.status):
        with pytest.raises(Forbidden):
            call(ada)
