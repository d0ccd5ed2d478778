"""Backups on hosts whose clock is wrong: nothing is lost, and every command means the same archive by `latest`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import FreshDatabase
from tests.support.backups import no_phases
from tests.support.vaults import HOST, add_person, make_vault
from vault.cli import root
from vault.keys import backup as backup_key
from vault.services import Services
from vault.services.backup import Archive, Opener
from vault.services.backup.directory import DirectoryPlace
from vault.services.backup.names import COUNTER_MOST, ArchiveName, archives_in
from vault.wiring import backup_plan

DAY = 24 * 3600
YEAR = 365 * DAY


class WrongClock:
    """The machine's clock, wrong by `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._time_ns = time.time_ns

    def __call__(self) -> int:
        return self._time_ns() + int(self.seconds * 1_000_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WrongClock:
    wrong = WrongClock()
    monkeypatch.setattr("vault.model.clock.time.time_ns", wrong)
    return wrong


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase, clock: WrongClock) -> Iterator[Services]:
    made = make_vault(tmp_path, fresh_database("sqlite"))
    yield made
    made.audit.reads.close()
    made.storage.close()


class Commands:
    """`strongroom backup` on the host of a vault with two places."""

    def __init__(self, vault: Services, folder: Path) -> None:
        self.vault = vault
        self.places = [folder / "a", folder / "b"]
        for place in self.places:
            place.mkdir(mode=0o700)
        self._env = {
            "STRONGROOM_DATA_DIR": str(vault.settings.data_dir),
            "STRONGROOM_KEYRING": str(vault.settings.keyring),
            "STRONGROOM_DATABASE_URL": vault.settings.database_url,
            "STRONGROOM_BACKUP_TO": ",".join(f"dir:{place}" for place in self.places),
        }
        self("backup", "key")

    def __call__(self, *arguments: str) -> Result:
        return CliRunner(env=self._env).invoke(root, arguments)

    def use_database(self, url: str) -> None:
        """Go on with another database."""
        self._env["STRONGROOM_DATABASE_URL"] = url

    def create(self, *options: str) -> Result:
        """A backup, which must succeed."""
        done = self("backup", "create", *options)
        assert done.exit_code == 0, done.output
        return done

    def archives(self, place: int = 0) -> list[str]:
        """The archives of a place, the oldest first."""
        return [str(name) for name in archives_in(path.name for path in self.places[place].iterdir())]

    def latest(self) -> tuple[str, str]:
        """The archive that `latest` means, and all that was said."""
        done = self("backup", "verify", "latest")
        assert done.exit_code == 0, done.output
        return done.stderr.partition(" is whole")[0].splitlines()[-1], done.stderr

    def doctor(self) -> tuple[str, str]:
        """What the doctor finds about backups."""
        told = json.loads(self("doctor", "--database", "--format", "json").stdout)
        return next((each["verdict"], each["sentence"]) for each in told if each["check"] == "backups")


@pytest.fixture
def commands(vault: Services, tmp_path: Path) -> Commands:
    return Commands(vault, tmp_path)


def test_a_backup_made_a_year_ahead_deletes_nothing_and_is_not_the_latest_afterwards(
    commands: Commands, vault: Services, clock: WrongClock
) -> None:
    commands.create()
    commands.create("--if-changed")
    before = commands.archives()
    clock.seconds = YEAR
    made = commands.create()
    assert "were deleted" not in made.stderr
    assert "the clock was changed, or no backup was made" in made.stderr
    future = made.stdout.strip()
    assert commands.archives() == [*before, future]
    clock.seconds = 60
    assert commands.doctor()[0] == "warning"
    assert future in commands.doctor()[1]
    add_person(vault, "bob")
    right = commands.create()
    assert "dated in the future" in right.stderr
    assert commands.archives() == [*before, future, right.stdout.strip()] == commands.archives(1)
    name, told = commands.latest()
    assert name == right.stdout.strip()
    assert f"{future} has a later date" in told
    assert commands.doctor()[0] == "ok"
    # `--if-changed` compares with the same one: nobody has done anything since.
    assert commands.create("--if-changed").stdout.strip() == ""


def test_two_backups_of_one_moment_have_an_order(
    commands: Commands, vault: Services, monkeypatch: pytest.MonkeyPatch, clock: WrongClock
) -> None:
    stopped = clock()
    monkeypatch.setattr("vault.model.clock.time.time_ns", lambda: stopped)
    first = commands.create().stdout.strip()
    add_person(vault, "bob")
    second = commands.create().stdout.strip()
    assert commands.archives() == [first, second]
    assert commands.latest()[0] == second
    assert commands.create("--if-changed").stdout.strip() == ""


def test_with_the_clock_back_a_day_the_archive_made_last_is_the_latest(
    commands: Commands, vault: Services, clock: WrongClock
) -> None:
    first = commands.create().stdout.strip()
    clock.seconds = -DAY
    add_person(vault, "bob")
    made = commands.create()
    second = made.stdout.strip()
    assert "the clock was changed" in made.stderr
    name, told = commands.latest()
    assert name == second
    assert f"{first} has a later date" in told
    assert commands.create("--if-changed").stdout.strip() == ""
    clock.seconds = 0
    assert commands.latest()[0] == second
    third = commands.create().stdout.strip()
    assert commands.archives() == [first, second, third]


def test_a_place_that_was_away_does_not_make_an_older_archive_the_latest(
    commands: Commands, vault: Services, clock: WrongClock
) -> None:
    commands.create()
    clock.seconds = YEAR
    commands.create()
    clock.seconds = 0
    away = commands.places[1].rename(commands.places[1].with_name("away"))
    add_person(vault, "bob")
    # The other place has lost all that it held: only the audit tells that there were archives before.
    for path in commands.places[0].iterdir():
        path.unlink()
    commands("backup", "create")
    (newest,) = commands.archives()
    away.rename(commands.places[1])
    assert commands.latest()[0] == newest
    # The one that was away lacks the newest change, and the other has it.
    caught_up = commands.create("--if-changed").stdout.strip()
    assert (commands.archives(0)[-1], commands.archives(1)[-1]) == (newest, caught_up)


def test_a_vault_that_was_restored_from_an_older_archive_goes_on_behind_the_newest(
    commands: Commands, vault: Services, fresh_database: FreshDatabase
) -> None:
    older = commands.create().stdout.strip()
    for number in range(5):
        add_person(vault, f"person-{number}")
    abandoned = commands.create().stdout.strip()
    commands.use_database(fresh_database("sqlite", migrated=False))
    assert commands("backup", "restore", older).exit_code == 0
    made = commands.create().stdout.strip()
    assert commands.archives() == [older, abandoned, made]
    assert commands.latest()[0] == made


def test_archives_without_a_counter_are_told_apart_only_by_dates_that_can_be_true(
    commands: Commands, vault: Services, clock: WrongClock
) -> None:
    for place in commands.places:
        for date in ("20200101T000000.000000Z", "20990101T000000.000000Z"):
            (place / f"strongroom-{vault.instance.id.replace('-', '')[:12]}-{date}-daily-x.srb").write_bytes(b"")
    refused = commands("backup", "restore", "latest")
    assert refused.exit_code != 0
    assert "20990101T000000.000000Z-daily-x.srb is dated in the future" in refused.stderr
    assert "give the name of one" in refused.stderr
    assert commands.doctor()[0] == "warning"
    # The next one has a counter, and is the newest from then on.
    name = commands.create().stdout.strip()
    assert commands.latest()[0] == name
    assert commands.doctor()[0] == "ok"
    assert len(commands.archives()) == 3


def test_an_archive_under_the_counter_of_a_newer_one_is_refused(commands: Commands, vault: Services) -> None:
    name = commands.create().stdout.strip()
    found = ArchiveName.parse(name)
    assert found is not None
    forged = commands.places[0] / name.replace(f"g{found.counter:012}", f"g{found.counter + 1:012}")
    (commands.places[0] / name).rename(forged)
    refused = commands("backup", "verify", "latest")
    assert refused.exit_code != 0
    assert "so it was renamed" in refused.stderr


@pytest.mark.parametrize("moment", ["20200101T000000.000000Z", "20990101T000000.000000Z"])
def test_a_counter_that_none_can_follow_is_named_and_keeps_no_place_from_its_backup(
    commands: Commands, moment: str
) -> None:
    vault_id = commands.create().stdout.split("-")[1]
    forged = f"strongroom-{vault_id}-g{COUNTER_MOST}-{moment}-daily-x.srb"
    (commands.places[0] / forged).write_bytes(b"")
    for _ in range(2):
        made = commands.create()
        name = made.stdout.strip()
        assert all((place / name).stat().st_size for place in commands.places)
        assert (f"{forged} in dir:{commands.places[0]} counts as newer" in made.stderr) == moment.startswith("2099")
        assert commands.archives(1)[-1] == name
    assert (commands.archives()[-1] == forged) == moment.startswith("2099")


def test_a_list_of_erased_keys_is_older_by_its_counter_and_not_by_a_clock(
    commands: Commands, vault: Services, clock: WrongClock, fresh_database: FreshDatabase
) -> None:
    from vault.app import restorer
    from vault.services.backup import places_at

    clock.seconds = YEAR
    commands.create()
    clock.seconds = 0
    commands.create()
    lists = [next(place.glob("*-erased.json")) for place in commands.places]
    old = lists[0].read_bytes()
    opener = Opener(backup_key.read(backup_plan(vault.settings).key_file))
    addresses = ",".join(f"dir:{place}" for place in commands.places)

    def warnings() -> list[str]:
        settings = replace(vault.settings, database_url=fresh_database("sqlite"))
        archive = Archive(commands.places[0] / commands.archives()[0], opener)
        return restorer(settings).restore(HOST, archive, places_at(addresses), no_phases).warnings

    # The first archive is dated later than the list, and the list was made after it all the same.
    assert warnings() == []
    # And by their dates this list is newer than the archive.
    clock.seconds = -DAY
    commands.create()
    lists[0].write_bytes(old)
    assert [each for each in warnings() if f"dir:{commands.places[0]} is older than" in each]


def test_an_erasure_names_archives_of_a_clock_that_was_ahead(
    commands: Commands, vault: Services, clock: WrongClock
) -> None:
    add_person(vault, "bob")
    clock.seconds = YEAR
    commands.create()
    clock.seconds = 0
    told = commands("user", "erase", "bob", "--yes", "--format", "json")
    assert told.exit_code == 0, told.output
    assert f"{commands.places[0]}" in told.output
    assert "The archive of" in told.output


def test_a_place_that_holds_too_many_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.services.backup.directory.FILES_MOST", 3)
    list_it: Callable[[], list[str]] = lambda: [file.name for file in DirectoryPlace(tmp_path).stored()]  # noqa: E731
    for number in range(3):
        (tmp_path / f"{number}").touch()
    assert list_it() == ["0", "1", "2"]
    (tmp_path / "3").touch()
    with pytest.raises(Exception, match="has more than"):
        list_it()
