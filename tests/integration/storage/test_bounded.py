"""A PostgreSQL that hangs with its sockets open holds nobody for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from tests.support.servers import Postgres
from vault.errors import DatabaseUnavailable, OutcomeUnknown
from vault.storage import Storage
from vault.storage.database import engine


@pytest.fixture
def storage(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.5)
    storage = Storage(fresh_database("postgresql"))
    yield storage
    storage.close()


def _ask(storage: Storage) -> None:
    with storage.read() as unit:
        unit.connection.execute(sa.text("SELECT 1"))


def test_a_read_of_a_hung_server_ends_as_unavailable_and_works_again_afterwards(
    storage: Storage, postgres: Postgres
) -> None:
    _ask(storage)
    postgres.hang()
    try:
        with pytest.raises(DatabaseUnavailable):
            _ask(storage)
    finally:
        postgres.resume()
    _ask(storage)


def test_a_commit_that_hangs_is_told_as_unknown(storage: Storage, postgres: Postgres) -> None:
    def write_and_hang() -> None:
        with storage.write() as unit:
            unit.connection.execute(sa.text("SELECT 1"))
            postgres.hang()

    try:
        with pytest.raises(OutcomeUnknown):
            write_and_hang()
    finally:
        postgres.resume()
    _ask(storage)
