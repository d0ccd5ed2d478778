"""This release and the next one on one database: both ways, and with a column that only the next one knows."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import KINDS, Kind
from tests.releases.running import CHECKOUT, Release
from tests.releases.synthetic import COLUMN, NUMBER, next_release
from tests.support.patience import HANG_SECONDS
from tests.support.undertaker import watched
from vault.storage.database.engine import parse_url

BEGIN = """
import os
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.errors import StrongroomError
from vault.jobs import Jobs
from vault.model.principal import Role, host_operator
from vault.services.doctor import Sweep

HOST = host_operator("test")
found = settings.load(dict(os.environ))

def find(unit, name):
    return unit.environments.globals(unit.users.by_name(name).id)

def row(vault, name="ada"):
    with vault.storage.read() as unit:
        return find(unit, name)

def newer(row):
    return row.values()["synthetic_note"]

def change(vault, **columns):
    with vault.storage.write() as unit:
        unit.environments.change(find(unit, "ada"), **columns)

def add(vault, name):
    with vault.storage.write() as unit:
        vault.people.accounts.add(unit, HOST, name, "lantern gravel ninefold otter", Role.USER)

def faults(vault):
    sweep = Sweep(vault.storage, vault.instance)
    return sweep.macs().faults + sweep.references().faults + sweep.blobs().faults + vault.audit.verifier.verify().faults

"""
OPEN = "vault = open_vault(found)\n"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return next_release(tmp_path_factory.mktemp("next"))


class Place:
    """A vault that processes of both releases open."""

    def __init__(self, folder: Path, url: str, newer: Release) -> None:
        self.url = url
        self._newer = newer
        self.environment = {
            "STRONGROOM_DATABASE_URL": url,
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_KEYRING": str(folder / f"keys-{secrets.token_hex(4)}" / "master.json"),
            "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
            "STRONGROOM_ARGON2_PASSES": "2",
        }

    def here(self, code: str) -> str:
        """What code prints that runs in this release."""
        return self._run(CHECKOUT, code)

    def there(self, code: str) -> str:
        """What code prints that runs in the next release."""
        return self._run(self._newer.code, code)

    def start(self, package: Path, code: str) -> subprocess.Popen[str]:
        """Start a process that runs code in the release of `package`; its input and output are pipes."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", BEGIN + code],
            env={**os.environ, **self.environment, "PYTHONPATH": str(package)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return watched(process)

    def _run(self, package: Path, code: str) -> str:
        process = self.start(package, code)
        output, errors = process.communicate(timeout=HANG_SECONDS)
        assert process.returncode == 0, errors
        return output.strip()

    def sql(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        """Whoever can write to the database."""
        engine = sa.create_engine(parse_url(self.url), poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, fresh_database: Callable[..., str], newer: Release) -> Place:
    """A vault of this release with ada in it, which the next release has upgraded while a worker of this one runs."""
    kind: Kind = request.param
    made = Place(tmp_path, fresh_database(kind), newer)
    made.here("prepare_vault(found)\n" + OPEN + "add(vault, 'ada')")
    made.sql(
        "INSERT INTO workers (id, host, pid, knows_version, state_version, started_us, lease_until_us, release,"
        " row_format) VALUES ('w', 'web-1', 7, 1, 1, 0, :until, '0.1.1', 2)",
        until=time.time_ns() // 1000 + 600_000_000,
    )
    made.there("prepare_vault(found)")
    return made


def test_back_and_forth_keeps_what_a_column_means(place: Place) -> None:
    written = f"""
try:
    change(vault, {COLUMN}="kept")
except StrongroomError as error:
    print(error)
print(vault.keys.upgrading.open(HOST), row(vault).row_format)
"""
    refused, opened = place.there(OPEN + written).splitlines()
    assert "web-1 (process 7, release 0.1.1)" in refused
    assert opened == "0 1"
    place.sql("DELETE FROM workers")
    place.there(OPEN + f"vault.keys.upgrading.open(HOST); change(vault, {COLUMN}='kept')")
    # The way back: this release checks the row, changes it, and adds one of a format of its own.
    told = place.here(
        OPEN
        + "change(vault, max_versions=7); add(vault, 'bob')\n"
        + f"print(row(vault).row_format, newer(row(vault)), row(vault, 'bob').row_format < {NUMBER}, faults(vault))"
    )
    assert told == f"{NUMBER} kept True []"
    # And forward again.
    told = place.there(
        OPEN + "print(row(vault).max_versions, newer(row(vault)), repr(newer(row(vault, 'bob'))), faults(vault))\n"
        "vault.keys.upgrading.sign_again(HOST); print(row(vault, 'bob').row_format, faults(vault))"
    )
    assert told.splitlines() == ["7 kept None []", f"{NUMBER} []"]
    # What somebody without the keys puts into the newer column is found by both.
    place.sql(f"UPDATE environments SET {COLUMN} = 'forged'")
    for run in (place.here, place.there):
        assert "was not written by this vault" in run(OPEN + "print(faults(vault))")


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_process_that_was_frozen_during_the_upgrade_ends_itself(place: Place) -> None:
    place.sql("DELETE FROM workers")
    frozen = """
jobs = Jobs(vault, end_worker=lambda: print("ended"))
jobs._learn()
print("ready", flush=True)
input()
for call in (lambda: row(vault), jobs._learn):
    try:
        call()
    except StrongroomError as error:
        print(type(error).__name__)
"""
    with _process(place, frozen) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # Its lease has lapsed: it is taken for dead.
        place.sql("DELETE FROM workers")
        place.there(OPEN + f"vault.keys.upgrading.open(HOST); change(vault, {COLUMN}='kept')")
        output, errors = process.communicate("\n", timeout=HANG_SECONDS)
    # Between them stands what the log says.
    told = [line for line in output.splitlines() if " " not in line]
    assert told == ["NewerRowFormat", "ended", "NewerRowFormat"], errors
    assert place.here(OPEN + "print(newer(row(vault)))") == "kept"


@contextmanager
def _process(place: Place, code: str) -> Iterator[subprocess.Popen[str]]:
    process = place.start(CHECKOUT, "vault = open_vault(found, as_worker=True)\n" + code)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
