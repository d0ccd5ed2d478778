"""A vault on each kind of database, with two people in it and a time that a test moves.

It is made once in a test run, and copied for each test: that takes a tenth of the time. Tests of the live feed
share servers.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.conftest import KINDS, Kind
from tests.integration.sync.house import House, running_house
from tests.support.passwords import each_password_is_hashed_once as each_password_is_hashed_once
from tests.support.servers import Postgres
from tests.support.vaults import FakeClock, add_person, make_vault
from vault.app import open_vault
from vault.model.clock import now_us
from vault.model.principal import Principal
from vault.services import Services
from vault.settings import Settings
from vault.storage import migrate
from vault.storage.tables import metadata


@dataclass(frozen=True)
class Template:
    """A vault that is closed, to be copied."""

    settings: Settings
    people: dict[str, Principal]
    restore: sql.Composed | None = None
    """What brings PostgreSQL back to this state."""

    @property
    def path(self) -> Path:
        """Where its SQLite file lies."""
        return Path(self.settings.database_url.removeprefix("sqlite:///"))


Copy = Callable[[Kind], Settings]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=KINDS)
def vault(request: pytest.FixtureRequest, copied_vault: Copy, clock: FakeClock) -> Iterator[Services]:
    """A vault of the test's own; ada and bob are in it."""
    settings = copied_vault(request.param)
    # The people of the copy may have been made a moment after the clock.
    clock.us = max(clock.us, now_us())
    made = open_vault(settings, clock)
    yield made
    made.storage.close()


@pytest.fixture
def ada(vault: Services, clock: FakeClock, request: pytest.FixtureRequest) -> Principal:
    return _just_logged_in("ada", vault, clock, request)


@pytest.fixture
def bob(vault: Services, clock: FakeClock, request: pytest.FixtureRequest) -> Principal:
    return _just_logged_in("bob", vault, clock, request)


@pytest.fixture
def copied_vault(request: pytest.FixtureRequest, tmp_path: Path) -> Copy:
    """Makes the settings of a copy, for a test that opens its vault in its own way. One of each kind at a time."""

    def copy(kind: Kind) -> Settings:
        # Asked for only here: a test on SQLite alone starts no PostgreSQL.
        template: Template = request.getfixturevalue(f"_{kind}_vault")
        # A keyring of its own too: a test that rotates keys changes it.
        keyring = tmp_path / f"keys-{kind}" / "master.json"
        keyring.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(template.settings.keyring, keyring)
        own = replace(template.settings, data_dir=tmp_path / "data", keyring=keyring)
        if kind == "sqlite":
            path = tmp_path / "strongroom.db"
            shutil.copyfile(template.path, path)
            return replace(own, database_url=f"sqlite:///{path}")
        request.getfixturevalue("postgres").ensure_running()
        _restore(template)
        return own

    return copy


def _restore(template: Template) -> None:
    """Put the template's rows back: far faster on PostgreSQL than to copy a database and to drop it."""
    assert template.restore is not None
    with psycopg.connect(template.settings.database_url) as connection:
        connection.execute(template.restore)


def _keep_rows(url: str) -> sql.Composed:
    """Copy all rows to a schema of their own; the statements that put them back, which go to the server in one message.

    Most tables are empty before and after a test, and `DELETE` from them is far faster than `TRUNCATE`.
    """
    tables = [sql.Identifier(table.name) for table in metadata.sorted_tables]
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA kept")
        for table in tables:
            connection.execute(sql.SQL("CREATE TABLE kept.{0} AS TABLE {0}").format(table))
    locks = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(tables))
    steps = [
        # A test that left a transaction open is to be found, and not to be waited for.
        sql.SQL("SET LOCAL lock_timeout = '5s'"),
        locks,
        # Foreign keys are not checked, so the order of tables does not matter.
        sql.SQL("SET LOCAL session_replication_role = replica"),
        *(sql.SQL("DELETE FROM {}").format(table) for table in tables),
        *(sql.SQL("INSERT INTO {0} OVERRIDING SYSTEM VALUE TABLE kept.{0}").format(table) for table in tables),
    ]
    return sql.SQL("; ").join(steps)


def _just_logged_in(name: str, vault: Services, clock: FakeClock, request: pytest.FixtureRequest) -> Principal:
    """Return a person of the template. They logged in when the template was made, which may be minutes ago."""
    kind = "sqlite" if vault.storage.is_sqlite else "postgresql"
    template: Template = request.getfixturevalue(f"_{kind}_vault")
    return replace(template.people[name], authenticated_us=clock.us, asked=set())


@pytest.fixture(scope="session")
def _sqlite_vault(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("vault")
    template = _make(folder, f"sqlite:///{folder / 'strongroom.db'}")
    connection = sqlite3.connect(template.path)
    # What still lies in the write-ahead log would be left behind by a copy of the file.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return template


@pytest.fixture(scope="session")
def _postgresql_vault(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Template:
    postgres.ensure_running()
    template = _make(tmp_path_factory.mktemp("vault"), postgres.create_database())
    return replace(template, restore=_keep_rows(template.settings.database_url))


def _make(folder: Path, url: str) -> Template:
    migrate(url)
    made = make_vault(folder, url)
    people = {name: add_person(made, name) for name in ("ada", "bob")}
    made.storage.close()
    return Template(made.settings, people)


@pytest.fixture(scope="session")
def _sqlite_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with running_house(folder, f"sqlite:///{folder / 'vault.db'}") as made:
        yield made


@pytest.fixture(scope="session")
def _postgresql_house(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[House]:
    postgres.ensure_running()
    with running_house(tmp_path_factory.mktemp("house"), postgres.create_database()) as made:
        yield made


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A server that all tests of the feed share, once on each kind of database. Each test has people of its own."""
    made: House = request.getfixturevalue(f"_{request.param}_house")
    yield made
    made.close_streams()


@pytest.fixture
def sqlite_house(_sqlite_house: House) -> Iterator[House]:
    """The same, for tests of what no database changes."""
    yield _sqlite_house
    _sqlite_house.close_streams()
