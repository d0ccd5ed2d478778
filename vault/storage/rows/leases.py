"""The leases of jobs: one worker at a time runs a job."""

from __future__ import annotations

from sqlalchemy import delete, select

from vault.model.clock import CLOCKS_DIFFER_US
from vault.storage.database.upsert import upsert
from vault.storage.rows.plain import Plain
from vault.storage.tables import leases


class Leases(Plain):
    """Leases: which process runs a job now. Only one can, and every lease expires."""

    def take(self, name: str, holder: str, now_us: int, length_us: int) -> bool:
        """Take or renew the lease `name`. Returns False while another process holds it.

        A lease that ends later than any can was taken while a clock was ahead. It is ignored.
        """
        row = {"holder": holder, "until_us": now_us + length_us}
        statement = upsert(self._connection, leases).values(name=name, **row)
        free = (
            (leases.c.until_us <= now_us)
            | (leases.c.until_us > now_us + length_us + CLOCKS_DIFFER_US)
            | (leases.c.holder == holder)
        )
        taken = statement.on_conflict_do_update(index_elements=["name"], set_=row, where=free).returning(leases.c.name)
        return self._connection.execute(taken).one_or_none() is not None

    def until(self, name: str) -> int | None:
        """Return what `put` has stored under `name`."""
        return self._connection.execute(select(leases.c.until_us).where(leases.c.name == name)).scalar_one_or_none()

    def put(self, name: str, until_us: int) -> None:
        """Store a number under `name`. This is not a lease."""
        row = {"holder": "", "until_us": until_us}
        statement = upsert(self._connection, leases).values(name=name, **row)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))

    def give_back(self, name: str) -> None:
        """Delete the lease `name`."""
        self._connection.execute(delete(leases).where(leases.c.name == name))

    def give_back_all(self, holder: str) -> None:
        """Delete all leases of `holder`, which ends."""
        self._connection.execute(delete(leases).where(leases.c.holder == holder))
