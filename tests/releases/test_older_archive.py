"""0.1.1 and archives of a newer schema: one that it made lacks what it does not know, and one of 0.2.0 it refuses."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.releases.kept import Kept
from tests.releases.running import Release
from tests.support.backups import no_phases
from tests.support.vaults import HOST
from vault.app import restorer
from vault.errors import BackupError
from vault.keys import backup as backup_key
from vault.services.backup import Archive, Opener, places_at


def test_an_archive_by_a_release_older_than_the_schema_is_refused_and_restored_if_asked_for(
    tmp_path: Path, this_release: Release, unpacked_releases: dict[str, Release]
) -> None:
    kept = Kept.unpacked("0.1.1", "sqlite", tmp_path / "kept", str)
    this_release.command(kept.env, "db", "upgrade")
    folder = tmp_path / "archives"
    folder.mkdir(mode=0o700)
    unpacked_releases["0.1.1"].command(kept.env | {"STRONGROOM_BACKUP_TO": f"dir:{folder}"}, "backup", "create")
    (path,) = folder.glob("*.srb")
    archive = Archive(path, Opener(backup_key.read(kept.folder / "keys" / "backup.txt")))
    found = replace(kept.settings, database_url=f"sqlite:///{tmp_path / 'restored.db'}")
    restore, places = restorer(found, kept.clock).restore, places_at(found.backup_to)
    with pytest.raises(BackupError, match=r"Release 0\.1\.1 made this archive .* schema 0003") as caught:
        restore(HOST, archive, places, no_phases)
    # The kept tables that 0003 made come first.
    assert "did not save what it does not know: client_key_sets, client_key_slots," in caught.value.message
    assert "--incomplete" in caught.value.message
    _, proof = restorer(found).drill(HOST, archive, no_phases)
    assert proof.faults == []
    with pytest.raises(BackupError, match="--incomplete"):
        restore(HOST, archive, places, no_phases, despite_faults=True)
    done = restore(HOST, archive, places, no_phases, incomplete=True)
    assert (done.proof.faults, done.proof.missing) == ([], proof.missing)


def test_an_archive_of_0_2_0_is_refused_by_0_1_1_which_stores_nothing(
    tmp_path: Path, unpacked_releases: dict[str, Release]
) -> None:
    kept = Kept.unpacked("0.2.0", "sqlite", tmp_path / "kept", str)
    database = tmp_path / "restored.db"
    empty = kept.env | {"STRONGROOM_DATABASE_URL": f"sqlite:///{database}"}
    for options in ([], ["--despite-faults"]):
        done = unpacked_releases["0.1.1"].run(empty, "backup", "restore", *options, str(kept.archive))
        assert done.returncode == 1, (options, done.stdout, done.stderr)
        assert "was made by release 0.2.0, with the schema 0003." in done.stderr
        assert "Restore it with that release or a newer one." in done.stderr
        with contextlib.closing(sqlite3.connect(database)) as stored:
            assert stored.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == []
