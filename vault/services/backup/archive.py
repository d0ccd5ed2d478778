"""An archive: all rows of one moment as lines of JSON, sealed as one stream (`seals.py`).

    {"strongroom_backup": 1, "instance_id": …, "schema": …, "release": …, "created_us": …, "generation": …}
    {"table": "vault_state", "columns": ["id", …]}
    [1, "…", …]                                        one line a row; bytes are base64
    {"table": …}
    …
    {"end": {"vault_state": 1, …}, "stamp": ["<id of a MAC key>", "<MAC over the SHA-256 of all lines above>"]}

Values stay sealed with the vault's own keys. The outer seal hides names and detects changes. The stamp shows that this
vault made the archive, which a seal for a public key cannot show.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from vault.errors import BackupError, InvalidInput, TooLarge
from vault.model import json_scan
from vault.model.json_types import Json
from vault.services.backup.names import ArchiveName, short_id
from vault.services.backup.seals import Opener
from vault.services.environments.documents import Document
from vault.services.pace import Progress, no_progress
from vault.storage import FirstRows, MasterKeyVersion, RowSigner, StateRow, SystemSecret, UserKey
from vault.storage.database.other_schema import Part, as_here
from vault.storage.rows.keys import MasterKeys, SystemSecrets, UserKeys, VaultState
from vault.storage.signing.row_formats import OpenFormat, RowFormats
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import R
from vault.storage.walks.snapshot import ArchivedValue, Snapshot, as_nouns

FORMAT = 1

_STAMPED = b"SRM1 backup archive"
_LINE_MOST = 16 * 1024 * 1024
"""The longest line that is accepted: three times the longest row, a kept answer of 4 MiB. For this and the next bounds:
anyone who knows a recipient's public key can forge an archive, and it must not fill the memory.
"""
_ITEMS_MOST = 1000
"""JSON items in a line: more than a table has columns, or a database tables."""
_TABLES_MOST = 200
_OWN = ("vault_state", "master_keys", "user_keys", "system_secrets", "row_formats")
"""The tables with the rows that open the vault; of user keys, those without an owner."""
_OWN_MOST = 10_000
_OWN_MOST_BYTES = 64 * 1024 * 1024

_USE_ANOTHER = "Use another archive."


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an archive. Times are microseconds since 1970. `generation` is the counter in
    the name, as archives store it; release 0.1.0 wrote none.
    """

    instance_id: str
    schema: str
    release: str
    created_us: int
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """The table and columns of the rows that follow."""

    table: str
    columns: tuple[str, ...]


@dataclass(slots=True)
class Contents:
    """The result of reading an archive to its verified end."""

    head: Head
    counts: dict[str, int] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The columns of each table in the archive, also of empty ones."""
    own: dict[Rows, list[list[ArchivedValue]]] = field(default_factory=dict)
    digest: bytes = b""
    stamp: tuple[str, bytes] = ("", b"")

    @property
    def rows(self) -> int:
        """The number of rows in all tables."""
        return sum(self.counts.values())

    def first_rows(self) -> FirstRows:
        """Return the rows that open the vault, in the database's form. Raises `BackupError`."""
        found = {
            part.table: part
            for rows, own in self.own.items()
            for part in as_here(self.head.schema, Part(rows.table, rows.columns, own))
        }
        states = _nouns(found, VaultState.signed, StateRow)
        if len(states) != 1:
            raise BackupError("The archive does not contain the state of exactly one vault.")
        return FirstRows(
            states[0],
            _nouns(found, UserKeys.signed, UserKey),
            _nouns(found, MasterKeys.signed, MasterKeyVersion),
            _nouns(found, SystemSecrets.signed, SystemSecret),
            _nouns(found, RowFormats.signed, OpenFormat),
        )

    def is_stamped_by(self, signer: RowSigner) -> bool:
        """Report whether the vault with these keys made this archive."""
        key_id, mac = self.stamp
        return bool(signer.vouches(_STAMPED + self.digest, key_id, mac))


def _nouns(found: Mapping[str, Part], signed: SignedTable, noun: type[R]) -> tuple[R, ...]:
    part = found.get(signed.table.name)
    return () if part is None else as_nouns(signed, noun, part.columns, part.rows)


class Lines:
    """The lines of an archive, from a snapshot. `contents` is complete after the last line."""

    def __init__(self, snapshot: Snapshot, head: Head, signer: RowSigner) -> None:
        self.contents = Contents(head)
        self._snapshot = snapshot
        self._signer = signer

    def __iter__(self) -> Iterator[bytes]:
        contents, digest = self.contents, hashlib.sha256()
        for document in self._documents():
            line = _line(document)
            digest.update(line)
            yield line
        contents.digest = digest.digest()
        contents.stamp = self._signer.stamp(_STAMPED + contents.digest)
        yield _line({"end": contents.counts, "stamp": [contents.stamp[0], contents.stamp[1].hex()]})

    def _documents(self) -> Iterator[Json]:
        yield {"strongroom_backup": FORMAT, **asdict(self.contents.head)}
        counts = self.contents.counts
        for table in self._snapshot.tables():
            yield {"table": table.name, "columns": table.columns}
            counts[table.name] = 0
            for row in self._snapshot.rows(table.name):
                counts[table.name] += 1
                yield row


class Archive:
    """An archive in a local file. Each read starts at its beginning. Call `verify` before any other method."""

    def __init__(self, path: Path, opener: Opener) -> None:
        self.name = path.name
        self._path = path
        self._opener = opener

    def verify(self, progress: Progress = no_progress) -> Contents:
        """Read the archive to its verified end. `progress` counts bytes.

        Raises `BackupError`, which says what is wrong and roughly where.

        Anyone who can write to a place could rename an older archive to look newer, so its content must match its name.
        Names
        that are not in Strongroom's form are not compared.
        """
        contents = self.read(lambda _table, _rows: None, progress)
        named, head = ArchiveName.parse(self.name), contents.head
        said = (short_id(head.instance_id), head.generation, head.created_us)
        if named is not None and (named.vault, named.counter, named.created_us) != said:
            raise BackupError(
                f"{self.name} is from another time or another vault than its name says, so it was "
                "renamed. Find out who did it, and restore the right archive."
            )
        return contents

    def read(
        self, take: Callable[[Rows, Iterator[list[ArchivedValue]]], None], progress: Progress = no_progress
    ) -> Contents:
        """Pass each table with its rows to `take`. Returns what was read, once the end is verified.

        Raises what `verify` and `take` raise.
        """
        reader = _Reader(self.name)
        for table, rows in groupby(self._rows(reader, progress), key=lambda pair: pair[0]):
            take(table, (row for _, row in rows))
        return reader.contents

    def _rows(self, reader: _Reader, progress: Progress) -> Iterator[tuple[Rows, list[ArchivedValue]]]:
        for line in self._lines(progress):
            try:
                row = reader.line(line)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidInput, TooLarge) as error:
                raise BackupError(
                    f"{self.name} has lines that are not in the format of an archive. {_USE_ANOTHER}"
                ) from error
            if row is not None:
                yield reader.table, row
        if not reader.is_ended:
            raise BackupError(f"{self.name} has no end: it is incomplete. {_USE_ANOTHER}")

    def _lines(self, progress: Progress) -> Iterator[bytes]:
        try:
            size = self._size()
            with self._path.open("rb") as file:
                yield from self._split(file, size, progress)
        except OSError as error:
            raise BackupError(f"{self._path} cannot be read: {error.strerror}.") from error

    def _split(self, file: BinaryIO, size: int, progress: Progress) -> Iterator[bytes]:
        # A list, because joining a long line again at each piece takes time quadratic in its length.
        begun: list[bytes] = []
        begun_bytes = 0
        for piece in self._opener.opened(file, self.name):
            progress(file.tell(), size)
            first, *others = piece.split(b"\n")
            begun.append(first)
            begun_bytes += len(first)
            if begun_bytes > _LINE_MOST:
                raise BackupError(f"{self.name} has a line that is too long for an archive. {_USE_ANOTHER}")
            if others:
                yield b"".join(begun)
                yield from others[:-1]
                begun, begun_bytes = [others[-1]], len(others[-1])
        if begun_bytes:
            raise BackupError(f"{self.name} ends in the middle of a line. {_USE_ANOTHER}")

    def _size(self) -> int:
        found = self._path.stat()
        # Opening a pipe would wait for a writer, and a device has no end.
        if not stat.S_ISREG(found.st_mode):
            raise BackupError(f"{self._path} is not a regular file. Copy the archive to one.")
        return found.st_size


class _Reader:
    """Parses the lines of an archive, and compares them with the counts at its end."""

    def __init__(self, name: str) -> None:
        self.is_ended = False
        self._name = name
        self._digest = hashlib.sha256()
        self._contents: Contents | None = None
        self._table: Rows | None = None
        self._own_bytes = 0

    @property
    def contents(self) -> Contents:
        """What was read so far. Raises `ValueError` before the first line."""
        if self._contents is None:
            raise ValueError("Nothing was read.")
        return self._contents

    @property
    def table(self) -> Rows:
        """The table of the present rows. Raises `ValueError` before the first one."""
        if self._table is None:
            raise ValueError("There are rows before the first table.")
        return self._table

    def line(self, line: bytes) -> list[ArchivedValue] | None:
        """Return the row of a line; None if it has no row."""
        if self.is_ended:
            raise BackupError(f"{self._name} continues after its end. {_USE_ANOTHER}")
        json_scan.check(line, _ITEMS_MOST)
        document = json.loads(line)
        if isinstance(document, dict) and "end" in document:
            self._end(document)
            return None
        self._digest.update(line + b"\n")
        if isinstance(document, list):
            return self._row(document, len(line))
        if self._contents is None:
            self._begin(document)
        else:
            self._next_table(Rows(document["table"], tuple(document["columns"])))
        return None

    def _begin(self, document: Document) -> None:
        # An unknown member may change the meaning of the rest.
        if document.pop("strongroom_backup") != FORMAT or document.keys() - Head.__slots__:
            raise BackupError(
                f"{self._name} is an archive of a newer release of Strongroom. Restore it with that release."
            )
        self._contents = Contents(Head(**document))

    def _next_table(self, table: Rows) -> None:
        if table.table in self.contents.counts:
            raise BackupError(f"{self._name} has the table {table.table} twice. {_USE_ANOTHER}")
        if len(self.contents.counts) >= _TABLES_MOST:
            raise ValueError("No database has so many tables.")
        self.contents.counts[table.table] = 0
        self.contents.columns[table.table] = table.columns
        self._table = table

    def _row(self, row: list[ArchivedValue], size_bytes: int) -> list[ArchivedValue]:
        table = self.table
        if len(row) != len(table.columns):
            raise ValueError("A row does not fit its table.")
        self.contents.counts[table.table] += 1
        if table.table in _OWN and (table.table != "user_keys" or row[table.columns.index("owner_id")] is None):
            own = self.contents.own.setdefault(table, [])
            self._own_bytes += size_bytes
            if len(own) >= _OWN_MOST or self._own_bytes > _OWN_MOST_BYTES:
                raise ValueError("No vault has so many keys of its own.")
            own.append(row)
        return row

    def _end(self, document: Document) -> None:
        if document["end"] != self.contents.counts:
            raise BackupError(f"{self._name} does not have the number of rows that its end states. {_USE_ANOTHER}")
        key_id, mac = document["stamp"]
        self.contents.digest, self.contents.stamp = self._digest.digest(), (key_id, bytes.fromhex(mac))
        self.is_ended = True


def _line(document: Json) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
