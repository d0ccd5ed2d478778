"""A release after this one, made from this checkout: one more migration that only expands, one more covered column.

The column is `environments.synthetic_note`: every write to an environment signs its row again, in either release.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.releases.running import CHECKOUT, Release
from vault.storage.database.schema import SCHEMA, SCHEMA_NUMBER

VERSION = "99.0.0"
NUMBER = SCHEMA_NUMBER + 1
COLUMN = "synthetic_note"
FORMAT = f"environments.{NUMBER}"
"""The id of the new row format in the catalogue."""

_MIGRATION = f'''"""One column more."""

import sqlalchemy as sa
from alembic import op

revision = "{NUMBER:04}"
down_revision = "{SCHEMA}"


def upgrade() -> None:
    op.add_column("environments", sa.Column("{COLUMN}", sa.String(64), nullable=True))
    op.execute("INSERT INTO schema_readers (revision, oldest_reader) VALUES ('{NUMBER:04}', 2)")
'''

# Behind the class: every column that stands in the table before it is of the first format.
_SIGNED = f"""
from sqlalchemy import Column, String

environments.append_column(Column("{COLUMN}", String(64), nullable=True))
Environments.signed.append({NUMBER}, {{"{COLUMN}": None}})
Environments.signed.own_formats |= {{{NUMBER}}}
"""


def next_release(folder: Path) -> Release:
    """The release, in a folder of its own."""
    _copy_package(folder)
    storage = folder / "vault" / "storage"
    _change(folder / "vault" / "__init__.py", r'__version__ = ".*"', f'__version__ = "{VERSION}"')
    _change(storage / "database" / "schema.py", rf'SCHEMA = "{SCHEMA}"', f'SCHEMA = "{NUMBER:04}"')
    _append(storage / "rows" / "environments.py", _SIGNED)
    (storage / "database" / "migrations" / "versions" / f"{NUMBER:04}_synthetic.py").write_text(_MIGRATION)
    return Release.compiled(folder)


def _copy_package(folder: Path) -> None:
    shutil.copytree(CHECKOUT / "vault", folder / "vault", ignore=shutil.ignore_patterns("__pycache__"))


def _change(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text())
    assert count == 1, f"{path} has {count} lines like {pattern}."
    path.write_text(changed)


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)
