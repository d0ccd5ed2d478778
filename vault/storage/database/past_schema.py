"""The tables of an earlier schema. Its migrations make them in memory, so that no copy must be kept by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from vault.errors import StorageError

_FOLDER = Path(__file__).parent / "migrations"


def alembic_config(connection: sa.Connection) -> Config:
    """Return Alembic's settings for migrations in the transaction of `connection`."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def tables_at(revision: str) -> sa.MetaData:
    """Return the tables after the migration `revision`. Raises `StorageError` if there is no such migration."""
    engine, found = sa.create_engine("sqlite://"), sa.MetaData()
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), revision)
            found.reflect(connection)
    except CommandError as error:
        raise StorageError(
            f"No release has made the schema {revision}. If the table alembic_version was changed by hand, put back "
            "the number of the migration that ran last, or restore a backup into an empty database."
        ) from error
    finally:
        engine.dispose()
    found.remove(found.tables["alembic_version"])
    for table in found.tables.values():
        for index in table.indexes:
            # The condition of a partial index is the same text in both databases.
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
    return found
