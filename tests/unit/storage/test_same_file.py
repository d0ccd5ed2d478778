"""A SQLite file that was replaced under a running process takes no more writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vault.errors import DatabaseUnavailable
from vault.storage import Storage, is_missing, migrate
from vault.storage.rows.leases import Leases


def delete(place: Path) -> None:
    place.unlink()


def move(place: Path) -> None:
    place.rename(place.with_suffix(".elsewhere"))


def replace(place: Path) -> None:
    new = place.with_suffix(".new")
    new.write_bytes(place.read_bytes())
    new.replace(place)


@pytest.mark.parametrize("change", [delete, move, replace])
def test_a_file_that_is_another_one_by_now_takes_no_writes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    place = tmp_path / "vault.db"
    url = f"sqlite:///{place}"
    migrate(url)
    storage = Storage(url)
    try:
        with storage.write() as unit:
            Leases(unit.connection).take("one", "somebody", 0, 1)
        change(place)
        with pytest.raises(DatabaseUnavailable, match="deleted, moved or replaced"), storage.write():
            pytest.fail("The transaction began.")
    finally:
        storage.close()


def test_a_file_that_is_moved_back_takes_writes_again(tmp_path: Path) -> None:
    place = tmp_path / "vault.db"
    migrate(f"sqlite:///{place}")
    storage = Storage(f"sqlite:///{place}")
    try:
        with storage.write():
            pass
        elsewhere = place.rename(tmp_path / "elsewhere.db")
        with pytest.raises(DatabaseUnavailable), storage.write():
            pytest.fail("The transaction began.")
        elsewhere.rename(place)
        with storage.write() as unit:
            assert Leases(unit.connection).take("one", "somebody", 0, 1)
    finally:
        storage.close()


@pytest.mark.parametrize("name", ["x" * 256, "x" * 300 + "/v.db", "loop"])
def test_a_path_that_cannot_be_looked_at_is_a_database_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for call in (is_missing, migrate):
        with pytest.raises(DatabaseUnavailable, match=r"cannot be used: .* Check STRONGROOM_DATABASE_URL"):
            call(f"sqlite:///{tmp_path / name}")


@pytest.mark.parametrize("name", ["v.db", "folder/v.db", "file/v.db"])
def test_a_file_that_is_not_there_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert is_missing(f"sqlite:///{tmp_path / name}")
    assert not is_missing(f"sqlite:///{tmp_path / 'file'}")
