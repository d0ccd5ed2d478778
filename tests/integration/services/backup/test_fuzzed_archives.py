"""Damaged archives of every release, and forged ones, are refused with a sentence; a few of each kind.

tests/soak/test_damaged_files.py goes on for longer, with other seeds.
"""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.damaged_archives import Subject, Trial, inside, kept_archives, outside
from vault.errors import BackupError
from vault.services.backup import Archive, archive


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    return list(kept_archives(tmp_path_factory.mktemp("kept")))


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_a_damaged_archive_is_refused_and_nothing_is_restored(tmp_path: Path, subjects: list[Subject]) -> None:
    trial, chance = Trial(tmp_path), random.Random(11)
    for subject in subjects:
        for case in outside(subject, chance):
            trial.feed(subject, case)
    for subject in (subjects[0], subjects[-1]):
        for case in inside(subject, subject.lines(tmp_path), chance):
            trial.feed(subject, case)
    assert trial.faults == []
    assert trial.tried > 50
    assert trial.refused > 0.9 * trial.tried


def test_the_whole_archives_are_restored(tmp_path: Path, subjects: list[Subject]) -> None:
    # Without this, a trial that refuses everything would prove nothing.
    for subject in subjects:
        path = tmp_path / f"{subject.name}{subject.suffix}"
        path.write_bytes(subject.data)
        assert Archive(path, subject.opener).verify().rows > 0


def read(subject: Subject, folder: Path, text: bytes) -> str:
    """How `verify` refuses these lines."""
    path = folder / f"forged{subject.suffix}"
    path.write_bytes(subject.sealed(text))
    with pytest.raises(BackupError) as caught:
        Archive(path, subject.opener).verify()
    return caught.value.message


def test_a_forged_archive_of_many_tables_is_refused_at_the_first_too_many(
    tmp_path: Path, subjects: list[Subject]
) -> None:
    head = subjects[-1].lines(tmp_path)[0]
    tables = b"".join(b'{"table":"t%d","columns":["id"]}\n' % number for number in range(archive._TABLES_MOST + 1))
    assert "not in the format of an archive" in read(subjects[-1], tmp_path, head + tables)


@pytest.mark.parametrize(
    "line", [b'{"end":{' + b'"a":1,' * 2000 + b'"a":1}}\n', b'{"table":"x","columns":[' + b'"a",' * 2000 + b'"a"]}\n']
)
def test_a_line_with_more_items_than_any_table_has_columns_is_refused(
    tmp_path: Path, subjects: list[Subject], line: bytes
) -> None:
    head = subjects[-1].lines(tmp_path)[0]
    assert "not in the format of an archive" in read(subjects[-1], tmp_path, head + line)


def test_the_rows_that_are_kept_in_memory_have_a_bound_in_bytes(
    tmp_path: Path, subjects: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = subjects[-1].lines(tmp_path)[0]
    monkeypatch.setattr(archive, "_OWN_MOST_BYTES", 100_000)
    rows = b'{"table":"vault_state","columns":["id"]}\n' + b"".join([json.dumps(["x" * 30_000]).encode() + b"\n"] * 4)
    assert "not in the format of an archive" in read(subjects[-1], tmp_path, head + rows)


def test_a_line_that_is_too_long_is_refused_before_it_is_whole(
    tmp_path: Path, subjects: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_LINE_MOST", 100_000)
    head = subjects[-1].lines(tmp_path)[0]
    assert "too long for an archive" in read(subjects[-1], tmp_path, head + b'["' + b"x" * 300_000 + b'"]\n')


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a device"])
def test_what_is_no_regular_file_is_refused_before_it_is_opened(
    tmp_path: Path, subjects: list[Subject], kind: str
) -> None:
    path = tmp_path / "archive.srb"
    if kind == "a directory":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    with pytest.raises(BackupError, match="is not a regular file"):
        Archive(path, subjects[0].opener).verify()
