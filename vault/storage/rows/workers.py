"""The workers that run, and what each of them knows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select

from vault import __version__
from vault.model.printable import shown
from vault.storage.database.schema import SCHEMA_NUMBER
from vault.storage.database.upsert import upsert
from vault.storage.rows.plain import Plain
from vault.storage.tables import workers


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker that is running, or was a short time ago."""

    id: str
    host: str
    pid: int
    knows_version: int
    state_version: int
    started_us: int
    lease_until_us: int
    release: str
    row_format: int

    @property
    def described(self) -> str:
        """Return where the worker runs, and its release. Release 0.1.0 did not write its number."""
        return shown(f"{self.host} (process {self.pid}, release {self.release or '0.1.0'})")


class Workers(Plain):
    """The live workers, and what each has loaded of the vault's keys."""

    def living(self, now_us: int) -> list[WorkerRow]:
        """Return workers whose lease has not expired."""
        living = select(workers).where(workers.c.lease_until_us > now_us)
        return [WorkerRow(*row) for row in self._connection.execute(living)]

    def older_than(self, row_format: int) -> list[WorkerRow]:
        """Return the workers that do not know this row format, by host and process."""
        older = select(workers).where(workers.c.row_format < row_format).order_by(workers.c.host, workers.c.pid)
        return [WorkerRow(*row) for row in self._connection.execute(older)]

    def has_other_release(self, now_us: int) -> bool:
        """Report whether a worker of another release runs. Release 0.2.0 and older raise no read marks."""
        other = (workers.c.lease_until_us > now_us) & (workers.c.release != __version__)
        return self._connection.execute(select(workers.c.id).where(other).limit(1)).first() is not None

    def beat(
        self, worker_id: str, host: str, pid: int, knows_version: int, state_version: int, now_us: int, lease_us: int
    ) -> None:
        """Renew a worker's lease. The row also has the worker's release and the newest row format that it knows."""
        row = {"id": worker_id, "host": host, "pid": pid, "started_us": now_us}
        row |= {"release": __version__, "row_format": SCHEMA_NUMBER}
        learned = {"knows_version": knows_version, "state_version": state_version}
        renewed = {**learned, "lease_until_us": now_us + lease_us}
        statement = upsert(self._connection, workers).values(**row, **renewed)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=renewed))

    def leave(self, worker_id: str) -> None:
        """Delete a worker that ends normally."""
        self._connection.execute(delete(workers).where(workers.c.id == worker_id))

    def purge(self, before_us: int, after_us: int) -> int:
        """Delete workers whose lease expired before `before_us`, or ends after `after_us`.

        No worker takes so long a lease, so its clock was ahead. If it is alive, its next beat adds it again.
        """
        past = (workers.c.lease_until_us < before_us) | (workers.c.lease_until_us > after_us)
        return self._connection.execute(delete(workers).where(past)).rowcount
