"""An archive that is not as it was written is named before anything is written to the target."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from tests.support.backups import archive, backed_up, make, newest, no_phases, restored
from tests.support.vaults import HOST, FakeClock, add_environment, add_person, as_session, log_in, make_vault, run_sql
from vault.app import restorer
from vault.crypto import new_key
from vault.crypto.age import X25519Recipient, identities_from
from vault.errors import BackupError, KeyringError, StorageError, StrongroomError
from vault.keys import backup as backup_key
from vault.services import Services
from vault.services.backup import Archive, Opener
from vault.services.backup.archive import Head, Lines
from vault.services.backup.seals import AgeSeal, KeySeal
from vault.storage import RowSigner, Storage, first_rows, schema_status
from vault.storage.tables import metadata
from vault.storage.walks.snapshot import LEFT_OUT, snapshot
from vault.wiring import backup_plan

CHUNK = 16 * 1024 + 16
HEADER = 24 + 56
"""Our header, then Cobblestone's salt and commitment."""

# The pair of tests/unit/crypto/test_age.py.
SECRET = "AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ"
PUBLIC = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"
IDENTITIES = identities_from(f"# comment\n{SECRET}\n")


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase, clock: FakeClock) -> Iterator[Services]:
    """One on SQLite: what an archive is does not depend on where it comes from."""
    made = make_vault(tmp_path, fresh_database("sqlite"), clock=clock)
    with backed_up(made, tmp_path) as found:
        yield found
    made.storage.close()


@pytest.fixture
def filled(vault: Services) -> Services:

    person = add_person(vault, "ada")
    for number in range(4):
        add_environment(vault, person, f"env-{number}", A="x" * 20_000)
    make(vault)
    return vault


@pytest.fixture
def refused(filled: Services, tmp_path: Path, fresh_database: FreshDatabase) -> Callable[[bytes], str]:
    """Writes bytes over the archive and restores it: the refusal. The target must stay without even a schema."""

    def attempt(data: bytes) -> str:
        path = newest(filled)
        path.write_bytes(data)
        url = fresh_database("sqlite", migrated=False)
        with pytest.raises(BackupError) as caught:
            restored(filled, url, path)
        assert not Path(url.removeprefix("sqlite:///")).exists()
        with pytest.raises(BackupError):
            archive(filled, path).verify()
        return caught.value.message

    return attempt


def test_a_flipped_byte_anywhere_is_named(filled: Services, refused: Callable[[bytes], str]) -> None:
    data = newest(filled).read_bytes()
    chance = random.Random(7)
    places = [0, 3, 4, 5, 6, 7, 8, 23, 24, 60, 81, len(data) - 1, len(data) // 2]
    for place in [*places, *(chance.randrange(len(data)) for _ in range(24))]:
        broken = bytearray(data)
        broken[place] ^= 1 << chance.randrange(8)
        assert newest(filled).name in refused(bytes(broken)), place


def test_a_tail_that_is_cut_off_is_named(filled: Services, refused: Callable[[bytes], str]) -> None:
    data = newest(filled).read_bytes()
    ends = [0, 1, 10, 23, 24, 50, HEADER, HEADER + 1, HEADER + CHUNK, HEADER + 2 * CHUNK, len(data) - 16, len(data) - 1]
    for end in ends:
        assert newest(filled).name in refused(data[:end]), end


def test_swapped_doubled_and_missing_chunks_are_named(filled: Services, refused: Callable[[bytes], str]) -> None:
    data = newest(filled).read_bytes()
    head, body = data[:HEADER], data[HEADER:]
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    assert len(chunks) > 4
    first, second, *others = chunks
    for changed in ([second, first, *others], [first, first, second, *others], [first, *others]):
        assert "damaged or cut off" in refused(head + b"".join(changed))
    assert "damaged or cut off" in refused(data + body)
    assert "damaged or cut off" in refused(data + b"\0")


def test_what_is_no_archive_and_a_newer_one_are_told_apart(filled: Services, refused: Callable[[bytes], str]) -> None:
    data = newest(filled).read_bytes()
    assert "is not an archive of Strongroom" in refused(b"PK\x03\x04" + data[4:])
    assert "newer release" in refused(data[:4] + b"\x02" + data[5:])
    assert "newer release" in refused(data[:5] + b"\x09" + data[6:])


def test_another_backup_key_is_named(filled: Services, refused: Callable[[bytes], str]) -> None:
    data = newest(filled).read_bytes()
    other = uuid.uuid4()
    assert f"is sealed with the backup key {other}" in refused(data[:8] + other.bytes + data[24:])
    assert "sealed with a backup key. Give" in _verify(newest(filled), Opener())


def test_a_key_of_the_right_name_and_wrong_bits_opens_nothing(filled: Services) -> None:
    path = newest(filled)
    key_id = str(uuid.UUID(bytes=path.read_bytes()[8:24]))
    assert "damaged or cut off" in _verify(path, Opener(new_key(key_id)))


def _verify(path: Path, opener: Opener) -> str:
    with pytest.raises(BackupError) as caught:
        Archive(path, opener).verify()
    return caught.value.message


# -- What is sealed well, and is no archive of this vault --


def rewritten(vault: Services, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """The archive with other lines, sealed by somebody who holds the backup key."""

    key = backup_key.read(backup_plan(vault.settings).key_file)
    with newest(vault).open("rb") as file:
        lines = b"".join(Opener(key).opened(file, "archive")).split(b"\n")[:-1]
    return b"".join(KeySeal(key).sealed([b"".join(line + b"\n" for line in change(lines))]))


def _with_objects(line: bytes, table: bytes, lines: list[bytes]) -> bytes:
    """The line; where it is the table's first row, one with an object in every column."""
    head = next(number for number, each in enumerate(lines) if each.startswith(b'{"table":"' + table))
    return json.dumps([{}] * len(json.loads(line))).encode() if line is lines[head + 1] else line


def test_lines_that_somebody_has_rewritten_are_not_this_vault_s(
    filled: Services, refused: Callable[[bytes], str], tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    original = newest(filled).read_bytes()

    def attempt(change: Callable[[list[bytes]], list[bytes]]) -> str:
        newest(filled).write_bytes(original)
        data = rewritten(filled, change)
        return refused_by_origin(data)

    def refused_by_origin(data: bytes) -> str:
        newest(filled).write_bytes(data)
        url = fresh_database("sqlite", migrated=False)
        with pytest.raises(StrongroomError) as caught:
            restored(filled, url)
        assert not Path(url.removeprefix("sqlite:///")).exists()
        return caught.value.message

    assert "has no end" in attempt(lambda lines: lines[:-1])
    assert "after its end" in attempt(lambda lines: [*lines, lines[5]])
    assert "does not have the number of rows" in attempt(lambda lines: [*lines[:-2], lines[-1]])
    assert "not in the format of an archive" in attempt(lambda lines: [lines[0], b"nonsense", *lines[1:]])
    assert "not in the format of an archive" in attempt(lambda lines: [lines[0], lines[2], *lines[1:]])
    assert "newer release" in attempt(
        lambda lines: [lines[0].replace(b'"strongroom_backup":1', b'"strongroom_backup":2'), *lines[1:]]
    )
    for table in (b"vault_state", b"master_keys", b"user_keys", b"system_secrets"):
        for column in (b'"id"', b'"mac"', b'"mac_key_id"'):

            def renamed(lines: list[bytes], table: bytes = table, column: bytes = column) -> list[bytes]:
                start = b'{"table":"' + table
                return [line.replace(column, b'"other"') if line.startswith(start) else line for line in lines]

            assert attempt(renamed)
        assert attempt(lambda lines, table=table: [_with_objects(line, table, lines) for line in lines])  # type: ignore[misc]  # mypy infers no lambda with a default
    # Row for row genuine, and yet not what the vault has put together.
    assert "it is forged" in attempt(lambda lines: [lines[0].replace(b'"release":"', b'"release":"9'), *lines[1:]])


def test_an_archive_that_somebody_made_for_the_recipient_is_refused(
    filled: Services, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    """Whoever knows a public key can seal for it: only the vault's stamp tells that an archive is the vault's."""
    with snapshot(filled.storage) as moment:
        head = Head(filled.instance.id, "0001", "0.1.0", 1)
        lines = list(Lines(moment, head, RowSigner(new_key())))
    path = tmp_path / "forged.srb.age"
    path.write_bytes(b"".join(AgeSeal([X25519Recipient.from_text(PUBLIC)]).sealed(lines)))
    forged = Archive(path, Opener(identities=IDENTITIES))
    assert forged.verify().rows > 0
    url = fresh_database("sqlite", migrated=False)

    with pytest.raises(BackupError, match="it is forged"):
        restorer(replace(filled.settings, database_url=url)).restore(HOST, forged, [], no_phases)
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_another_vault_s_keyring_is_named(filled: Services, tmp_path: Path, fresh_database: FreshDatabase) -> None:
    other = make_vault(tmp_path, fresh_database("sqlite"))
    other.storage.close()
    url = fresh_database("sqlite", migrated=False)
    with backed_up(filled, tmp_path) as vault:
        stranger = replace(vault.settings, database_url=url, keyring=other.settings.keyring)

        with pytest.raises(KeyringError, match="belongs to another vault"):
            restorer(stranger).restore(HOST, archive(vault), [], no_phases)
    assert not Path(url.removeprefix("sqlite:///")).exists()


# -- The target --


def test_a_target_that_is_not_empty_is_refused_and_left_as_it_is(
    filled: Services, tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    other = make_vault(tmp_path, fresh_database("sqlite"))
    with other.storage.reading.connect() as connection:
        before = {table.name: connection.execute(sa.select(table)).all() for table in metadata.sorted_tables}
    with pytest.raises(BackupError, match="The target is not empty"):
        restored(filled, other.settings.database_url)
    with other.storage.reading.connect() as connection:
        assert before == {table.name: connection.execute(sa.select(table)).all() for table in metadata.sorted_tables}
    other.storage.close()


def test_what_was_broken_already_is_named_and_nothing_is_stored_unless_it_is_asked_for(
    filled: Services, database_url: str
) -> None:
    [(revision_id,)] = run_sql(filled, "SELECT id FROM revisions ORDER BY id LIMIT 1")
    run_sql(filled, "UPDATE revisions SET blob = substr(blob, 1, 90) WHERE id = :id", id=revision_id)
    make(filled)
    with pytest.raises(BackupError, match="--despite-faults") as caught:
        restored(filled, database_url)
    assert "Revision 1 of environment" in caught.value.message
    storage = Storage(database_url, pool_size=1)
    with storage.read() as unit:
        assert schema_status(unit.connection).state == "current"
        assert first_rows(unit.connection) is None
    storage.close()
    done = restored(filled, database_url, despite_faults=True)
    assert len(done.proof.faults) == 1


def test_age_recipients_open_what_the_host_cannot(
    filled: Services, tmp_path: Path, fresh_database: FreshDatabase
) -> None:

    with backed_up(filled, tmp_path, backup_recipients=PUBLIC, backup_key=tmp_path / "none" / "none.key") as vault:
        make(vault)
        path = newest(vault)
        assert path.name.endswith(".srb.age")
        assert "Give the file of an identity" in _verify(path, Opener())
        broken = bytearray(path.read_bytes())
        broken[-70_000 % len(broken)] ^= 1
        (tmp_path / "broken.srb.age").write_bytes(broken)
        assert "age file is damaged" in _verify(tmp_path / "broken.srb.age", Opener(identities=IDENTITIES))
        url = fresh_database("sqlite")
        opened = Archive(path, Opener(identities=IDENTITIES))
        done = restorer(replace(vault.settings, database_url=url)).restore(HOST, opened, [], no_phases)
        assert done.proof.faults == []


def test_rows_of_sessions_are_in_no_archive(filled: Services, clock: FakeClock) -> None:
    """The audit tells of them by their ids, which are no secrets."""
    person = as_session(filled, log_in(filled, "ada").secret)
    clock.advance(1)
    make(filled)

    with newest(filled).open("rb") as file:
        text = b"".join(Opener(backup_key.read(backup_plan(filled.settings).key_file)).opened(file, "archive"))
    assert person.id.encode() in text
    assert b'{"table":"users"' in text
    assert all(f'{{"table":"{name}"'.encode() not in text for name in LEFT_OUT)


def test_a_database_that_somebody_has_put_text_into_says_so(filled: Services) -> None:
    run_sql(filled, "UPDATE revisions SET blob = 'text' WHERE number = 1")
    with pytest.raises(StorageError, match="A row of revisions has values that this vault did not write"):
        make(filled)


def test_an_older_archive_under_the_name_of_a_newer_one_is_refused(
    filled: Services, clock: FakeClock, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    """It needs no key: whoever writes to the place would choose the past that `latest` brings back."""
    older = newest(filled)
    clock.advance(3600)
    make(filled)
    latest = newest(filled)
    assert latest != older
    older.replace(latest)
    url = fresh_database("sqlite")
    with pytest.raises(BackupError, match="renamed"):
        restored(filled, url, latest)
    with pytest.raises(BackupError, match="renamed"):
        archive(filled, latest).verify()
    own = latest.rename(tmp_path / "a name of my own.srb")
    assert restored(filled, url, own).proof.faults == []
