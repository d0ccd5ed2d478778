"""Migrations, run by Alembic: `strongroom db upgrade`, and `serve` for a database that is empty or embedded."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from vault.errors import StorageError
from vault.storage.engine import make_engine, parse_url, translated
from vault.storage.session_limits import UPGRADE

_FOLDER = Path(__file__).parent / "migrations"
_LOCK_NUMBER = 0x53524D31
"""An arbitrary number ("SRM1") for PostgreSQL's advisory lock: two hosts may start at once."""


def migrate(url: str) -> None:
    """Bring the database to this release's schema. Raises `StorageError` when it is newer than this release."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        _make_private(Path(parsed.database))
    engine = make_engine(parsed, pool_size=1, autocommit=False, bounded=False, limits=UPGRADE)
    try:
        with translated(), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            _refuse_newer(connection)
            command.upgrade(_config(connection), "head")
    finally:
        engine.dispose()


def _make_private(path: Path) -> None:
    """Make the file of a new embedded database for nobody else's eyes; SQLite gives its log the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def schema_revision(connection: sa.Connection) -> str:
    """The migration that the database stands at; empty where there is no schema."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def schema_state(connection: sa.Connection) -> str:
    """`current`, `empty`, `older` (an upgrade is needed) or `newer` (made by a later release)."""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        return "empty"
    scripts = ScriptDirectory.from_config(_config())
    if revision == scripts.get_current_head():
        return "current"
    known = {script.revision for script in scripts.walk_revisions()}
    return "older" if revision in known else "newer"


def _refuse_newer(connection: sa.Connection) -> None:
    if schema_state(connection) == "newer":
        raise StorageError(
            "The database was made by a newer release of Strongroom. Install that release, or restore a backup."
        )


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config
