"""Database addresses, and which errors mean that the database is not there."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from vault.errors import DatabaseUnavailable, SettingsError
from vault.storage.database.engine import is_unavailable, parse_url, translated
from vault.storage.signing.repository import Stale


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    error.sqlite_errorname = {5: "SQLITE_BUSY", 8: "SQLITE_READONLY", 13: "SQLITE_FULL", 1: "SQLITE_ERROR"}[code]
    return error


def postgres_error(state: str | None) -> psycopg.OperationalError:
    error = psycopg.OperationalError("x")
    error.sqlstate = state
    return error


def wrapped(error: Exception) -> sa.exc.DBAPIError:
    return sa.exc.OperationalError("SELECT", {}, error)


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "postgresql+asyncpg://h/d", "sqlite:////x"])
def test_the_driver_is_the_one_that_ships(url: str) -> None:
    assert parse_url(url).drivername in ("postgresql+psycopg", "sqlite+pysqlite")


@pytest.mark.parametrize(
    "url", ["sqlite:///file:/srv/v.db?uri=true", "sqlite:///file:v.db?mode=memory&uri=true", "sqlite:////v.db?uri=true"]
)
def test_a_sqlite_file_is_named_by_its_path(url: str) -> None:
    with pytest.raises(SettingsError, match="must name a SQLite file by its path, as in sqlite:////srv"):
        parse_url(url)


@pytest.mark.parametrize("url", ["", "mysql://ada:hunter2@h/d", "hunter2"])
def test_any_other_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_url(url)
    assert "STRONGROOM_DATABASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.TimeoutError(),
        wrapped(sqlite_error(5)),
        wrapped(sqlite_error(8)),
        sqlite_error(13),
        wrapped(postgres_error("57P01")),
        wrapped(postgres_error("08006")),
        wrapped(postgres_error("25006")),
        wrapped(postgres_error("25P03")),
        wrapped(postgres_error("55P03")),
        wrapped(postgres_error(None)),
        wrapped(psycopg.errors.ConnectionTimeout()),
    ],
)
def test_these_mean_that_the_database_is_not_there(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize("error", [wrapped(sqlite_error(1)), wrapped(postgres_error("42601")), ValueError()])
def test_an_error_of_ours_is_not_the_databases(error: Exception) -> None:
    assert not is_unavailable(error)


def test_an_unavailable_database_is_told_as_such() -> None:
    with pytest.raises(DatabaseUnavailable), translated():
        raise wrapped(postgres_error("57P01"))


@pytest.mark.parametrize(
    ("state", "said"), [("25006", "no writes"), ("25P03", "idle for too long"), ("55P03", "holds a lock")]
)
def test_what_is_certainly_not_stored_is_told_with_its_reason(state: str, said: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"{said}.*Nothing was stored"), translated():
        raise wrapped(postgres_error(state))


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_deadlock_is_work_to_be_run_again(state: str) -> None:
    with pytest.raises(Stale), translated():
        raise wrapped(postgres_error(state))


def test_other_errors_pass() -> None:
    with pytest.raises(sa.exc.OperationalError), translated():
        raise wrapped(postgres_error("42601"))
