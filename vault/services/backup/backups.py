"""Makes backups: one archive of one moment and the list of erased keys, stored in every place.

    snapshot ─sealed─► archive in a temporary directory, read once to its end
                          └► each place: list of erased keys ─► archive ─► expired archives are deleted

All places are written at once. If one fails or hangs, the others still get theirs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from vault import __version__
from vault.errors import BackupError, ErasedListError, IntegrityError, Unavailable
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.audit.tree import AuditTree
from vault.services.backup.archive import Archive, Contents, Head, Lines
from vault.services.backup.drop import Dropped, drop_erased
from vault.services.backup.each_place import PlaceReport, at_each, hangs, noting_error, reports_of, seconds_for
from vault.services.backup.erased import ErasedList, fetched_list, list_name, merged
from vault.services.backup.held import held_in
from vault.services.backup.keeping import doubts
from vault.services.backup.names import (
    COUNTER_MOST,
    NO_MARK,
    ArchiveKind,
    ArchiveName,
    StoredArchive,
    archives_in,
    short_id,
)
from vault.services.backup.place import Place
from vault.services.backup.plan import BackupPlan
from vault.services.backup.remains import of_archives
from vault.services.backup.seals import Seal
from vault.services.own.instance import Instance
from vault.services.own.keys import open_own_keys
from vault.services.people.erasure import ErasureReport
from vault.storage import Storage, UnitOfWork
from vault.storage.database.newer_tables import unknown_parts
from vault.storage.walks.snapshot import changes_mark, snapshot


@dataclass(slots=True)
class Made:
    """The archive that was made, or an empty name if nothing had changed; and the result for each place."""

    name: str
    size_bytes: int
    rows: int
    places: list[PlaceReport]
    left_out: list[str] = field(default_factory=list)
    """Tables and columns of a newer release, which the archive does not have."""
    warnings: list[str] = field(default_factory=list)
    """Warnings about no single place."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """This vault's archives in a place, the oldest first; or the error if the place cannot be read."""

    place: Place
    names: list[ArchiveName]
    error: str = ""


class Backups:
    """The backups of one vault."""

    def __init__(self, plan: BackupPlan, storage: Storage, instance: Instance, tree: AuditTree, clock: Clock) -> None:
        self._plan = plan
        self._storage = storage
        self._instance = instance
        self._tree = tree
        self._clock = clock

    def create(
        self, principal: Principal, kind: ArchiveKind, *, only_if_changed: bool = False, trust_clock: bool = False
    ) -> Made:
        """Make an archive and store it in every place, or in none if all already have the newest change.

        `trust_clock` deletes archives by their dates only, even if the gaps between them are long.

        The error of a place is in its `PlaceReport`. Raises `BackupError` if there is no archive at all, and
        `KeyringError` if the backup key is missing or unsafe.
        """
        principal.require_operator()
        places, seal = self._plan.required_places(), self._plan.seal()
        self._settle()
        listed = self._all_listed(places)
        reports: list[PlaceReport] = []
        if only_if_changed:
            places, reports = self._behind(listed)
            if not places:
                return Made("", 0, 0, reports)
        with TemporaryDirectory(prefix="strongroom-backup-") as folder:
            name, contents = self._write(Path(folder), seal, kind, _newest(listed))
            path = Path(folder, str(name))
            size_bytes = path.stat().st_size
            reports += reports_of(
                places,
                lambda place: self._store(place, name, path, trust_clock=trust_clock),
                seconds_for(size_bytes, self._plan.place_seconds),
            )
        left_out = self._left_out()
        warnings = self._record(principal, name, reports)
        return Made(str(name), size_bytes, contents.rows, reports, left_out, warnings)

    def tell_erased(self, principal: Principal) -> list[PlaceReport]:
        """Store the list of erased keys in every place, as after an erasure."""
        principal.require_operator()
        places = self._plan.places()
        return reports_of(places, self._put_list_alone, self._plan.place_seconds)

    def after_erasure(self, principal: Principal, report: ErasureReport) -> tuple[ErasureReport, list[PlaceReport]]:
        """Store the list after an erasure. Returns the report with every archive that has the person's data, and the
        results.
        """
        reports = self.tell_erased(principal)
        held, failed = self.held(principal)
        asked = {each.place for each in reports} - {each.place for each in failed}
        others = tuple(each for each in report.remains if each.place not in asked)
        return replace(report, remains=(*of_archives(held, report.erased_us, self._clock()), *others)), reports

    def drop_erased(self, principal: Principal) -> tuple[Dropped, list[PlaceReport]]:
        """Erase again everything in the places' lists, for a database that was restored by its own tools."""
        principal.require_operator()
        lists: list[ErasedList] = []

        def look(place: Place) -> PlaceReport:
            report = PlaceReport(place.address)
            with noting_error(report):
                found = self._erased_in(place)
                if found is None:
                    report.warnings.append(f"There is no list of erased keys in {place.address}.")
                else:
                    lists.append(found)
            return report

        places = self._plan.required_places()
        reports = reports_of(places, look, self._plan.place_seconds)
        known = merged(lists[:])

        def drop(unit: UnitOfWork) -> Dropped:
            dropped = drop_erased(unit, principal, known)
            audit.record(unit, principal, Action.BACKUP_DROP, details=asdict(dropped))
            return dropped

        return self._storage.transaction(drop), reports

    def held(self, principal: Principal) -> tuple[list[StoredArchive], list[PlaceReport]]:
        """Return this vault's archives in every place, and the places that cannot be read."""
        principal.require_operator()
        places = self._plan.places()
        return held_in(places, self._plan.keeping, self._plan.place_seconds, short_id(self._instance.id))

    # -- Its steps --

    def _left_out(self) -> list[str]:
        with self._storage.read() as unit:
            return unknown_parts(unit.connection)

    def _settle(self) -> None:
        """Give events their places, so that the archive has a mark. Skip this if the database takes no writes."""
        with contextlib.suppress(Unavailable, IntegrityError):
            with self._storage.read() as unit:
                has_waiting = unit.audit_events.has_waiting()
            if has_waiting:
                with self._storage.write() as unit:
                    self._tree.sequence(unit)

    def _all_listed(self, places: list[Place]) -> list[_Listed]:
        seconds = self._plan.place_seconds
        found = at_each(places, self._listed, seconds)
        return [each or _Listed(place, [], hangs(place, seconds)) for place, each in zip(places, found, strict=True)]

    def _listed(self, place: Place) -> _Listed:
        try:
            names = [file.name for file in place.stored()]
        except BackupError as error:
            return _Listed(place, [], error.message)
        return _Listed(place, archives_in(names, short_id(self._instance.id)))

    def _behind(self, listed: list[_Listed]) -> tuple[list[Place], list[PlaceReport]]:
        """Return the places that lack the newest change, and the errors of those that cannot be read."""
        with self._storage.read() as unit:
            mark = changes_mark(unit.connection)
        failed = [PlaceReport(each.place.address, each.error) for each in listed if each.error]
        asked = [each for each in listed if not each.error]
        behind = [each.place for each in asked if mark is None or not each.names or each.names[-1].mark != mark]
        return behind, failed

    def _write(self, folder: Path, seal: Seal, kind: ArchiveKind, newest: int) -> tuple[ArchiveName, Contents]:
        """Write the archive of this moment into a folder, and read it to its end if this host can.

        `newest` is the highest counter in any place.
        """
        now = self._clock()
        with snapshot(self._storage) as taken:
            rows = taken.first_rows()
            if rows is None:
                raise BackupError("The database no longer contains a vault.")
            # Use the keys of this moment: a rotation may have replaced those that this process knows.
            signer = open_own_keys(rows, self._instance.keyring, None).signer
            # The audit grows between two backups, so the counter grows even while the newest place is unreachable.
            counter = min(1 + max(newest, taken.events_placed), COUNTER_MOST)
            head = Head(self._instance.id, taken.schema, __version__, now, counter)
            mark = taken.changes_mark or NO_MARK
            name = ArchiveName(short_id(head.instance_id), now, kind, mark, seal.suffix, counter)
            lines = Lines(taken, head, signer)
            _write_file(folder / str(name), seal.sealed(lines))
        if seal.opener is not None:
            read = Archive(folder / str(name), seal.opener).verify()
            if (read.digest, read.counts) != (lines.contents.digest, lines.contents.counts):
                raise BackupError(
                    "The archive that was read differs from the one that was written: a disk or the memory is faulty."
                )
        return name, lines.contents

    def _store(self, place: Place, name: ArchiveName, path: Path, *, trust_clock: bool) -> PlaceReport:
        report = PlaceReport(place.address)
        with noting_error(report):
            # Write the list first, so that no archive is ever beside a list that is older than itself.
            report.warnings += self._put_list(place, name.counter)
            place.put(str(name), path)
            report.is_stored = True
            expired, warnings = self._expired(place, name, trust_clock=trust_clock)
            report.warnings += warnings
            for each in expired:
                place.delete(str(each))
                report.deleted.append(str(each))
        return report

    def _expired(self, place: Place, made: ArchiveName, *, trust_clock: bool) -> tuple[list[ArchiveName], list[str]]:
        """Return the archives of this vault that are past their time, and warnings."""
        own, now = archives_in((file.name for file in place.stored()), made.vault), self._clock()
        warnings = []
        if own and own[-1] != made:
            warnings.append(
                f"{own[-1]} in {place.address} counts as newer than the archive that was just made. Someone put it "
                "there, or another host makes a backup at the same time. While it is there, `latest` means that one."
            )
        past = self._plan.keeping.past(own, made, now, trust_clock=trust_clock)
        return past.deleted, warnings + doubts(place.address, own, made, past, now)

    def _put_list_alone(self, place: Place) -> PlaceReport:
        """Write the list without an archive. It is newer than all archives in the place."""
        report = PlaceReport(place.address)
        with noting_error(report):
            report.warnings += self._put_list(place, _newest([self._listed(place)]))
        return report

    def _put_list(self, place: Place, counter: int) -> list[str]:
        """Update the list of a place. Returns warnings.

        Entries that the database does not know, as after a restore, stay.
        """
        put, warnings = self._put_newest_list(place, counter)
        # An erasure may have happened meanwhile, and this older list may have replaced its list.
        while not self._known_erased().keys.keys() <= put.keys.keys():
            put, more = self._put_newest_list(place, counter)
            warnings += more
        return warnings

    def _known_erased(self) -> ErasedList:
        with self._storage.read() as unit:
            return ErasedList.of(unit, self._clock())

    def _put_newest_list(self, place: Place, counter: int) -> tuple[ErasedList, list[str]]:
        instance, own = self._instance, self._instance.own_keys
        known = self._known_erased()
        known.counter = counter
        warnings = []
        data = fetched_list(place, instance.id)
        if data is not None:
            try:
                known.add(ErasedList.opened(data, instance.id, instance.keyring, own.master_keys, place.address))
            except ErasedListError as error:
                warnings.append(f"{error.message} It was replaced: find out who writes there.")
        with TemporaryDirectory(prefix="strongroom-backup-") as folder:
            path = Path(folder, "list")
            _write_file(path, iter([known.signed(instance.id, instance.keyring, own)]))
            place.put(list_name(instance.id), path)
        return known, warnings

    def _erased_in(self, place: Place) -> ErasedList | None:
        """Return the list of erased keys in a place; None if there is none. Raises `ErasedListError`."""
        data = fetched_list(place, self._instance.id)
        if data is None:
            return None
        instance = self._instance
        return ErasedList.opened(data, instance.id, instance.keyring, instance.own_keys.master_keys, place.address)

    def _record(self, principal: Principal, name: ArchiveName, reports: list[PlaceReport]) -> list[str]:
        """Record the backup in the audit. Returns a warning if the database takes no writes."""
        stored = [report.place for report in reports if report.is_stored]
        try:
            with self._storage.write() as unit:
                audit.record(unit, principal, Action.BACKUP_CREATE, details={"name": str(name), "places": stored})
        except Unavailable as error:
            # A backup is especially important if the database takes no writes.
            return [f"The backup is not in the audit: {error.message}"]
        return []


def _newest(listed: list[_Listed]) -> int:
    """Return the highest counter in some places."""
    return max((name.counter for each in listed for name in each.names), default=0)


def _write_file(path: Path, pieces: Iterator[bytes]) -> None:
    try:
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise BackupError(
            f"The file {path.name} cannot be written to {gettempdir()} before it is copied: {error.strerror}. "
            "Set TMPDIR to another directory."
        ) from error
