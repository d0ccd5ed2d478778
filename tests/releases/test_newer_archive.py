"""An archive of the release after this one: restored where it holds nothing that is unknown here, else refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.releases.kept import Asker, Kept
from tests.releases.running import Release
from tests.releases.synthetic import COLUMN, NUMBER, VERSION, next_release
from tests.support.backups import no_phases
from tests.support.vaults import HOST
from vault.app import open_vault, restorer
from vault.errors import BackupError
from vault.keys import backup as backup_key
from vault.services.backup import Archive, Opener, places_at

_OPEN_AND_SET = f"""
from vault import settings
from vault.app import open_vault
from vault.model.principal import host_operator

vault = open_vault(settings.load())
assert vault.keys.upgrading.open(host_operator("test")) > 0
def work(unit):
    row = unit.environments.by_name(unit.users.by_name("bob").id, "home")
    unit.environments.change(row, {COLUMN}="new")
vault.storage.transaction(work)
vault.storage.close()
"""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return next_release(tmp_path_factory.mktemp("newer"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, newer: Release) -> Kept:
    """0.1.0's database, upgraded by the release after this one."""
    made = Kept.unpacked("0.1.0", "sqlite", tmp_path_factory.mktemp("kept"), str)
    newer.command(made.env, "db", "upgrade")
    return made


def _archive(kept: Kept, newer: Release, folder: Path) -> Archive:
    folder.mkdir(mode=0o700)
    newer.command(kept.env | {"STRONGROOM_BACKUP_TO": f"dir:{folder}"}, "backup", "create")
    (path,) = folder.glob("*.srb")
    return Archive(path, Opener(backup_key.read(kept.folder / "keys" / "backup.txt")))


def test_a_newer_archive_is_restored_until_it_holds_what_is_not_known(
    kept: Kept, newer: Release, tmp_path: Path
) -> None:
    found = replace(kept.settings, database_url=f"sqlite:///{tmp_path / 'restored.db'}")
    before = _archive(kept, newer, tmp_path / "before")
    done = restorer(found, kept.clock).restore(HOST, before, places_at(found.backup_to), no_phases)
    assert (done.contents.head.schema, done.proof.faults) == (f"{NUMBER:04}", [])
    again = open_vault(found, kept.clock)
    try:
        assert Asker(kept, again).wrong_reads(sessions=False) == []
    finally:
        again.audit.reads.close()
        again.storage.close()
    path = {"PYTHONPATH": str(newer.code), "PYTHONSAFEPATH": "1"}
    subprocess.run([sys.executable, "-c", _OPEN_AND_SET], env={**os.environ, **kept.env, **path}, check=True)
    after = _archive(kept, newer, tmp_path / "after")
    for attempt in (restorer(found).drill, lambda *words: restorer(found).restore(words[0], words[1], [], words[2])):
        with pytest.raises(BackupError, match=rf"made by release {VERSION}.*Restore it with that release") as caught:
            attempt(HOST, after, no_phases)
        assert "does not know" in caught.value.message
