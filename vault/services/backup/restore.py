"""Restores an archive completely, or not at all.

    read to its verified end ─► opened with the keyring, made by this vault? ─► empty target?
      └► one transaction: rows ─► later erasures repeated ─► every row, blob and event verified ─► stored

Nothing is stored before the last step: a fault, a full disk or a power cut leaves the target empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from vault.errors import BackupError, ErasedListError, NewerRowFormat, StorageError
from vault.keys import Keyring, MasterKey
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.audit.tree import AuditTree
from vault.services.audit.verify import Verifier
from vault.services.backup.archive import Archive, Contents, Head, Rows
from vault.services.backup.drop import Dropped, drop_erased
from vault.services.backup.each_place import at_each, hangs
from vault.services.backup.erased import ErasedList, fetched_list, merged
from vault.services.backup.names import archives_in, short_id
from vault.services.backup.place import Place
from vault.services.doctor import Sweep
from vault.services.own.instance import Instance
from vault.services.own.keys import open_own_keys
from vault.services.pace import BATCH, Phases, Progress
from vault.storage import Storage, Uncommitted, UnitOfWork, is_missing, migrate, schema_status, watched
from vault.storage.database.other_schema import Part, as_here, left_out
from vault.storage.database.session_limits import LONG
from vault.storage.walks.snapshot import ArchivedValue, has_rows, write_rows

_FAULTS_NAMED = 20

_READING, _LOADING = "Reading bytes", "Loading rows"
_CHECKING, _OPENING, _VERIFYING = "Checking signed rows", "Opening environments", "Verifying audit events"


@dataclass(slots=True)
class ContentsCheck:
    """The result of opening everything: how many rows, blobs and events were checked, and the faults."""

    rows: int = 0
    blobs: int = 0
    events: int = 0
    faults: list[str] = field(default_factory=list)
    missing: str = ""
    """A sentence that names what an older release did not save. This is not a fault in the archive's content."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore, and the present state of the vault."""

    contents: Contents
    proof: ContentsCheck
    dropped: Dropped
    living_tokens: int
    is_locked: bool
    warnings: list[str]


class Restorer:
    """Verifies archives, and restores them into the database at `url`."""

    def __init__(self, url: str, keyring_of: Callable[[str], Keyring], clock: Clock, place_seconds: int) -> None:
        """`keyring_of` opens the keyring of the vault with an id, and raises its error for another vault's keyring.

        `place_seconds` is how long a place may take to answer.
        """
        self._url = url
        self._place_seconds = place_seconds
        self._keyring_of = keyring_of
        self._clock = clock

    def drill(self, principal: Principal, archive: Archive, phases: Phases) -> tuple[Contents, ContentsCheck]:
        """Restore into a temporary database, open everything, and delete the database.

        Raises `BackupError` for an archive that is incomplete or another vault's, and what the keyring raises.
        """
        principal.require_operator()
        contents = archive.verify(phases(_READING))
        keyring, _ = self._origin(archive, contents)
        with TemporaryDirectory(prefix="strongroom-backup-") as folder:
            url = f"sqlite:///{Path(folder, 'drill.db')}"
            migrate(url)
            storage = Storage(url, pool_size=1, clock=self._clock)
            try:
                with storage.write() as unit:
                    proof = _Load(unit, storage, keyring, archive, contents, phases(_LOADING)).prove(phases)
                    unit.abandon()
            finally:
                storage.close()
        return contents, proof

    def restore(
        self,
        principal: Principal,
        archive: Archive,
        places: Sequence[Place],
        phases: Phases,
        *,
        without_list: bool = False,
        despite_faults: bool = False,
        incomplete: bool = False,
    ) -> Restored:
        """Restore into the empty target, and erase what the lists in `places` contain.

        Raises `BackupError` and stores nothing if anything is wrong. `without_list` continues without any list.
        `despite_faults` continues with rows and blobs that were damaged when the archive was made, and reports them.
        `incomplete` continues with an archive that lacks what an older release did not know.
        """
        principal.require_operator()
        contents = archive.verify(phases(_READING))
        keyring, masters = self._origin(archive, contents)
        if without_list:
            erased = ErasedList(0)
            warnings = [f"No list of erased keys was used, as requested: {_ARE_BACK}"]
        else:
            erased, warnings = self._lists(places, contents, keyring, masters)
        storage = self._target()
        try:
            with storage.write() as unit:
                load = _Load(unit, storage, keyring, archive, contents, phases(_LOADING))
                if load.missing and not incomplete:
                    raise BackupError(f"{load.missing} With --incomplete the rest is restored.")
                dropped = drop_erased(unit, principal, erased)
                # The audit says that the vault goes on from here.
                details = {"archive": archive.name, "created_us": contents.head.created_us, **asdict(dropped)}
                audit.record(unit, principal, Action.BACKUP_RESTORE, details=details)
                proof = load.prove(phases)
                if proof.faults and not despite_faults:
                    raise BackupError(_faulty(proof.faults))
                found = watched(unit.connection)
                is_locked = found is not None and found.locked
                return Restored(contents, proof, dropped, unit.tokens.living(self._clock()), is_locked, warnings)
        finally:
            storage.close()

    def _origin(self, archive: Archive, contents: Contents) -> tuple[Keyring, dict[str, MasterKey]]:
        """Return the keyring that opens the archive's vault, after checking that this vault made the archive."""
        try:
            rows = contents.first_rows()
            if rows.state.instance_id != contents.head.instance_id:
                raise BackupError(f"{archive.name} states another vault than the one it contains.")
            keyring = self._keyring_of(contents.head.instance_id)
            own = open_own_keys(rows, keyring, None)
        except NewerRowFormat as error:
            raise _newer(archive, contents, "Its rows have formats that this release does not know.") from error
        except StorageError as error:
            raise _newer(archive, contents, error.message) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # Nothing is verified yet: anyone with the backup key may have written this.
            raise BackupError(f"{archive.name} has rows that no vault of this release has.") from error
        if not contents.is_stamped_by(own.signer):
            raise BackupError(f"{archive.name} was not made by the vault in it: it is forged.")
        return keyring, own.master_keys

    def _lists(
        self,
        places: Sequence[Place],
        contents: Contents,
        keyring: Keyring,
        masters: Mapping[str, MasterKey],
    ) -> tuple[ErasedList, list[str]]:
        """Return the keys of all places' lists, and warnings.

        Raises `ErasedListError` for a list that this vault has not signed.
        """
        found: list[ErasedList] = []
        warnings: list[str] = []
        head = contents.head

        def look(place: Place) -> tuple[bytes | None, list[str]] | BackupError:
            try:
                return fetched_list(place, head.instance_id), [file.name for file in place.stored()]
            except BackupError as error:
                return error

        for place, read in zip(places, at_each(places, look, self._place_seconds), strict=True):
            if isinstance(read, ErasedListError):
                raise read
            if read is None or isinstance(read, BackupError):
                why = hangs(place, self._place_seconds) if read is None else read.message
                warnings.append(f"The list of erased keys there could not be read: {why}")
                continue
            data, names = read
            if data is None:
                continue
            try:
                one = ErasedList.opened(data, head.instance_id, keyring, masters, place.address)
            except ErasedListError as error:
                raise ErasedListError(f"{error.message} {_BAD_LIST}") from error
            archives = archives_in(names, short_id(head.instance_id))
            newest = max([(head.generation, head.created_us), *((name.counter, name.created_us) for name in archives)])
            if one.is_older_than(*newest):
                warnings.append(f"The list of erased keys in {place.address} {_OLD_LIST}")
            found.append(one)
        if not found:
            warnings.append(_NO_LIST)
        return merged(found), warnings

    def _target(self) -> Storage:
        """Return the target, with a schema and without rows. Raises `BackupError`."""
        storage = Storage(self._url, pool_size=1, limits=LONG, clock=self._clock)
        try:
            if not is_missing(self._url):
                with storage.read() as unit:
                    state = schema_status(unit.connection).state
                    if state != "empty" and (state != "current" or has_rows(unit.connection)):
                        raise BackupError(_NOT_EMPTY)
            migrate(self._url)
        except BaseException:
            storage.close()
            raise
        return storage


class _Load:
    """An archive's rows in a transaction that is not stored yet."""

    def __init__(
        self,
        unit: UnitOfWork,
        storage: Storage,
        keyring: Keyring,
        archive: Archive,
        contents: Contents,
        progress: Progress,
    ) -> None:
        """Write the rows, and open their vault. `progress` counts rows."""
        if has_rows(unit.connection):
            raise BackupError(_NOT_EMPTY)
        self._unit = unit
        self._head = contents.head
        self._progress, self._written, self._total = progress, 0, contents.rows
        try:
            self.missing = _missing(contents.head, left_out(contents.head.schema, contents.columns))
            digest = archive.read(self._take).digest
        except StorageError as error:
            raise _newer(archive, contents, error.message) from error
        # The archive must still be the one that was verified before.
        if digest != contents.digest:
            raise BackupError(f"{archive.name} was changed while it was read.")
        self._uncommitted = Uncommitted(storage.url, unit)
        self._instance = Instance.open(self._uncommitted, keyring)
        assert self._uncommitted.signer is not None
        # Change numbers repeat after a restore: no cursor may be used any more.
        unit.feed.begin(unit.clock())
        unit.marks.fill()
        # `Uncommitted` checks what was restored. What this transaction writes itself, as the event, is signed alike.
        unit.use_signer(self._uncommitted.signer)

    def prove(self, phases: Phases) -> ContentsCheck:
        """Check every row, reference and event, and open every blob."""
        sweep = Sweep(self._uncommitted, self._instance)
        macs, references = sweep.macs(phases(_CHECKING)), sweep.references()
        blobs = sweep.blobs(phases(_OPENING))
        report = Verifier(self._uncommitted, AuditTree(self._instance)).verify(progress=phases(_VERIFYING))
        faults = [*macs.faults, *references.faults, *blobs.faults, *report.faults]
        return ContentsCheck(macs.count, blobs.count, report.size, faults, self.missing)

    def _take(self, rows: Rows, values: Iterator[list[ArchivedValue]]) -> None:
        for part in as_here(self._head.schema, Part(rows.table, rows.columns, self._counted(values))):
            write_rows(self._unit, part.table, part.columns, part.rows)

    def _counted(self, values: Iterator[list[ArchivedValue]]) -> Iterator[list[ArchivedValue]]:
        for row in values:
            yield row
            self._written += 1
            if self._written % BATCH == 0 or self._written == self._total:
                self._progress(self._written, self._total)


def _newer(archive: Archive, contents: Contents, why: str) -> BackupError:
    """Return the error for an archive with content that this release does not know, or that was forged."""
    made = f"{archive.name} was made by release {contents.head.release}, with the schema {contents.head.schema}."
    return BackupError(f"{made} {why} Restore it with that release or a newer one.")


def _missing(head: Head, parts: list[str]) -> str:
    """Return a sentence about an archive without `parts`, which its release did not know; empty if it has all."""
    if not parts:
        return ""
    named = ", ".join(parts[:_FAULTS_NAMED])
    more = f" and {len(parts) - _FAULTS_NAMED} more" if len(parts) > _FAULTS_NAMED else ""
    return (
        f"Release {head.release} made this archive of a database with the newer schema {head.schema}, and did not save "
        f"what it does not know: {named}{more}. Restore an archive that the newer release made, if there is one."
    )


def _faulty(faults: list[str]) -> str:
    more = f" And {len(faults) - _FAULTS_NAMED} more." if len(faults) > _FAULTS_NAMED else ""
    return (
        "The archive can be read, but parts of it are damaged or missing, so nothing was restored: "
        f"{' '.join(faults[:_FAULTS_NAMED])}{more} Use --despite-faults to restore the rest."
    )


_NOT_EMPTY = (
    "The target is not empty, so nothing was written to it. Move it away, or set another database in "
    "STRONGROOM_DATABASE_URL."
)
_ARE_BACK = (
    "people and environments that were erased after the archive was made ARE BACK. Erase them again, or let "
    "`strongroom backup drop-erased` do it if a place has a list."
)
_NO_LIST = f"There is no list of erased keys beside the archive: {_ARE_BACK}"
_BAD_LIST = (
    "Somebody may have changed it to bring erased people back. Find a list that this vault has signed, in another "
    "place or an older copy, or restore with --without-erased-list."
)
_OLD_LIST = (
    "is older than the newest archive there: it was put back, or a backup was interrupted. People who were erased in "
    "between are back, unless the list of another place has them."
)
