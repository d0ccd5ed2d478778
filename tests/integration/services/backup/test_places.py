"""Where archives lie: each place for itself, whole or not at all, and nothing goes that must stay."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from tests.conftest import FreshDatabase
from tests.support.backups import archive, backed_up, make, newest, restored
from tests.support.vaults import HOST, FakeClock, add_environment, make_vault, values
from tests.support.vaults import add_person as add
from vault.errors import BackupError, DatabaseUnavailable, ErasedListError, KeyringError
from vault.model.clock import DAY_US, HOUR_US
from vault.services import Services
from vault.services.backup import ArchiveKind, erased, place_at, places_at
from vault.services.backup.bucket import BucketPlace
from vault.services.backup.erased import fetched_list, list_name
from vault.services.backup.keeping import Keeping
from vault.services.backup.names import ArchiveName, archives_in

ROOT_WRITES_ANYWHERE = "root writes where the mode forbids it, so the directory is replaced by a file"


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase, clock: FakeClock) -> Iterator[Services]:
    made = make_vault(tmp_path, fresh_database("sqlite"), clock=clock)
    with backed_up(made, tmp_path) as found:
        yield found
    made.storage.close()


def folder(vault: Services, number: int) -> Path:
    return Path(vault.settings.backup_to.split(",")[number].removeprefix("dir:"))


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


# -- A place that fails --


def test_one_place_failing_does_not_stop_the_other(vault: Services) -> None:
    folder(vault, 0).rmdir()
    made = vault.backups.create(HOST, ArchiveKind.DAILY)
    assert [told.is_stored for told in made.places] == [False, True]
    assert "Make the directory (mode 0700), or mount its disk" in made.places[0].error
    assert archive(vault, newest(vault, 1)).verify().rows == made.rows


def test_a_place_that_takes_nothing_is_named(vault: Services) -> None:
    folder(vault, 0).rmdir()
    folder(vault, 0).write_text(ROOT_WRITES_ANYWHERE)
    made = vault.backups.create(HOST, ArchiveKind.DAILY)
    assert "Not a directory" in made.places[0].error
    assert made.places[1].is_stored


def test_a_full_disk_leaves_no_half_archive_under_its_name(vault: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        target.write(b"half of it")  # type: ignore[attr-defined]  # the file that `shutil.copyfileobj` writes to
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vault.services.backup.directory.shutil.copyfileobj", full)
    made = vault.backups.create(HOST, ArchiveKind.DAILY)
    assert all("cannot be written to: No space left on device." in told.error for told in made.places)
    assert names(folder(vault, 0)) == names(folder(vault, 1)) == []


def test_a_full_disk_where_the_archive_is_written_first_is_named(
    vault: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """/dev/full is what the kernel has for this: every write of it says that the disk is full."""
    opened = Path.open

    def open_full(path: Path, mode: str = "r", *rest: object) -> object:
        return opened(Path("/dev/full"), "wb") if mode == "xb" else opened(path, mode)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(BackupError, match=r"No space left on device\. Set TMPDIR to another"):
        vault.backups.create(HOST, ArchiveKind.DAILY)
    monkeypatch.undo()
    assert names(folder(vault, 0)) == []


def test_a_disk_that_fails_to_flush_stores_nothing(vault: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    make(vault)
    before = names(folder(vault, 0))

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("vault.services.backup.directory.os.fsync", broken)
    made = vault.backups.create(HOST, ArchiveKind.DAILY)
    assert all("Input/output error" in told.error for told in made.places)
    assert names(folder(vault, 0)) == before


def test_a_name_comes_by_renaming_alone(vault: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Path, _target: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", broken)
    made = vault.backups.create(HOST, ArchiveKind.DAILY)
    assert all("Input/output error" in told.error for told in made.places)
    assert names(folder(vault, 0)) == names(folder(vault, 1)) == []


def test_what_a_crash_has_cut_short_is_no_archive_and_goes_after_a_day(vault: Services) -> None:
    made = make(vault)
    young, old = (folder(vault, 0) / f".{made.name}.{number}.partial" for number in ("aa", "bb"))
    for partial in (young, old):
        partial.write_bytes(b"half of it")
    os.utime(old, (1, 1))
    held, _ = vault.backups.held(HOST)
    assert len(held) == 2
    make(vault)
    assert (young.exists(), old.exists()) == (True, False)


def test_files_are_for_their_owner_alone(vault: Services) -> None:
    make(vault)
    assert {path.stat().st_mode & 0o777 for path in folder(vault, 0).iterdir()} == {0o600}


def test_a_backup_key_that_others_can_read_makes_no_archive(vault: Services) -> None:
    key = vault.settings.backup_key
    assert key is not None
    key.chmod(0o644)
    with pytest.raises(KeyringError, match=r"The backup key file .* is open to other users"):
        make(vault)


def test_a_database_that_takes_no_writes_is_backed_up_all_the_same(
    vault: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DatabaseUnavailable()

    monkeypatch.setattr(vault.storage, "write", refuse)
    made = make(vault)
    assert "The backup is not in the audit" in made.warnings[0]
    assert archive(vault).verify().rows == made.rows


# -- What goes, and what stays --


def test_what_is_past_its_time_goes_and_nothing_else(vault: Services, clock: FakeClock) -> None:
    first = make(vault).name
    others = ["notes.txt", "strongroom-000000000000-20200101T000000.000000Z-daily-x.srb", first + ".old"]
    for name in others:
        (folder(vault, 0) / name).write_text("not ours")
    clock.advance(3600)
    recent = make(vault, ArchiveKind.RECENT).name
    clock.advance(86_400)
    second = make(vault).name
    assert set(names(folder(vault, 1))) == {first, second, list_name(vault.instance.id)}
    assert recent not in names(folder(vault, 0))
    later = []
    for _ in range(14):
        clock.advance(86_400)
        later.append(make(vault).name)
    assert set(names(folder(vault, 0))) == {*later, list_name(vault.instance.id), *others}


def test_the_last_good_archive_stays_while_backups_fail(
    vault: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make(vault).name
    clock.advance(365 * 86_400)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("vault.services.backup.directory.shutil.copyfileobj", full)
        made = vault.backups.create(HOST, ArchiveKind.DAILY)
        assert all(told.error and not told.deleted for told in made.places)
    assert name in names(folder(vault, 0))
    # And one from the future, of a clock that was wrong, does not make the newest one old.
    future = name.replace(name.split("-")[3], "20991231T000000.000000Z")
    shutil.copy(folder(vault, 0) / name, folder(vault, 0) / future)
    made = make(vault)
    assert {made.name, future} < set(names(folder(vault, 0)))


def test_an_archive_that_took_longer_than_its_time_stays_until_there_is_another() -> None:
    made = ArchiveName("1f0c9a52b0e4", 0, ArchiveKind.RECENT, "x", ".srb")
    other = ArchiveName("1f0c9a52b0e4", 1, ArchiveKind.RECENT, "x", ".srb")
    assert Keeping(1, 1).past([made, other], made, 2 * HOUR_US).deleted == [other]


def test_times_are_told_as_they_are_kept(vault: Services, clock: FakeClock) -> None:
    make(vault)
    clock.advance(1)
    make(vault, ArchiveKind.RECENT)
    (recent, *_), (*_, daily) = (vault.backups.held(HOST)[0] for _ in range(2))
    assert daily.until_us - daily.name.created_us == 14 * DAY_US
    assert recent.until_us - recent.name.created_us == 24 * HOUR_US


# -- Only where something has changed --


def test_an_archive_is_made_only_when_something_has_changed(vault: Services, clock: FakeClock) -> None:
    ada = add(vault, "ada")
    assert make(vault, ArchiveKind.RECENT, only_if_changed=True).name
    for _ in range(3):
        clock.advance(300)
        made = make(vault, ArchiveKind.RECENT, only_if_changed=True)
        assert (made.name, made.places) == ("", [])
    add_environment(vault, ada, "prod", A="1")
    assert make(vault, ArchiveKind.RECENT, only_if_changed=True).name
    # Reads alone are not worth an archive; the daily one has them too.
    values(vault, ada, "prod")
    vault.audit.reads.drain()
    assert make(vault, ArchiveKind.RECENT, only_if_changed=True).name == ""


def test_a_place_that_was_away_gets_what_it_lacks(vault: Services) -> None:
    folder(vault, 1).rename(folder(vault, 1).with_name("away"))
    vault.backups.create(HOST, ArchiveKind.RECENT, only_if_changed=True)
    again = vault.backups.create(HOST, ArchiveKind.RECENT, only_if_changed=True)
    assert (again.name, [told.place for told in again.places]) == ("", [f"dir:{folder(vault, 1)}"])
    folder(vault, 1).with_name("away").rename(folder(vault, 1))
    made = make(vault, ArchiveKind.RECENT, only_if_changed=True)
    assert [told.place for told in made.places] == [f"dir:{folder(vault, 1)}"]


# -- A bucket --


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="vault-backups")
        yield "s3://vault-backups/here/it/is"


def test_a_directory_and_a_bucket_at_once(
    vault: Services, bucket: str, tmp_path: Path, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    with backed_up(vault, tmp_path, backup_to=f"dir:{tmp_path}/a,{bucket}") as both:
        made = make(both)
        assert [told.place for told in made.places] == [f"dir:{tmp_path}/a", bucket]
        place = place_at(bucket)
        assert {file.name for file in place.stored()} == {made.name, list_name(vault.instance.id)}
        with place.fetched(made.name) as local:
            assert local.read_bytes() == newest(both).read_bytes()
            assert restored(both, fresh_database("sqlite"), local, clock=clock).proof.faults == []
        client = boto3.client("s3")
        client.put_object(Bucket="vault-backups", Key=f"here/it/is/deeper/{made.name}", Body=b"")
        client.put_object(Bucket="vault-backups", Key=f"other/{made.name}", Body=b"")
        clock.advance(15 * 86_400)
        later = both.backups.create(HOST, ArchiveKind.DAILY, trust_clock=True)
        assert [told.deleted for told in later.places] == [[made.name], [made.name]]
        assert made.name not in {file.name for file in place.stored()}
        keys = {item["Key"] for item in client.list_objects_v2(Bucket="vault-backups")["Contents"]}
        assert {f"here/it/is/deeper/{made.name}", f"other/{made.name}"} < keys


def test_a_bucket_that_refuses_is_told_and_the_directory_has_its_archive(
    vault: Services, bucket: str, tmp_path: Path
) -> None:
    with backed_up(vault, tmp_path, backup_to=f"s3://not-there,dir:{tmp_path}/a") as both:
        made = both.backups.create(HOST, ArchiveKind.DAILY)
    assert "NoSuchBucket" in made.places[0].error
    assert made.places[1].is_stored


def test_an_object_that_does_not_fit_on_this_disk_is_not_fetched(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, path = place_at(bucket), tmp_path / "x"
    path.write_bytes(b"x" * 5000)
    place.put("strongroom-x", path)
    assert place.size_bytes("strongroom-x") == 5000
    usage = shutil.disk_usage(tmp_path)._replace(free=4999)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    told = r"has 5,000 bytes, and .* has room for 4,999\. Set TMPDIR"
    with pytest.raises(BackupError, match=told), place.fetched("strongroom-x"):
        pass


def test_a_list_that_is_too_large_is_refused_before_it_is_fetched(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, instance_id = tmp_path / "x", "0b8c6c38-6bd0-4a4e-9d7e-0d4f6f3d8c11"
    path.write_bytes(b"x" * 5000)
    monkeypatch.setattr(erased, "_MOST_BYTES", 4999)
    monkeypatch.setattr(BucketPlace, "fetched", None)
    for place in (place_at(bucket), place_at(f"dir:{tmp_path}")):
        place.put(list_name(instance_id), path)
        with pytest.raises(ErasedListError, match="is too large"):
            fetched_list(place, instance_id)


def test_a_bucket_out_of_reach_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = BucketPlace(bucket)

    def cut(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3.example.org")

    monkeypatch.setattr(place._client, "delete_object", cut)
    with pytest.raises(BackupError, match="cannot be used: Could not connect"):
        place.delete("x")


def test_places_are_written_in_two_ways() -> None:
    assert [place.address for place in places_at("dir:/a, s3://b/c/,")] == ["dir:/a", "s3://b/c"]
    for wrong in ("dir:relative", "s3://", "ftp://x"):
        with pytest.raises(BackupError, match="Write"):
            place_at(wrong)


def test_other_names_are_no_archives() -> None:
    moment = "20261122T124843.123456Z"
    assert archives_in([f"strongroom-1f0c9a52b0e4-{moment}-daily-7d3e90b1a2c4.srb"])
    for wrong in (
        f"strongroom-1f0c9a52b0e-{moment}-daily-x.srb",
        f"strongroom-1f0c9a52b0e4-{moment}-weekly-x.srb",
        f"strongroom-1f0c9a52b0e4-{moment}-daily-x.srb.gz",
        "strongroom-1f0c9a52b0e4-20261399T124843.123456Z-daily-x.srb",
        f"x/strongroom-1f0c9a52b0e4-{moment}-daily-x.srb",
    ):
        assert archives_in([wrong]) == []
