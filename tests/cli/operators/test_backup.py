"""`strongroom backup`, as an operator runs it on the host: by day, by a timer, and at night after a fire."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.support.backups import opened_at
from tests.support.patience import HANG_SECONDS
from tests.support.rotating import open_everything, start_command
from tests.support.undertaker import watched
from tests.support.vaults import add_environment, add_person, add_token, grant, values
from vault.cli import root
from vault.model.principal import Principal
from vault.services import Services
from vault.settings import Settings
from vault.storage import Storage, first_rows, schema_status

Run = Callable[..., Result]


@pytest.fixture
def ada(vault: Services) -> Principal:
    person = add_person(vault)
    add_environment(vault, person, "prod", A="1")
    add_token(vault, person, grant("read", environment="prod"))
    return person


@pytest.fixture
def env(vault: Services, tmp_path: Path) -> dict[str, str]:
    """The settings of this host: two places, and the backup key beside the keyring."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir(mode=0o700)
    return {
        "STRONGROOM_DATA_DIR": str(vault.settings.data_dir),
        "STRONGROOM_KEYRING": str(vault.settings.keyring),
        "STRONGROOM_DATABASE_URL": vault.settings.database_url,
        "STRONGROOM_BACKUP_TO": f"dir:{tmp_path}/a,dir:{tmp_path}/b",
    }


@pytest.fixture
def run(env: dict[str, str]) -> Run:
    def invoke(*arguments: str, **changes: str | None) -> Result:
        return CliRunner(env=env | changes).invoke(root, arguments)

    return invoke


def test_the_story_of_a_fire(run: Run, vault: Services, ada: Principal, tmp_path: Path) -> None:
    made_key = run("backup", "key")
    assert f"is in {vault.settings.keyring.parent}/backup.key" in made_key.stderr
    assert "Without it, no archive can be opened" in made_key.stderr
    assert "never replaces" in run("backup", "key").stderr
    made = run("backup", "create")
    assert (made.exit_code, made.stdout.count("\n")) == (0, 1)
    name = made.stdout.strip()
    assert made.stderr.count(": stored.") == 2
    assert run("backup", "create", "--if-changed").stderr == "Nothing has changed since the newest archive.\n"
    listed = json.loads(run("backup", "list", "--format", "json").stdout)
    assert [row["name"] for row in listed] == [name, name]
    assert set(listed[0]) == {"created_at", "kind", "size", "size_bytes", "expires_at", "place", "vault", "name"}
    assert name in run("backup", "list").stdout
    assert f"{name} is whole." in run("backup", "verify", "latest").stderr
    assert "blobs were opened" in run("backup", "verify", name, "--keys").stderr
    # The fire. A new machine has the keyring, the backup key and one of the places.
    fresh = {"STRONGROOM_DATA_DIR": str(tmp_path / "new"), "STRONGROOM_DATABASE_URL": None}
    done = run("backup", "restore", "latest", "--from", f"dir:{tmp_path}/b", **fresh)
    assert done.exit_code == 0, done.stderr
    for words in (
        "RESTORED. It has the vault",
        "blobs were opened",
        "Every session has ended",
        "1 service tokens are valid",
    ):
        assert words in done.stderr
    assert "Warning" not in done.stderr
    again = run("backup", "restore", name, **fresh)
    assert again.exit_code == 1
    assert "The target is not empty" in again.stderr
    assert run("doctor", "--database", **fresh).exit_code == 0
    assert "The audit is whole" in run("audit", "verify", **fresh).stderr


def test_an_archive_by_its_path_with_nothing_but_the_keys(run: Run, ada: Principal, tmp_path: Path) -> None:
    run("backup", "key")
    name = run("backup", "create").stdout.strip()
    alone = tmp_path / "usb"
    alone.mkdir()
    (tmp_path / "a" / name).rename(alone / name)
    fresh = {
        "STRONGROOM_DATA_DIR": str(tmp_path / "new"),
        "STRONGROOM_DATABASE_URL": None,
        "STRONGROOM_BACKUP_TO": None,
    }
    done = run("backup", "restore", str(alone / name), **fresh)
    assert done.exit_code == 0, done.stderr
    assert "Warning: There is no list of erased keys beside the archive" in done.stderr


def test_a_host_writes_for_a_recipient_what_it_cannot_read(run: Run, ada: Principal, tmp_path: Path) -> None:
    # The pair of tests/unit/crypto/test_age.py.
    recipient = {"STRONGROOM_BACKUP_RECIPIENTS": "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"}
    made = run("backup", "create", **recipient)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.strip().endswith(".srb.age")
    refused = run("backup", "verify", "latest", **recipient)
    assert "is for age recipients. Give the file of an identity with --identity." in refused.stderr
    identity = tmp_path / "key.txt"
    identity.write_text("AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ\n")
    for words in (["verify", "latest", "--keys"], ["restore", "latest"]):
        fresh = {"STRONGROOM_DATA_DIR": str(tmp_path / "new"), "STRONGROOM_DATABASE_URL": None}
        done = run("backup", *words, "-i", str(identity), **recipient, **fresh)
        assert done.exit_code == 0, done.stderr
        assert "blobs were opened" in done.stderr


def test_a_place_that_fails_is_the_exit_code_and_the_last_word(run: Run, ada: Principal, tmp_path: Path) -> None:
    run("backup", "key")
    (tmp_path / "b").rmdir()
    made = run("backup", "create")
    assert made.exit_code == 1
    assert made.stdout.startswith("strongroom-")
    assert f"dir:{tmp_path}/a: stored." in made.stderr
    assert f"dir:{tmp_path}/b: FAILED." in made.stderr
    assert made.stderr.endswith(f"strongroom: 1 of the places failed: dir:{tmp_path}/b.\n")
    listed = run("backup", "list")
    assert (listed.exit_code, len(listed.stdout.splitlines())) == (1, 2)
    unchanged = run("backup", "create", "--if-changed")
    assert (unchanged.exit_code, unchanged.stdout) == (1, "")


@pytest.mark.parametrize(
    ("words", "changes", "told"),
    [
        (["create"], {}, "backup.key. `strongroom backup key` makes one."),
        (["create"], {"STRONGROOM_BACKUP_TO": None}, "Set STRONGROOM_BACKUP_TO, for example to dir:/path"),
        (["create"], {"STRONGROOM_BACKUP_TO": "ftp://x"}, "dir:/an/absolute/path and s3://bucket/prefix"),
        (
            ["create"],
            {"STRONGROOM_BACKUP_RECIPIENTS": "age1x"},
            "must be a list of recipients",
        ),
        (["create"], {"STRONGROOM_BACKUP_KEEP_DAYS": "31"}, "a whole number from 1 to 30"),
        (["list"], {"STRONGROOM_BACKUP_TO": None}, "No place for archives is given"),
        (["verify", "latest"], {}, "There is no archive in any of these places."),
        (["verify", "nothing"], {}, "There is no archive nothing in any of these places"),
        (["restore", "./nothing"], {}, "cannot be read: No such file"),
        (["verify", "x", "--key", "/nowhere/x.key"], {}, "The backup key directory /nowhere is missing"),
    ],
)
def test_what_is_wrong_is_a_sentence(run: Run, words: list[str], changes: dict[str, str], told: str) -> None:
    done = run("backup", *words, **changes)
    assert done.exit_code == 1
    assert told in done.stderr
    assert "unexpected" not in done.stderr


def test_a_damaged_archive_and_a_list_that_was_changed(run: Run, ada: Principal, tmp_path: Path) -> None:
    run("backup", "key")
    name = run("backup", "create").stdout.strip()
    fresh = {"STRONGROOM_DATA_DIR": str(tmp_path / "new"), "STRONGROOM_DATABASE_URL": None}
    [listed] = (tmp_path / "a").glob("*-erased.json")
    good = listed.read_bytes()
    listed.write_bytes(good.replace(b"made_us", b"made_ut"))
    refused = run("backup", "restore", "latest", **fresh)
    assert refused.exit_code == 1
    assert "--without-erased-list" in refused.stderr
    assert run("backup", "restore", "latest", "--without-erased-list", **fresh).exit_code == 0
    broken = bytearray((tmp_path / "a" / name).read_bytes())
    broken[-40] ^= 1
    (tmp_path / "a" / name).write_bytes(broken)
    for command in ("verify", "restore"):
        done = run("backup", command, name, "--from", f"dir:{tmp_path}/a", **fresh)
        assert done.exit_code == 1
        assert f"{name} is damaged or cut off, at byte" in done.stderr


# -- Killed --


@pytest.fixture
def big(vault: Services, ada: Principal, env: dict[str, str]) -> Settings:
    """Enough of a vault that a kill lands in its midst."""
    for number in range(30):
        add_environment(vault, ada, f"env-{number}", A="x" * 100_000)
    return vault.settings


def start(env: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    outside = {name: text for name, text in os.environ.items() if not name.startswith("STRONGROOM_")}
    command = [sys.executable, "-m", "vault", "backup", *words]
    process = subprocess.Popen(
        command,
        env={**outside, **env, "PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return watched(process)


def kill_in_its_midst(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        _, told = process.communicate(timeout=HANG_SECONDS)
    assert b"Traceback" not in told, told.decode()


def seconds_for(env: dict[str, str], *words: str) -> float:
    began = time.monotonic()
    process = start(env, *words)
    _, told = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, told.decode()
    return time.monotonic() - began


def test_a_backup_that_is_killed_leaves_whole_archives_alone(
    run: Run, big: Settings, env: dict[str, str], tmp_path: Path
) -> None:
    run("backup", "key")
    (tmp_path / "tmp").mkdir()
    env["TMPDIR"] = str(tmp_path / "tmp")
    whole = seconds_for(env, "create")
    chance = random.Random(3)
    for _ in range(3):
        kill_in_its_midst(start(env, "create"), whole * chance.uniform(0.3, 1.0))
        for path in (*(tmp_path / "a").glob("*.srb"), *(tmp_path / "b").glob("*.srb")):
            assert run("backup", "verify", str(path)).exit_code == 0
    assert run("backup", "create").exit_code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_restore_that_is_killed_stores_nothing_and_is_started_again(
    run: Run, big: Settings, env: dict[str, str], kind: Kind, fresh_database: FreshDatabase
) -> None:
    run("backup", "key")
    assert run("backup", "create").exit_code == 0
    measured = {"STRONGROOM_DATABASE_URL": fresh_database(kind, migrated=False)}
    whole = seconds_for(env | measured, "restore", "latest")
    chance = random.Random(5)
    for _ in range(3):
        target = fresh_database(kind, migrated=False)
        kill_in_its_midst(
            start(env | {"STRONGROOM_DATABASE_URL": target}, "restore", "latest"), whole * chance.uniform(0.3, 0.85)
        )
        if is_empty(target):
            done = run("backup", "restore", "latest", STRONGROOM_DATABASE_URL=target)
            assert done.exit_code == 0, done.stderr
        # Whoever kills it too late finds all of it.
        with opened_at(big, target) as again:
            assert open_everything(again) == 31


def is_empty(url: str) -> bool:
    storage = Storage(url, pool_size=1)
    try:
        with storage.read() as unit:
            return schema_status(unit.connection).state == "empty" or first_rows(unit.connection) is None
    finally:
        storage.close()


def test_the_command_starts_in_a_process_of_its_own(vault: Services, ada: Principal) -> None:
    process = start_command(vault, "backup", "list")
    _, told = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, b"No place for archives is given" in told) == (1, True)
    assert values(vault, ada, "prod") == {"A": "1"}


def test_the_doctor_looks_at_the_backups(run: Run, ada: Principal, tmp_path: Path) -> None:
    def finding(**changes: str | None) -> tuple[str, str]:
        told = json.loads(run("doctor", "--database", "--format", "json", **changes).stdout)
        return next((each["verdict"], each["sentence"]) for each in told if each["check"] == "backups")

    assert finding(STRONGROOM_BACKUP_TO=None)[0] == "skipped"
    assert finding() == (
        "warning",
        f"These places have no archive from the last 26 hours: dir:{tmp_path}/a, dir:{tmp_path}/b.",
    )
    run("backup", "key")
    name = run("backup", "create").stdout.strip()
    assert finding()[0] == "ok"
    (tmp_path / "b" / name).rename(tmp_path / "b" / name.replace(name.split("-")[3], "20200101T000000.000000Z"))
    assert finding() == ("warning", f"These places have no archive from the last 26 hours: dir:{tmp_path}/b.")
    (tmp_path / "a").rename(tmp_path / "away")
    assert finding()[0] == "bad"


def test_an_erasure_tells_the_places_and_names_the_archives(run: Run, ada: Principal, tmp_path: Path) -> None:
    run("backup", "key")
    name = run("backup", "create").stdout.strip()
    erased = run("user", "erase", "ada", "--yes")
    assert erased.exit_code == 0, erased.stderr
    assert erased.stderr.count("The archive of 20") == 2
    assert f"Remains in dir:{tmp_path}/a, until" in erased.stderr
    fresh = {"STRONGROOM_DATA_DIR": str(tmp_path / "new"), "STRONGROOM_DATABASE_URL": None}
    done = run("backup", "restore", name, **fresh)
    assert "Erased again: 1 people" in done.stderr
    assert "no such account" in run("user", "disable", "ada", **fresh).stderr
    assert run("backup", "drop-erased", **fresh).stderr == "The database has nothing from the lists of erased keys.\n"
