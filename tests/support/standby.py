"""A second PostgreSQL that follows a first one, and the steps of a failover."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.patience import HANG_SECONDS, eventually
from tests.support.servers import Postgres, ServerError


class Standby(Postgres):
    """A copy of another cluster, with the same password. It follows the other one until it is promoted."""

    def __init__(self, primary: Postgres) -> None:
        self._primary = primary
        super().__init__(durable=primary.durable)

    def _initialise(self) -> None:
        self.password = self._primary.password
        # Use a file: a password on a command line is visible to every user.
        secret = self.directory / "pgpass"
        secret.write_text(f"127.0.0.1:{self._primary.port}:*:{self.username}:{self.password}\n")
        self._give(secret)
        source = f"host=127.0.0.1 port={self._primary.port} user={self.username} passfile={secret}"
        command = [self.program("pg_basebackup"), "--pgdata=data", f"--dbname={source}", "--write-recovery-conf"]
        command += ["--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        with self._log_path.open("ab") as log:
            code = self._spawn(command, log.fileno()).wait(HANG_SECONDS)
        if code != 0:
            raise ServerError(f"pg_basebackup failed:\n{self._log()}")

    def catch_up(self) -> None:
        """Wait until it has everything that its primary has stored."""
        with psycopg.connect(self._primary.url(), autocommit=True) as primary:
            stored = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert stored is not None
        with psycopg.connect(self.url(), autocommit=True) as own:
            query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            assert eventually(lambda: own.execute(query, stored).fetchone() == (True,))

    def _give(self, path: Path) -> None:
        path.chmod(0o600)
        owner = self.directory.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def promote(server: Postgres) -> None:
    """Make a standby the primary."""
    server.execute(sql.SQL("SELECT pg_promote()"))


def demote(server: Postgres) -> None:
    """Start a server again as a standby that follows nobody: it answers reads, and refuses writes."""
    server.stop()
    (server.directory / "data" / "standby.signal").touch()
    server.start()
