"""Helpers for tests of backups: a vault with two places and a backup key, and restores of its archives.

with backed_up(vault, tmp_path) as vault:
    make(vault)
    restored(vault, fresh_database("postgresql"))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.vaults import HOST
from vault.app import open_vault, restorer
from vault.keys import backup as backup_key
from vault.model.clock import Clock, now_us
from vault.services import Services
from vault.services.backup import Archive, ArchiveKind, Made, Opener, Restored, places_at
from vault.services.pace import Progress, no_progress
from vault.settings import Settings
from vault.wiring import backup_plan


def no_phases(_what: str) -> Progress:
    """Ignore progress."""
    return no_progress


@contextmanager
def backed_up(vault: Services, tmp_path: Path, **changes: Any) -> Iterator[Services]:
    """Return the vault with a backup key and two directories for its archives: `a` and `b`."""
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
    given = {"backup_to": ",".join(f"dir:{folder}" for folder in folders), "backup_key": tmp_path / "keys" / "b.key"}
    settings = replace(vault.settings, **{**given, **changes})
    if settings.backup_key is not None and not settings.backup_key.exists():
        backup_key.make(settings.backup_key)
    opened = open_vault(settings, vault.clock)
    try:
        yield opened
    finally:
        opened.storage.close()


def make(vault: Services, kind: ArchiveKind = ArchiveKind.DAILY, *, only_if_changed: bool = False) -> Made:
    """Make a backup in every place. Fail if one place fails."""
    made = vault.backups.create(HOST, kind, only_if_changed=only_if_changed)
    assert [told.error for told in made.places if told.error] == []
    return made


def newest(vault: Services, place: int = 0) -> Path:
    """Return the file of the newest archive in a directory."""
    folder = Path(vault.settings.backup_to.split(",")[place].removeprefix("dir:"))
    return max(folder.glob("*.srb*"))


def archive(vault: Services, path: Path | None = None) -> Archive:
    """Return an archive that opens with the vault's own backup key."""
    return Archive(path or newest(vault), Opener(backup_key.read(backup_plan(vault.settings).key_file)))


def restored(vault: Services, url: str, path: Path | None = None, *, clock: Clock = now_us, **options: Any) -> Restored:
    """Restore an archive (by default the newest in the first place) into a database, with the lists of erased keys."""
    settings = replace(vault.settings, database_url=url)
    places = places_at(settings.backup_to)
    return restorer(settings, clock).restore(HOST, archive(vault, path), places, no_phases, **options)


@contextmanager
def opened_at(settings: Settings, url: str, clock: Clock = now_us) -> Iterator[Services]:
    """Return the vault in another database, with the same keyring."""
    found = open_vault(replace(settings, database_url=url), clock)
    try:
        yield found
    finally:
        found.storage.close()
