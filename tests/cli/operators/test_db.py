"""`strongroom db status` and `db upgrade`: what they say of a database, and what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import FreshDatabase
from tests.integration.storage.test_upgrade import at_revision, transaction
from tests.support.vaults import make_vault, run_sql
from vault.cli import root
from vault.services import Services
from vault.storage.database.schema import SCHEMA


@pytest.fixture
def vault(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    made = make_vault(tmp_path, database_url)
    made.storage.close()
    for name, value in (("DATABASE_URL", database_url), ("DATA_DIR", tmp_path), ("KEYRING", made.settings.keyring)):
        monkeypatch.setenv(f"STRONGROOM_{name}", str(value))
    yield made
    made.storage.close()


def status() -> Result:
    return CliRunner().invoke(root, ["db", "status"])


def test_a_whole_schema_is_current_and_its_workers_are_told(vault: Services) -> None:
    run_sql(
        vault,
        "INSERT INTO workers (id, host, pid, knows_version, state_version, started_us, lease_until_us, release,"
        " row_format) VALUES ('w', 'web-1', 7, 1, 1, 0, :until, '0.1.1', 2)",
        until=time.time_ns() // 1000 + 600_000_000,
    )
    told = status()
    assert (told.exit_code, told.stdout) == (0, "current\n")
    assert "A worker runs on web-1 (process 7, release 0.1.1)." in told.stderr


def test_what_is_missing_is_named_with_what_to_do(vault: Services) -> None:
    run_sql(vault, "DROP INDEX ix_tokens_user")
    run_sql(vault, "CREATE TABLE notes (id integer)")
    run_sql(vault, "ALTER TABLE users ADD COLUMN extra integer")
    told = status()
    assert (told.exit_code, told.stdout) == (1, "damaged\n")
    remedy = "CREATE INDEX ix_tokens_user ON tokens (user_id, created_us)"
    for sentence in (
        f"The index ix_tokens_user of tokens is missing. Make it with `{remedy}`.",
        "restore a backup",
        "do not belong to Strongroom. As far as can be seen they do no harm: notes, users.extra.",
    ):
        assert sentence in told.stderr
    upgraded = CliRunner().invoke(root, ["db", "upgrade"])
    assert upgraded.exit_code == 1
    assert "The index ix_tokens_user of tokens is missing." in upgraded.stderr
    run_sql(vault, remedy)
    assert status().stdout == "current\n"


def test_a_database_that_names_two_schemas_is_not_taken_for_a_newer_one(vault: Services) -> None:
    run_sql(vault, "INSERT INTO alembic_version VALUES ('0001')")
    told = status()
    assert told.exit_code == 1
    assert "several schemas at once" in told.stderr


HOSTILE = "e\x1b[2J\x1b[1;1Hcurrent\nThe schema is whole \u202e"
ESCAPED = r"e\x1b[2J\x1b[1;1Hcurrent\nThe schema is whole \u202e"


@pytest.mark.parametrize(
    "change",
    [
        f'CREATE TABLE "{HOSTILE}" (x integer)',
        f'ALTER TABLE users ADD COLUMN "{HOSTILE}" integer',
        f'CREATE UNIQUE INDEX "{HOSTILE}" ON tokens (name)',
        f'ALTER TABLE tokens ADD COLUMN note text CONSTRAINT "{HOSTILE}" CHECK (true)',
        f"UPDATE alembic_version SET version_num = '{HOSTILE[:30]}'",
        "INSERT INTO workers (id, host, pid, knows_version, state_version, started_us, lease_until_us, release,"
        f" row_format) VALUES ('w', '{HOSTILE}', 7, 1, 1, 0, 4000000000000000, '0.1.1', 2)",
    ],
)
def test_no_name_in_the_database_steers_the_terminal(vault: Services, change: str) -> None:
    with vault.storage.writing.begin() as connection:
        connection.exec_driver_sql(change)
    told = status()
    assert all(character.isprintable() for character in told.output.replace("\n", ""))
    assert "\nThe schema is whole" not in told.output
    assert ESCAPED[:30].lower() in told.stderr.lower()


@pytest.mark.parametrize("revision", ["9" * 5000, "²", "٣", "-1", "3 ", "x" * 10**6])
def test_a_schema_that_is_no_number_is_a_newer_one(
    tmp_path: Path, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    url = fresh_database("sqlite")
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", url)
    monkeypatch.setenv("STRONGROOM_DATA_DIR", str(tmp_path))
    with transaction(url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,))
    told = status()
    assert (told.exit_code, told.stdout) == (1, "newer\n")
    assert "A newer release of Strongroom made the database's schema" in told.stderr
    assert len(told.stderr) < 1000


def test_a_newer_schema_is_accepted_or_not(vault: Services) -> None:
    run_sql(vault, "UPDATE alembic_version SET version_num = '0099'")
    told = status()
    assert (told.exit_code, told.stdout) == (1, "newer\n")
    assert "Run that newer release, or restore a backup" in told.stderr
    run_sql(vault, "INSERT INTO schema_readers (revision, oldest_reader) VALUES ('0099', 2)")
    told = status()
    assert (told.exit_code, told.stdout) == (0, "accepted\n")
    assert "this release may use it. Nothing to do." in told.stderr
    upgraded = CliRunner().invoke(root, ["db", "upgrade"])
    assert upgraded.exit_code == 0
    assert "Nothing was changed" in upgraded.stderr


@pytest.mark.parametrize(
    "contents", [b"\x00" * 9000, b"no database at all " * 500, b"SQLite format 3\x00" + b"x" * 9000]
)
def test_a_file_that_is_no_database_is_said_to_be_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: bytes
) -> None:
    place = tmp_path / "strongroom.db"
    place.write_bytes(contents)
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", f"sqlite:///{place}")
    monkeypatch.setenv("STRONGROOM_DATA_DIR", str(tmp_path))
    for words in (["db", "status"], ["db", "upgrade"], ["serve"]):
        told = CliRunner().invoke(root, words)
        assert told.exit_code == 1
        assert "The database file is damaged, or is not a SQLite database." in told.stderr
    assert place.read_bytes() == contents


def test_an_older_schema_asks_for_an_upgrade(
    tmp_path: Path, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database("sqlite", migrated=False)
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", url)
    monkeypatch.setenv("STRONGROOM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("STRONGROOM_KEYRING", str(tmp_path / "keyring.json"))
    with transaction(url):
        assert status().stdout == "empty\n"
    at_revision(url, "0001")
    told = status()
    assert (told.exit_code, told.stdout) == (1, "older\n")
    assert "strongroom db upgrade" in told.stderr
    with transaction(url) as connection:
        connection.exec_driver_sql("DROP INDEX ix_tokens_user")
        connection.exec_driver_sql("CREATE TRIGGER mine AFTER INSERT ON users BEGIN DELETE FROM users; END")
    for words in ("status", "upgrade"):
        told = CliRunner().invoke(root, ["db", words])
        assert told.exit_code == 1
        for fault in (
            "The index ix_tokens_user of tokens is missing. Make it with",
            "There is a trigger mine on users.",
        ):
            assert fault in told.stderr
    assert status().stdout == "damaged\n"
    with transaction(url) as connection:
        connection.exec_driver_sql("CREATE INDEX ix_tokens_user ON tokens (user_id, created_us)")
        connection.exec_driver_sql("DROP TRIGGER mine")
    upgraded = CliRunner().invoke(root, ["db", "upgrade"])
    assert f"The schema was upgraded from 0001 to {SCHEMA}. Start the servers of this release" in upgraded.stderr
    again = CliRunner().invoke(root, ["db", "upgrade"])
    assert f"already has this release's schema ({SCHEMA})" in again.stderr
