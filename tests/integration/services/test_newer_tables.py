"""Rows of a newer release in tables that this one does not know: a reseal refuses them, a backup names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.backups import backed_up, make
from tests.support.vaults import HOST, make_vault, run_sql
from vault.cli import root
from vault.errors import Conflict
from vault.services import Services


@pytest.fixture
def vault(tmp_path: Path, database_url: str) -> Iterator[Services]:
    """A vault in a database of its own, because these tests change the schema."""
    made = make_vault(tmp_path, database_url)
    yield made
    made.storage.close()


@pytest.fixture
def newer(vault: Services, tmp_path: Path) -> Iterator[Services]:
    """A vault whose database a newer release has upgraded; it has a signed table, a plain one and an empty one."""
    run_sql(vault, "UPDATE alembic_version SET version_num = '0099'")
    run_sql(vault, "INSERT INTO schema_readers (revision, oldest_reader) VALUES ('0099', 2)")
    run_sql(vault, "CREATE TABLE pledges (id integer, mac_key_id varchar(36), mac varchar(32))")
    run_sql(vault, "CREATE TABLE plain (id integer)")
    run_sql(vault, "CREATE TABLE hollow (id integer)")
    with backed_up(vault, tmp_path) as opened:
        yield opened


def test_a_reseal_that_could_not_sign_every_row_does_not_begin(newer: Services) -> None:
    run_sql(newer, "INSERT INTO pledges VALUES (1, 'k', 'm')")
    run_sql(newer, "INSERT INTO plain VALUES (1)")
    with pytest.raises(Conflict, match=r"does not know: pledges\. .* Run the reseal with that newer release"):
        newer.keys.reseal.run(HOST)
    assert newer.keys.reseal.status(HOST).began_us is None


def test_a_reseal_runs_beside_tables_that_need_no_new_signature(newer: Services) -> None:
    run_sql(newer, "INSERT INTO plain VALUES (1)")
    assert newer.keys.reseal.run(HOST)


def test_a_backup_names_what_it_does_not_have(newer: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(newer).left_out == ["hollow", "plain", "pledges"]
    run_sql(newer, "ALTER TABLE users ADD COLUMN extra text")
    run_sql(newer, "INSERT INTO pledges VALUES (1, 'k', 'm')")
    run_sql(newer, "INSERT INTO plain VALUES (1)")
    assert make(newer).left_out == ["hollow", "plain", "pledges", "users.extra"]
    settings = newer.settings
    for name in ("database_url", "data_dir", "keyring", "backup_to", "backup_key"):
        monkeypatch.setenv(f"STRONGROOM_{name.upper()}", str(getattr(settings, name)))
    told = CliRunner().invoke(root, ["backup", "create"])
    assert told.exit_code == 0, told.stderr
    assert "with --incomplete: hollow, plain, pledges, users.extra. Make the backup with that release." in told.stderr


def test_tables_of_the_operator_are_not_a_newer_release_s(vault: Services) -> None:
    run_sql(vault, "CREATE TABLE pledges (id integer, mac_key_id varchar(36), mac varchar(32))")
    run_sql(vault, "INSERT INTO pledges VALUES (1, 'k', 'm')")
    assert vault.keys.reseal.run(HOST)
