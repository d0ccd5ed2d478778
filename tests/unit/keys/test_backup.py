"""The backup key's file: made once, as safe as a keyring, and told apart from anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.errors import KeyringError
from vault.keys import backup


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "backup.key"


def test_a_key_is_made_and_read_again(path: Path) -> None:
    made = backup.make(path)
    assert backup.read(path) == made
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert path.read_text().startswith(f"strongroom-backup-key-1:{made.id}:")


def test_a_key_is_never_replaced(path: Path) -> None:
    made = backup.make(path)
    with pytest.raises(KeyringError, match="never replaces"):
        backup.make(path)
    assert backup.read(path) == made


def test_a_key_that_others_can_read_is_refused(path: Path) -> None:
    backup.make(path)
    path.chmod(0o640)
    with pytest.raises(KeyringError, match=r"backup key file .* is open to other users .* chmod 0600"):
        backup.read(path)


def test_a_symbolic_link_is_refused(path: Path) -> None:
    backup.make(path)
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(KeyringError, match=r"symbolic link.*STRONGROOM_BACKUP_KEY"):
        backup.read(link)


def test_a_missing_one_says_what_is_lost_with_it(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with pytest.raises(KeyringError, match="without it no archive under it can be opened"):
        backup.read(path)


@pytest.mark.parametrize("text", ["", "x", "strongroom-backup-key-2:a:b", "strongroom-backup-key-1:not-a-uuid:AAAA"])
def test_what_is_no_backup_key_is_refused_and_not_quoted(path: Path, text: str) -> None:
    backup.make(path)
    path.write_text(text)
    with pytest.raises(KeyringError, match="is not a backup key") as caught:
        backup.read(path)
    assert caught.value.__cause__ is None
    assert "AAAA" not in str(caught.value)
