"""A view of one moment whose connection dies says that the database is away, whenever it dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import FreshDatabase
from vault.errors import DatabaseUnavailable
from vault.storage import Storage, UnitOfWork
from vault.storage.walks.snapshot import snapshot

Work = Callable[[Storage], None]


@pytest.fixture
def storage(fresh_database: FreshDatabase) -> Iterator[Storage]:
    opened = Storage(fresh_database("postgresql"))
    yield opened
    opened.close()


def end(storage: Storage, pid: int) -> None:
    """End another connection's process, as a crash of PostgreSQL does."""
    with storage.read() as other:
        other.connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")


def pid_of(unit: UnitOfWork) -> int:
    pid: int = unit.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return pid


def read_after_the_end(storage: Storage) -> None:
    """Read in a view whose connection has died since its last statement."""
    with storage.at_one_moment() as unit:
        end(storage, pid_of(unit))
        unit.connection.exec_driver_sql("SELECT 1")


def close_after_the_end(storage: Storage) -> None:
    """Leave a view whose connection has died since its last statement."""
    with storage.at_one_moment() as unit:
        end(storage, pid_of(unit))


def back_up_after_the_end(storage: Storage) -> None:
    """Read for a backup whose connection has died since its last statement."""
    with snapshot(storage) as view:
        end(storage, view._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        assert view.events_placed == 0


@pytest.mark.parametrize("work", [read_after_the_end, close_after_the_end, back_up_after_the_end])
def test_a_connection_that_dies_means_that_the_database_is_away(storage: Storage, work: Work) -> None:
    with pytest.raises(DatabaseUnavailable):
        work(storage)


def test_the_next_view_has_a_connection_that_lives_and_no_transaction_is_left(storage: Storage) -> None:
    with pytest.raises(DatabaseUnavailable):
        read_after_the_end(storage)
    with storage.at_one_moment() as unit:
        assert unit.connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    with storage.read() as unit:
        # In a transaction this would be the time at which it began, for both.
        times = [unit.connection.exec_driver_sql("SELECT now()").scalar_one() for _ in range(2)]
    assert times[0] != times[1]


def test_an_error_of_a_statement_is_told_as_it_is(storage: Storage) -> None:
    with pytest.raises(Exception, match="division by zero"), storage.at_one_moment() as unit:
        unit.connection.exec_driver_sql("SELECT 1/0")
