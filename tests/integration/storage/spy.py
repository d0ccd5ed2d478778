"""Sees every statement that a vault's drivers are given, however it was made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa

from vault.services import Services


@contextmanager
def statements(vault: Services) -> Iterator[list[str]]:
    """The statements that are executed inside the block, their values filled in."""
    seen: list[str] = []

    class Spy(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            found = super().execute(query, params, **options)
            seen.append(psycopg.ClientCursor(self.connection).mogrify(query, params))
            return found

    def watch(connection: Any, _record: object) -> None:
        if vault.storage.is_sqlite:
            connection.set_trace_callback(seen.append)
        else:
            connection.cursor_factory = Spy

    engines = (vault.storage.reading, vault.storage.writing)
    # Connections that are open already would be missed.
    vault.storage.close()
    for engine in engines:
        sa.event.listen(engine, "connect", watch)
    try:
        _warm(vault)
        seen.clear()
        yield seen
    finally:
        for engine in engines:
            sa.event.remove(engine, "connect", watch)
        vault.storage.close()


def _warm(vault: Services) -> None:
    """Connect: what a connection says once is no part of a request."""
    for engine in (vault.storage.reading, vault.storage.writing):
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    vault.storage.driver.fetch("SELECT 1", [])
