"""The spool: what was acknowledged is there, whoever dies and whatever the disk does."""

from __future__ import annotations

import contextlib
import contextvars
import errno
import os
import secrets
import threading
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.patience import HANG_SECONDS
from vault.crypto import SealedBlob
from vault.errors import AuditUnavailable
from vault.model.event import GONE, SpooledEvent
from vault.observe import metrics
from vault.services.audit.record import DETAILS_MOST, LABEL_MOST, NAMES_MOST, bounded_details, compact, folded
from vault.storage import Spool, SpoolFile, hold, when_settled
from vault.storage.spool.spool_file import BLOB_MOST_BYTES, HEADER_BYTES, RECORD, RecordTooLarge

MOST = 1 << 24


def blob(text: str = "a sealed record") -> SealedBlob:
    return SealedBlob(text.encode())


def append(spool: Spool, count: int = 1) -> list[bytes]:
    ids = [uuid.uuid4().bytes for _ in range(count)]
    for record_id in ids:
        spool.append(record_id, blob())
    return ids


def held(spool: Spool) -> list[bytes]:
    """The ids of what the spool gives to be drained; all of it is given back."""
    found = []
    for file in spool.take():
        found += [record_id for record_id, _ in file.records()]
        spool.drained(file)
    return found


def left_behind(directory: Path) -> list[bytes]:
    """The ids of what another process finds."""
    found = []
    for file in Spool(directory, MOST).left_behind():
        found += [record_id for record_id, _ in file.records()]
        file.remove()
    return found


def fail_writes(patch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    patch.setattr(os, "pwrite", refuse)


def test_records_are_given_in_order_and_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    assert held(spool) == ids
    assert held(spool) == []


def test_a_drained_file_is_used_again_and_shows_nothing_of_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    for _ in range(6):
        ids = append(spool, 5)
        assert held(spool) == ids
    assert len(list(tmp_path.iterdir())) == 2
    last = append(spool, 1)
    del spool
    assert held_after_death(tmp_path) == last


def held_after_death(directory: Path) -> list[bytes]:
    """What stands in the files of a process that did not close them: its locks die with it, so they are opened here."""
    found = []
    for path in sorted(directory.glob("*.spool")):
        copy = path.with_name(f"copy-of-{path.name}")
        copy.write_bytes(path.read_bytes())
        file = SpoolFile.adopt(copy)
        assert file is not None
        found += [record_id for record_id, _ in file.records()]
        file.remove()
    return found


def test_what_waits_while_the_database_is_away_stays_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = []
    for _ in range(5):
        ids += append(spool, 2)
        spool.take()
    assert len(list(tmp_path.iterdir())) == 3
    assert held(spool) + held(spool) == ids


def test_a_living_worker_s_files_are_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    append(spool)
    assert left_behind(tmp_path) == []
    assert len(held(spool)) == 1


def test_a_dead_worker_s_files_are_found_and_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    spool.close()
    assert left_behind(tmp_path) == ids
    assert list(tmp_path.iterdir()) == []


def test_an_empty_spool_leaves_no_file_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    append(spool)
    held(spool)
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_torn_tail_is_no_record(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    spool.close()
    path = next(tmp_path.glob("*.spool"))
    content = bytearray(path.read_bytes())
    end = content.rindex(blob())
    content[end + 4 : end + 8] = bytes(4)
    path.write_bytes(content)
    assert left_behind(tmp_path) == ids[:2]


def test_a_record_that_was_damaged_on_the_disk_does_not_hide_those_behind_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    spool.close()
    path = next(tmp_path.glob("*.spool"))
    content = bytearray(path.read_bytes())
    content[content.index(blob())] ^= 1
    path.write_bytes(content)
    assert left_behind(tmp_path) == ids[1:]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_takes_no_writes_refuses_and_recovers(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 2)
    with monkeypatch.context() as patch:
        fail_writes(patch, number)
        for _ in range(2):
            with pytest.raises(AuditUnavailable):
                append(spool)
    ids += append(spool, 2)
    assert held(spool) == ids


def test_a_directory_that_is_gone_refuses_and_recovers(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    place.write_text("a file stands where the directory should be")
    spool = Spool(place, MOST)
    with pytest.raises(AuditUnavailable):
        append(spool)
    place.unlink()
    assert held(spool) == [] != append(spool)
    assert len(held(spool)) == 1


def test_a_full_spool_refuses_until_it_is_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 600)
    stored = []
    with contextlib.suppress(AuditUnavailable):
        while made := append(spool):
            stored += made
    assert 5 <= len(stored) <= 20
    assert held(spool) == stored
    assert append(spool)


def test_many_at_once_are_all_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids: list[bytes] = []
    drained: list[bytes] = []
    threads = [threading.Thread(target=lambda: ids.extend(append(spool, 40))) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drained += held(spool)
    drained += held(spool)
    assert len(ids) == 320
    assert sorted(drained) == sorted(ids)


def test_those_who_wait_together_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, MOST)
    append(spool)
    writes = []
    arrived, leave = threading.Event(), threading.Event()
    real = os.pwrite

    def slow(descriptor: int, data: bytes, offset: int) -> int:
        writes.append(offset)
        arrived.set()
        leave.wait(HANG_SECONDS)
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", slow)
    threads = [threading.Thread(target=append, args=(spool,)) for _ in range(5)]
    threads[0].start()
    arrived.wait(HANG_SECONDS)
    for thread in threads[1:]:
        thread.start()
    while len(spool._batch.records) < 4:
        pass
    leave.set()
    for thread in threads:
        thread.join()
    assert len(writes) == 2
    assert len(held(spool)) == 6


@pytest.mark.parametrize("is_broken", [False, True])
def test_whoever_holds_a_receipt_goes_on_and_hears_how_it_went(
    is_broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, MOST)
    first = append(spool)
    arrived, leave = threading.Event(), threading.Event()
    real = os.pwrite

    def slow(descriptor: int, data: bytes, offset: int) -> int:
        arrived.set()
        leave.wait(HANG_SECONDS)
        if is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", slow)

    def attempt() -> None:
        with contextlib.suppress(AuditUnavailable):
            append(spool)

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    threads[0].start()
    arrived.wait(HANG_SECONDS)
    threads[1].start()
    while len(spool._batch.records) < 1:
        pass
    context, heard, ids = contextvars.copy_context(), list[bool](), list[bytes]()
    receipts = context.run(hold)
    ids += context.run(append, spool, 2)
    when_settled(receipts, heard.append)
    assert (len(receipts), heard) == (2, [])
    leave.set()
    for thread in threads:
        thread.join()
    assert heard == [not is_broken]
    monkeypatch.undo()
    stored = held(spool)
    assert set(first) <= set(stored)
    assert (set(ids) <= set(stored)) != is_broken


def test_files_are_for_nobody_else(tmp_path: Path) -> None:
    place = tmp_path / "spool"
    append(Spool(place, MOST))
    assert place.stat().st_mode & 0o777 == 0o700
    assert next(place.glob("*.spool")).stat().st_mode & 0o777 == 0o600


def test_a_file_of_another_format_is_left_alone(tmp_path: Path) -> None:
    for name, header in (("a", b"SRMSPL2\n"), ("b", b"\xff" * 16), ("c", b"SRM")):
        (tmp_path / f"{name}.spool").write_bytes(header + b"sealed by a newer release" * 8)
    spool = Spool(tmp_path, MOST)
    for _ in range(2):
        assert list(spool.left_behind()) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_whose_maker_died_before_its_header_is_found_and_empty(tmp_path: Path) -> None:
    (tmp_path / "a.spool").write_bytes(bytes(1 << 20))
    (tmp_path / "b.spool").write_bytes(b"")
    assert left_behind(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def damaged(path: Path, change: Callable[[bytearray, list[int]], None], blobs: list[bytes]) -> None:
    """Change a file of the spool; `change` gets its bytes and where each record's header starts."""
    content = bytearray(path.read_bytes())
    change(content, [content.index(each) - 24 for each in blobs])
    path.write_bytes(content)


def _too_long(content: bytearray, starts: list[int]) -> None:
    content[starts[1] : starts[1] + 4] = (2 << 20).to_bytes(4, "big")


def _wrong_but_likely(content: bytearray, starts: list[int]) -> None:
    content[starts[1] : starts[1] + 4] = (40).to_bytes(4, "big")


def _zero(content: bytearray, starts: list[int]) -> None:
    content[starts[1] : starts[1] + 24] = bytes(24)


def _huge(content: bytearray, starts: list[int]) -> None:
    content[starts[1] : starts[1] + 4] = b"\xff" * 4


@pytest.mark.parametrize("change", [_too_long, _wrong_but_likely, _zero, _huge])
def test_a_damaged_length_hides_nothing_behind_it(
    tmp_path: Path, change: Callable[[bytearray, list[int]], None]
) -> None:
    spool = Spool(tmp_path, MOST)
    ids, blobs = [uuid.uuid4().bytes for _ in range(5)], [os.urandom(300 + number) for number in range(5)]
    for record_id, each in zip(ids, blobs, strict=True):
        spool.append(record_id, SealedBlob(each))
    spool.close()
    damaged(next(tmp_path.glob("*.spool")), change, blobs)
    assert left_behind(tmp_path) == [ids[0], *ids[2:]]


@pytest.mark.parametrize("size", [0, BLOB_MOST_BYTES + 1, (1 << 20) + 1])
def test_a_record_that_is_too_large_is_refused_and_hides_nothing(tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path, MOST)
    before = append(spool)
    with pytest.raises(AuditUnavailable, match="too large"):
        spool.append(uuid.uuid4().bytes, SealedBlob(bytes(size)))
    after = append(spool, 2)
    assert held(spool) == [*before, *after]
    spool.close()


@pytest.mark.parametrize("size", [0, BLOB_MOST_BYTES + 1, (1 << 20) + 1])
def test_a_file_writes_nothing_of_a_batch_with_a_record_that_is_too_large(tmp_path: Path, size: int) -> None:
    file = SpoolFile.create(tmp_path)
    ids = [uuid.uuid4().bytes for _ in range(4)]
    file.write([(ids[0], blob())])
    content = file.path.read_bytes()
    with pytest.raises(RecordTooLarge):
        file.write([(ids[1], blob()), (ids[2], SealedBlob(bytes(size)))])
    assert (file.path.read_bytes(), file.is_sound) == (content, True)
    file.write([(ids[3], SealedBlob(bytes(BLOB_MOST_BYTES)))])
    assert [record_id for record_id, _ in file.records()] == [ids[0], ids[3]]
    file.close()


def _too_large_inside(file: Path) -> None:
    """Put a whole record of more than a mebibyte between the first record and the others."""
    content = file.read_bytes()
    stop = HEADER_BYTES + RECORD.size + len(blob())
    seed, record_id, large = zlib.crc32(content[8:HEADER_BYTES]), uuid.uuid4().bytes, os.urandom((1 << 20) + 1)
    head = RECORD.pack(len(large), zlib.crc32(large, zlib.crc32(record_id, seed)), record_id)
    file.write_bytes(content[:stop] + head + large + content[stop:])


@pytest.mark.parametrize("kind", ["own", "left behind", "set aside"])
def test_a_record_over_a_mebibyte_is_skipped_counted_and_logged(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spool, counter = Spool(tmp_path, MOST), metrics().integrity_errors.labels(kind="spool")
    ids, before = append(spool, 3), counter._value.get()
    (path,) = tmp_path.glob("*.spool")
    if kind == "set aside":
        (own,) = spool.take()
        spool.set_aside(own, {"BlobError": 1})
        (tmp_path / "set-aside" / path.name).rename(path)
    elif kind == "left behind":
        spool.close()
    _too_large_inside(path)
    if kind == "own":
        (own,) = spool.take()
        # The worker knows where its last record ends.
        own.end += RECORD.size + (1 << 20) + 1
        assert [record_id for record_id, _ in own.records()] == ids
    else:
        assert left_behind(tmp_path) == ids
    assert counter._value.get() - before == 1
    assert "audit_spool_damaged" in capsys.readouterr().err
    spool.close()


def test_the_largest_event_fits_into_a_record() -> None:
    texts = dict.fromkeys(SpooledEvent._fields, "\U0001f511" * LABEL_MOST) | {
        "details": bounded_details({"x": '"' * (DETAILS_MOST // 2 - 5)}),
        "names": folded(GONE + secrets.token_hex(12) for _ in range(2 * NAMES_MOST)),
    }
    event = SpooledEvent(**texts)  # type: ignore[arg-type] # Texts are longer than the numbers.
    assert len(event.details) > DETAILS_MOST - 8
    assert len(compact(event)) < BLOB_MOST_BYTES // 2


def test_a_file_that_is_set_aside_keeps_all_its_records_and_is_drained_again_when_moved_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    (file,) = spool.take()
    spool.set_aside(file, {"BlobError": 2})
    (path,) = (tmp_path / "set-aside").iterdir()
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (file.end, 0o600)
    assert (spool.take(), left_behind(tmp_path)) == ([], [])
    path.rename(tmp_path / path.name)
    assert left_behind(tmp_path) == ids


def test_a_file_that_was_left_behind_can_be_set_aside(tmp_path: Path) -> None:
    dying = Spool(tmp_path, MOST)
    append(dying)
    dying.close()
    spool = Spool(tmp_path, MOST)
    for file in spool.left_behind():
        spool.set_aside(file, {"BlobError": 1})
    assert len(list((tmp_path / "set-aside").iterdir())) == 1
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("failing", ["sync_directory", "SpoolFile.close", "os.ftruncate"])
def test_a_file_that_could_not_be_set_aside_is_at_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    (file,) = spool.take()

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as broken:
        broken.setattr(f"vault.storage.spool.spool_file.{failing}", fail)
        with pytest.raises(OSError, match="broken"):
            spool.set_aside(file, {"BlobError": 1})
    assert spool.take() == [file]
    spool.set_aside(file, {"BlobError": 1})
    assert spool.take() == []
    (path,) = (tmp_path / "set-aside").iterdir()
    path.rename(tmp_path / path.name)
    assert left_behind(tmp_path) == ids


def test_a_file_that_somebody_has_deleted_is_set_aside_all_the_same(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    ids = append(spool, 3)
    (file,) = spool.take()
    file.path.unlink()
    spool.set_aside(file, {"BlobError": 1})
    (path,) = (tmp_path / "set-aside").iterdir()
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (file.end, 0o600)
    path.rename(tmp_path / path.name)
    assert left_behind(tmp_path) == ids


def test_a_file_that_somebody_has_deleted_takes_no_more_records(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    append(spool)
    (file,) = spool.take()
    file.path.unlink()
    spool.drained(file)
    ids = append(spool)
    # A drained file is the next to be written.
    spool.take()
    ids += append(spool, 2)
    spool.close()
    assert sorted(left_behind(tmp_path)) == sorted(ids)


@pytest.mark.parametrize("foreign", [[MOST + 1], [MOST // 2, MOST // 2 + 1], [0] * (MOST // 4096 + 1)])
def test_nothing_is_recorded_while_the_folder_set_aside_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: list[int]
) -> None:
    folder = tmp_path / "set-aside"
    folder.mkdir()
    for number, size in enumerate(foreign):
        with (folder / str(number)).open("wb") as file:
            file.truncate(size)
    spool = Spool(tmp_path, MOST)
    assert spool.set_aside_bytes() > MOST
    with pytest.raises(AuditUnavailable):
        append(spool)
    with pytest.raises(OSError, match="set-aside of the spool is full"):
        spool.make_room()
    assert len(list(folder.iterdir())) == len(foreign)
    for path in folder.iterdir():
        path.unlink()
    monkeypatch.setattr("vault.storage.spool.set_aside._MEASURED_SECONDS", 0)
    assert append(spool)


def test_what_is_set_aside_counts_at_once_and_is_never_deleted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10_000)
    for _ in range(3):
        append(spool)
        (file,) = spool.take()
        spool.set_aside(file, {"BlobError": 1})
    assert spool.set_aside_bytes() > 10_000
    with pytest.raises(AuditUnavailable):
        append(spool)
    assert len(list((tmp_path / "set-aside").iterdir())) == 3


@pytest.mark.parametrize(
    ("first", "length"),
    [
        (b"\x00\x00\xff\xff", 1 << 20),
        (b"\x00\x00\xff\xfe", 1 << 20),
        (b"\x00\x00\x00\x01", 1 << 20),
        (b"\x01", 80 << 20),
        (b"\x01", 1 << 40),
    ],
)
def test_a_file_made_to_waste_time_is_left_alone_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes, length: int
) -> None:
    monkeypatch.setattr("vault.storage.spool.spool_file._WORK_MOST", 1 << 26)
    spool = Spool(tmp_path, MOST)
    ids = append(spool)
    spool.close()
    hostile = tmp_path / "0.spool"
    with hostile.open("wb") as file:
        file.write(b"SRMSPL1\n" + b"epoch  1" + (first * (length // 4) if len(first) > 1 else first))
        file.truncate(length)
    assert left_behind(tmp_path) == ids
    assert hostile.exists()


@pytest.mark.parametrize("size", [150, 240, 600])
def test_old_records_behind_the_end_of_a_file_are_no_damage(tmp_path: Path, size: int) -> None:
    ids = [uuid.uuid4().bytes for _ in range(7_900_000 // (size + 24))]
    file = SpoolFile.create(tmp_path)
    file.write([(record_id, blob("x" * size)) for record_id in ids])
    file.restart()
    file.write([(ids[0], blob())])
    file.close()
    assert left_behind(tmp_path) == ids[:1]
