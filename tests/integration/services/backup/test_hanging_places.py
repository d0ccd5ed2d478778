"""A place that hangs, as a mount whose server is away: it keeps no other place from its archive."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase
from tests.support.backups import backed_up, make, newest, restored
from tests.support.vaults import HOST, FakeClock, add_environment, add_person, make_vault
from vault.services import Services
from vault.services.backup import ArchiveKind
from vault.services.backup.bucket import BucketPlace
from vault.services.backup.directory import DirectoryPlace
from vault.services.backup.each_place import MIB, at_each, seconds_for
from vault.services.backup.place import Place, Stored

MOST_SECONDS = 60


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase, clock: FakeClock) -> Iterator[Services]:
    made = make_vault(tmp_path, fresh_database("sqlite"), clock=clock)
    add_environment(made, add_person(made), "prod", A="1")
    with backed_up(made, tmp_path, backup_place_seconds=1) as found:
        yield found
    made.storage.close()


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch, vault: Services) -> Iterator[list[str]]:
    """Make the methods of the first place that the test names hang until its end."""
    address = vault.settings.backup_to.split(",")[0]
    over, methods = threading.Event(), list[str]()
    stored, put, fetched = DirectoryPlace.stored, DirectoryPlace.put, DirectoryPlace.fetched

    def hang(place: DirectoryPlace, method: str) -> None:
        if place.address == address and method in methods:
            over.wait(MOST_SECONDS)

    def slow_stored(place: DirectoryPlace) -> list[Stored]:
        hang(place, "stored")
        return stored(place)

    def slow_put(place: DirectoryPlace, name: str, source: Path) -> None:
        hang(place, "put")
        put(place, name, source)

    def slow_fetched(place: DirectoryPlace, name: str) -> object:
        hang(place, "fetched")
        return fetched(place, name)

    monkeypatch.setattr(DirectoryPlace, "stored", slow_stored)
    monkeypatch.setattr(DirectoryPlace, "put", slow_put)
    monkeypatch.setattr(DirectoryPlace, "fetched", slow_fetched)
    yield methods
    over.set()


@pytest.mark.parametrize("method", ["stored", "put", "fetched"])
def test_a_place_that_hangs_keeps_no_other_from_its_archive(vault: Services, hung: list[str], method: str) -> None:
    hung.append(method)
    made = vault.backups.create(HOST, ArchiveKind.DAILY)
    assert [told.is_stored for told in made.places] == [False, True]
    assert "did not answer within 1 seconds" in made.places[0].error
    assert vault.settings.backup_to.split(",")[0] in made.places[0].error
    assert newest(vault, 1).name == made.name


def test_a_backup_of_changes_goes_on_without_a_place_that_hangs(vault: Services, hung: list[str]) -> None:
    hung.append("stored")
    made = vault.backups.create(HOST, ArchiveKind.RECENT, only_if_changed=True)
    assert [told.is_stored for told in made.places] == [False, True]


def test_a_list_of_archives_and_an_erasure_go_on_without_a_place_that_hangs(vault: Services, hung: list[str]) -> None:
    made = make(vault)
    hung += ["stored", "fetched"]
    held, failed = vault.backups.held(HOST)
    assert [str(each.name) for each in held] == [made.name]
    assert ["did not answer" in told.error for told in failed] == [True]
    assert [bool(told.error) for told in vault.backups.tell_erased(HOST)] == [True, False]
    _, reports = vault.backups.drop_erased(HOST)
    assert [bool(told.error) for told in reports] == [True, False]


def test_a_restore_goes_on_without_the_list_of_a_place_that_hangs(
    vault: Services, hung: list[str], fresh_database: FreshDatabase
) -> None:
    make(vault)
    hung.append("fetched")
    done = restored(vault, fresh_database("sqlite"), path=newest(vault, 1))
    assert ["could not be read" in warning and "did not answer" in warning for warning in done.warnings] == [True]


def test_places_are_written_at_once(vault: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    both, put = threading.Barrier(2), DirectoryPlace.put

    def meeting(place: DirectoryPlace, name: str, source: Path) -> None:
        # One after the other, they would never meet.
        both.wait(MOST_SECONDS)
        put(place, name, source)

    monkeypatch.setattr(DirectoryPlace, "put", meeting)
    with backed_up(vault, newest_folder(vault), backup_place_seconds=2 * MOST_SECONDS) as patient:
        assert [told.is_stored for told in patient.backups.create(HOST, ArchiveKind.DAILY).places] == [True, True]


def newest_folder(vault: Services) -> Path:
    return Path(vault.settings.backup_to.split(",")[0].removeprefix("dir:")).parent


@pytest.fixture
def silent_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An S3 endpoint that takes requests and never answers. The event is set when it has got one."""
    listener, asked, taken = socket.create_server(("127.0.0.1", 0)), threading.Event(), list[socket.socket]()

    def take() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                if connection.recv(1):
                    asked.set()

    threading.Thread(target=take, daemon=True).start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield asked
    for each in (listener, *taken):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@pytest.mark.parametrize("method", ["put", "fetched", "stored"])
def test_a_bucket_that_never_answers_keeps_no_process_alive(
    method: str, silent_bucket: threading.Event, tmp_path: Path
) -> None:
    """When a process ends, Python waits for the threads of every executor, also for those of boto3's."""
    (tmp_path / "file").write_bytes(b"x")
    before = set(threading.enumerate())

    def work(place: Place) -> None:
        if method == "put":
            place.put("file", tmp_path / "file")
        elif method == "stored":
            place.stored()
        else:
            with place.fetched("file"):
                pass

    assert at_each([BucketPlace("s3://bucket/here")], work, 0.1) == [None]
    assert silent_bucket.wait(MOST_SECONDS)
    new = [each.name for each in set(threading.enumerate()) - before]
    assert "backup-place" in new
    assert not [name for name in new if name.startswith("ThreadPoolExecutor")]


def test_a_larger_archive_has_more_time() -> None:
    assert seconds_for(0, 60) == 60
    assert seconds_for(600 * MIB, 60) == 660


def test_an_error_that_is_no_places_is_raised(tmp_path: Path) -> None:
    def broken(_place: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        at_each([DirectoryPlace(tmp_path)], broken, 60)
