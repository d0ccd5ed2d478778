"""A transaction that is not stored yet, read as if it were, so that a restore can be verified before its commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from sqlalchemy.engine import URL

from vault.model.clock import Clock
from vault.storage.signing.signed import RowSigner
from vault.storage.unit_of_work import UnitOfWork


class Readable(Protocol):
    """A database that can be read: a `Storage`, or an `Uncommitted` transaction."""

    url: URL
    clock: Clock
    signer: RowSigner | None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        ...

    def read(self) -> AbstractContextManager[UnitOfWork]:
        """Yield a view for reading."""
        ...


class Uncommitted:
    """The database as the transaction of `unit` sees it. It has a signer of its own, and writes nothing."""

    def __init__(self, url: URL, unit: UnitOfWork) -> None:
        self.url = url
        self.clock = unit.clock
        self.signer: RowSigner | None = None
        self._connection = unit.connection

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self._connection.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Yield a view inside the transaction."""
        yield UnitOfWork(self._connection, self.signer, self.clock)
