"""Why a database cannot be reached: host, TLS, user, password and database are told apart, without the password."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.servers import Postgres
from vault.app import open_vault, stored_schema
from vault.errors import DatabaseUnavailable
from vault.settings import Settings


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda url, _port: url.replace("127.0.0.1", "no-such-host.invalid"), "the host's name cannot be found"),
        (lambda url, port: url.replace(f":{port}/", ":1/"), "nothing listens at this host and port"),
        (lambda url, _port: url + "?sslmode=require", "sslmode asks for TLS, and the server offers none"),
        (lambda url, _port: url + "?sslmode=verify-full&sslrootcert=system", "sslmode asks for TLS"),
        (lambda url, _port: url.replace("//", "//nobody_"), "the server refuses the user or the password"),
        (lambda url, _port: url.replace("@", "x@"), "the server refuses the user or the password"),
        (lambda url, _port: url.replace("/postgres", "/nowhere"), "the server has no such database"),
        (lambda url, _port: url.replace("/postgres", "?host=%2Fnowhere"), "no server has its socket in this folder"),
    ],
)
def test_the_cause_is_named(postgres: Postgres, tmp_path: Path, change: object, cause: str) -> None:
    assert callable(change)
    url = change(postgres.url(), postgres.port)
    settings = Settings(data_dir=tmp_path, keyring=tmp_path / "k", database_url=url)
    for attempt in (stored_schema, open_vault):
        with pytest.raises(DatabaseUnavailable, match="STRONGROOM_DATABASE_URL") as caught:
            attempt(settings)
        assert cause in str(caught.value)
        assert postgres.password not in str(caught.value)


def test_a_right_address_is_reached(postgres: Postgres, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, keyring=tmp_path / "k", database_url="sqlite://")
    assert stored_schema(replace(settings, database_url=postgres.url())) == ""
