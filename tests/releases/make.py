"""Keep a release for the tests: `python -m tests.releases.make WHEEL FOLDER`.

The release in the wheel makes a vault on SQLite and another on PostgreSQL, and lives through `story.py` in each. Kept
are, as `sqlite.tar.xz` and `postgresql.tar.xz`: the database, the keyring, the backup key, an archive, and the spool
that a killed worker left behind; and what must be true of it all, as `sqlite.json` and `postgresql.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.releases.running import LOW_COST, Caller, Release, kill
from tests.releases.story import PASSWORDS, Facts, Story, reads, tell
from tests.support.servers import Postgres
from tests.support.serving import RunningServer

_SPOOLED_LEAST = 5
_READS = 12
_TRIES = 10


def main() -> None:
    """Keep the release of a wheel in a folder."""
    wheel, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="sr-release-") as name, Postgres() as postgres:
        folder = Path(name)
        release = Release.unpacked(wheel, folder / "code")
        for kind in ("sqlite", "postgresql"):
            kept = folder / kind
            kept.mkdir()
            url = postgres.create_database() if kind == "postgresql" else f"sqlite:///{kept / 'strongroom.db'}"
            facts = _Keeper(release, kept, url).keep()
            _store_database(kept, url)
            _pack(kept, out / f"{kind}.tar.xz")
            (out / f"{kind}.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


class _Keeper:
    """Lets one release live through the story in one database."""

    def __init__(self, release: Release, folder: Path, url: str) -> None:
        self._release = release
        self._folder = folder
        self._url = url
        self._env = LOW_COST | {
            "STRONGROOM_DATABASE_URL": url,
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
            "STRONGROOM_BACKUP_KEY": str(folder / "keys" / "backup.txt"),
            "STRONGROOM_BACKUP_TO": f"dir:{folder / 'archives'}",
            "STRONGROOM_WORKERS": "1",
        }

    def keep(self) -> Facts:
        """Make the vault, and end it by a crash; what must be true of it."""
        (self._folder / "archives").mkdir(mode=0o700)
        self._command("db", "upgrade")
        for name, password in PASSWORDS.items():
            role = ["--operator"] if name == "ada" else []
            self._command("user", "add", name, *role, "--password", "-", given=password + "\n")
        with self._serve() as server:
            story = Story(Caller(server), partial(self._persons_command, server))
            self._command("keys", "rotate")
            tell(story)
            for words in (("user", "disable", "carol"), ("user", "erase", "dave", "--yes"), ("backup", "key")):
                self._command(*words)
            story.facts["reads"] = reads(story)
        # Every worker has written what it had to write: nothing is in the archive that is not in the database.
        self._command("keys", "rewrap")
        self._command("audit", "checkpoint", "-o", str(self._folder / "checkpoint.txt"))
        self._command("backup", "create")
        story.facts |= {"release": self._release.version, "schema": self._schema(), "erased_people": ["dave"]}
        story.facts["sessions"] = {name: story.secrets[name] for name in ("ada", "bob")}
        story.facts["spooled"] = self._crash(story.secrets["reader"])
        story.facts["made_us"] = time.time_ns() // 1000
        return story.facts

    def _crash(self, reader: str) -> list[str]:
        """Read, and kill the worker before it has brought its reads into the database: the reads' request ids."""
        for _ in range(_TRIES):
            server = self._serve()
            caller = Caller(server, reader)
            answers = [caller("GET", "/environments/prod/values") for _ in range(_READS)]
            kill(server)
            ids = [answer.headers["x-request-id"] for answer in answers if answer.status == 200]
            stored = {row[0] for row in _query(self._url, "SELECT request_id FROM audit_events")}
            left = [each for each in ids if each not in stored]
            if len(left) >= _SPOOLED_LEAST:
                return left
        raise SystemExit("The worker was always faster than its end.")

    def _schema(self) -> str:
        return str(_query(self._url, "SELECT version_num FROM alembic_version")[0][0])

    def _serve(self) -> RunningServer:
        return self._release.serve(self._folder, self._env)

    def _persons_command(self, server: RunningServer, secret: str, *arguments: str) -> str:
        where = {"STRONGROOM_URL": server.url, "STRONGROOM_CA_FILE": str(server.ca_file), "STRONGROOM_TOKEN": secret}
        # A person's own files: none.
        files = {"XDG_CONFIG_HOME": str(self._folder), "XDG_STATE_HOME": str(self._folder)}
        return self._release.command(where | files, *arguments)

    def _command(self, *arguments: str, given: str | None = None) -> None:
        self._release.command(self._env, *arguments, given=given)


def _query(url: str, statement: str) -> list[tuple[object, ...]]:
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        return database.execute(statement).fetchall()


def _store_database(folder: Path, url: str) -> None:
    """The database as one file: SQLite's log goes into it, PostgreSQL writes SQL that `psql` reads."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(folder / "strongroom.db")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for end in ("-wal", "-shm"):
            (folder / f"strongroom.db{end}").unlink(missing_ok=True)
        return
    program = Postgres.program("pg_dump")
    dump = subprocess.run([program, "--no-owner", "--no-privileges", url], capture_output=True, check=True, text=True)
    # psql's own commands against hostile dumps: older ones do not know them.
    lines = [line for line in dump.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    (folder / "dump.sql").write_text("\n".join(lines) + "\n")


def _pack(folder: Path, target: Path) -> None:
    """What is kept of a vault's folder."""
    shutil.rmtree(folder / "data" / "tls")
    with tarfile.open(target, "w:xz", preset=9) as tar:
        for name in ("strongroom.db", "dump.sql", "keys", "archives", "checkpoint.txt", "data"):
            if (folder / name).exists():
                tar.add(folder / name, name, filter=_anonymous)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


if __name__ == "__main__":
    os.umask(0o077)
    main()
