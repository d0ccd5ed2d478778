"""The end of an upgrade: row formats are opened, and old rows are signed again.

    migration ─► the last worker of the older release ends ─► open: new rows have the new format
                                                                └► rows of older formats are signed again, in batches

While a worker of an older release runs, nothing is written that it cannot check. No progress is stored: a row that
still needs a signature has an older `row_format`. So the work continues after a crash, and two workers can share it.
"""

from __future__ import annotations

from vault.errors import MacError
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.own.instance import Instance
from vault.services.pace import FULL_SPEED, Pace, Walk, no_progress
from vault.storage import SCHEMA_NUMBER, Storage, UnitOfWork
from vault.storage.database.schema import SCHEMA
from vault.storage.signing.later_formats import FormatStatus, format_states, later_formats
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.signed import FIRST_FORMAT, SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.walks.key_walk import of_older_format, sign_many, unchanged
from vault.storage.walks.reseal_walk import every_repository


class Upgrading:
    """Opens row formats, and signs rows of older formats again. For operators."""

    def __init__(self, storage: Storage, instance: Instance, clock: Clock) -> None:
        self._storage = storage
        self._instance = instance
        self._clock = clock

    def has_closed(self) -> bool:
        """Report whether, as far as this process knows, a format of this release is not open yet. Reads no database."""
        signer = self._storage.signer
        return signer is not None and any(
            number not in signer.open_formats.get(signed.table.name, ()) for signed, number in later_formats()
        )

    def has_formats(self) -> bool:
        """Report whether this release has any format after the first. Otherwise nothing needs a new signature."""
        return next(later_formats(), None) is not None

    def status(self, principal: Principal) -> list[FormatStatus]:
        """Return every format after the first that this release knows, with its state."""
        principal.require_operator()
        with self._storage.read() as unit:
            return format_states(unit.connection, self._clock())

    def record(self, principal: Principal, before: str) -> None:
        """Record in the audit that the schema was upgraded from the migration `before` to this release's."""
        principal.require_operator()
        with self._storage.write() as unit:
            audit.record(unit, principal, Action.SCHEMA_UPGRADE, details={"from": before, "to": SCHEMA})

    def open(self, principal: Principal) -> int:
        """Open every format that all running workers know. Returns how many."""
        principal.require_operator()
        opened = self._storage.transaction(self._open, principal)
        if opened:
            self._instance.learn()
        return opened

    def sign_again(self, principal: Principal, pace: Pace = FULL_SPEED) -> int:
        """Sign rows of older formats with the newest open one. Returns how many."""
        principal.require_operator()
        walk = Walk(pace, 0, no_progress)
        for repository in every_repository():
            number = self._unsettled(repository.signed)
            if number is not None and not walk.is_over():
                self._sign_table(principal, repository, number, pace, walk)
        return walk.done

    def _open(self, unit: UnitOfWork, principal: Principal) -> int:
        # Lock this row and change its version: all workers then read the formats again, as they do for keys.
        state = unit.state.hold()
        stored = {row.id for row in unit.row_formats.list()}
        known = min((row.row_format for row in unit.workers.living(self._clock())), default=SCHEMA_NUMBER)
        chosen = [
            (signed, number)
            for signed, number in later_formats()
            if number <= known and f"{signed.table.name}.{number}" not in stored
        ]
        for signed, number in chosen:
            unit.row_formats.open(signed.table.name, number, signed.added_by(number), self._clock())
        if chosen:
            unit.state.change(state)
            formats = [f"{signed.table.name}.{number}" for signed, number in chosen]
            audit.record(unit, principal, Action.SCHEMA_OPEN_FORMATS, details={"formats": formats})
        return len(chosen)

    def _unsettled(self, signed: SignedTable) -> int | None:
        """Return the format that a table's rows should have; None if all have it, or if an older release still runs."""
        signer = self._storage.signer
        number = signer.writes(signed) if signer is not None else FIRST_FORMAT
        if number == FIRST_FORMAT:
            return None
        with self._storage.read() as unit:
            row = next(
                (row for row in unit.row_formats.list() if (row.table_name, row.number) == (signed.table.name, number)),
                None,
            )
            older = [each for each in unit.workers.living(self._clock()) if each.row_format < number]
        if row is None or (row.settled_us is not None and not older):
            return None
        if older:
            # An older release runs again and writes rows of its own format: look for them when it has ended.
            if row.settled_us is not None:
                self._settle(signed, number, None)
            return None
        return number

    def _sign_table(
        self, principal: Principal, repository: type[AnyRepository], number: int, pace: Pace, walk: Walk
    ) -> None:
        after: str | int | None = None
        done = 0
        while not walk.is_over():
            with self._storage.read() as unit:
                rows = of_older_format(unit, repository, number, after, pace.batch)
            if not rows:
                break
            signed = self._storage.transaction(self._sign_some, principal, repository, rows)
            done += signed
            walk.add(signed)
            after = repository.id_of(rows[-1])
        else:
            return
        if not done:
            # A pass over the whole table found nothing to do.
            self._settle(repository.signed, number, self._clock())

    def _sign_some(
        self, unit: UnitOfWork, principal: Principal, repository: type[AnyRepository], rows: list[SignedRow]
    ) -> int:
        # Take the fence, so that no key is used here that a reseal is just removing.
        unit.state.fence()
        whole = [row for row in rows if _is_whole(unit, repository.signed, row)]
        same = unchanged(unit, repository, whole)
        left = [row for row in whole if repository.id_of(row) in same]
        sign_many(unit, repository, left)
        if left:
            audit.record(unit, principal, Action.KEYS_SIGN, details={repository.signed.table.name: len(left)})
        return len(left)

    def _settle(self, signed: SignedTable, number: int, now_us: int | None) -> None:
        with self._storage.write() as unit:
            unit.row_formats.settle(signed.table.name, number, now_us)


def _is_whole(unit: UnitOfWork, signed: SignedTable, row: SignedRow) -> bool:
    """Report whether this vault wrote the row. A forged row is left unchanged, and `doctor` reports it."""
    try:
        unit.signer.check(signed, signed.ordered(row.values()))
    except MacError:
        return False
    return True
