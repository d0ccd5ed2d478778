"""A release after this one, made for tests: a copy of the package with one migration and one covered column more.

It cannot run in the same process as this release: `run` starts a process of either one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import vault
from vault.storage.schema import SCHEMA_NUMBER

NEXT = SCHEMA_NUMBER + 1
COLUMN = "remark"
"""A text on every person, empty in all rows of before."""
RELEASE = "99.0.0"

_SECONDS = 60
_MIGRATION = f'''
import sqlalchemy as sa
from alembic import op

revision = "{NEXT:04}"
down_revision = "{SCHEMA_NUMBER:04}"


def upgrade() -> None:
    op.add_column("users", sa.Column("{COLUMN}", sa.String(32), nullable=False, server_default=sa.text("''")))
    op.execute("INSERT INTO schema_readers (revision, oldest_reader) VALUES ('{NEXT:04}', {SCHEMA_NUMBER})")
'''
_EDITS = {
    "__init__.py": [(f'__version__ = "{vault.__version__}"', f'__version__ = "{RELEASE}"')],
    "storage/schema.py": [(f'SCHEMA = "{SCHEMA_NUMBER:04}"', f'SCHEMA = "{NEXT:04}"')],
    "storage/tables.py": [
        (
            '    Column("second_factor", Boolean, nullable=False),\n',
            '    Column("second_factor", Boolean, nullable=False),\n'
            f'    Column("{COLUMN}", String(32), nullable=False, server_default=text("\'\'")),\n',
        )
    ],
    "storage/users.py": [
        (
            'SignedTable(users, uncovered=("change_seq",)',
            f'SignedTable(users, uncovered=("change_seq",), added={{{NEXT}: {{"{COLUMN}": ""}}}}',
        )
    ],
}


@dataclass(frozen=True)
class Release:
    """A tree of the package, whose code runs in processes of its own."""

    tree: Path

    def start(self, code: str, environment: dict[str, str]) -> subprocess.Popen[str]:
        """Start a process that runs `code`; its input and output are pipes."""
        return subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, **environment, "PYTHONPATH": str(self.tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, environment: dict[str, str]) -> str:
        """What `code` prints. Raises `AssertionError` with its error output where it fails."""
        process = self.start(code, environment)
        output, errors = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0, errors
        return output.strip()


def this_release() -> Release:
    """The release under test."""
    return Release(Path(vault.__file__).parent.parent)


def next_release(folder: Path) -> Release:
    """The release after it, as a copy in `folder`."""
    package = folder / "vault"
    shutil.copytree(this_release().tree / "vault", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in _EDITS.items():
        text = (package / name).read_text()
        for before, after in edits:
            assert text.count(before) == 1, f"{name}: {before}"
            text = text.replace(before, after)
        (package / name).write_text(text)
    (package / "storage/migrations/versions" / f"{NEXT:04}_next.py").write_text(_MIGRATION)
    return Release(folder)
