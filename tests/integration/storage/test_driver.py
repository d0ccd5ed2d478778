"""The open connections of the hot reads: replaced when they died, prepared where that is safe, all given back."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import FreshDatabase
from vault.errors import DatabaseUnavailable
from vault.storage import Storage
from vault.storage.database.driver import _is_direct

READ = "SELECT 1 AS one"


@pytest.fixture
def storage(fresh_database: FreshDatabase) -> Iterator[Storage]:
    opened = Storage(fresh_database("postgresql"))
    yield opened
    opened.close()


def only_connection(storage: Storage) -> Any:
    ((_, connection),) = storage.driver._idle
    return connection


def test_reads_one_after_the_other_share_a_connection(storage: Storage) -> None:
    storage.driver.fetch(READ, [])
    first = only_connection(storage)
    assert storage.driver.fetch(READ, []) == [(1,)]
    assert only_connection(storage) is first


def test_a_connection_that_died_since_its_last_use_is_replaced(storage: Storage) -> None:
    storage.driver.fetch(READ, [])
    dead = only_connection(storage)
    with storage.read() as unit:
        unit.connection.exec_driver_sql(f"SELECT pg_terminate_backend({dead.info.backend_pid}, 5000)")
    assert storage.driver.fetch(READ, []) == [(1,)]
    assert only_connection(storage) is not dead
    assert dead.closed


def test_a_statement_is_planned_once(storage: Storage) -> None:
    for _ in range(3):
        storage.driver.fetch(READ, [])
    prepared = only_connection(storage).execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert (READ,) in prepared


def test_a_plan_that_somebody_has_deallocated_is_made_anew(storage: Storage) -> None:
    storage.driver.fetch(READ, [])
    only_connection(storage).execute("DEALLOCATE ALL", prepare=False)
    assert storage.driver.fetch(READ, []) == [(1,)]


def test_an_error_of_the_statement_itself_is_not_tried_again(storage: Storage) -> None:
    storage.driver.fetch(READ, [])
    with pytest.raises(Exception, match="division by zero"):
        storage.driver.fetch("SELECT 1/0", [])
    assert not storage.driver._idle


def test_a_database_that_is_gone_is_told_as_unavailable(storage: Storage) -> None:
    storage.driver.fetch(READ, [])
    gone = Storage(storage.url.set(database="nobody_made_this").render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnavailable):
        gone.driver.fetch(READ, [])
    gone.close()


def test_behind_a_pooler_nothing_is_prepared() -> None:
    def behind(process: int, told: int) -> Any:
        result = SimpleNamespace(fetchone=lambda: (process,))
        return SimpleNamespace(info=SimpleNamespace(backend_pid=told), execute=lambda _sql: result)

    assert _is_direct(behind(4711, told=4711))
    assert not _is_direct(behind(4711, told=1_234_567))


def test_closing_the_storage_closes_them(storage: Storage) -> None:
    storage.driver.fetch(READ, [])
    connection = only_connection(storage)
    storage.close()
    assert connection.closed
