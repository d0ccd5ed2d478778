"""The vault locks within a second although one host is frozen and one cut off, each in the middle of a transaction."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import FreshDatabase
from tests.integration.faults.conftest import QUICK_HASHES, add_people
from tests.support import programs
from tests.support.patience import HANG_SECONDS, eventually, in_time
from tests.support.servers import Postgres
from tests.support.serving import RunningServer
from tests.support.undertaker import watched
from tests.support.vaults import HOST, make_vault
from vault import settings
from vault.services.keys.locking import lock, unlock
from vault.storage import Storage
from vault.storage.rows.lock_flag import marker_of, read_flag

pytestmark = pytest.mark.xdist_group("frozen")

HELD = {
    "fence": "SELECT 1 FROM vault_state FOR SHARE",
    "state": "SELECT 1 FROM vault_state FOR UPDATE",
    "person": "SELECT 1 FROM users FOR UPDATE",
    "audit": "SELECT 1 FROM audit_head FOR UPDATE",
}

FREEZE = """
import os, signal, sys
import sqlalchemy as sa
from vault import settings
from vault.storage import Storage

storage = Storage(settings.load().database_url)
with storage.write() as unit:
    for statement in sys.argv[1:]:
        unit.connection.execute(sa.text(statement))
    os.write(1, b"held")
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextlib.contextmanager
def frozen_host(environ: dict[str, str], *statements: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, stopped in the middle of a transaction that has run these statements."""
    command = [sys.executable, "-c", FREEZE, *statements]
    process = watched(subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.PIPE))
    assert process.stdout is not None
    try:
        assert process.stdout.read(4) == b"held"
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def host_cut_off(url: str, *statements: str) -> Iterator[None]:
    """A session that holds what these statements lock, and is never heard of again. It has no limits of ours."""
    with contextlib.closing(psycopg.connect(url)) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield


def run(environ: dict[str, str], *words: str) -> tuple[float, str]:
    """How long a command took, and what it said."""
    start = time.monotonic()
    done = programs.run(sys.executable, "-m", "vault", *words, env=os.environ | environ)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - start, done.stderr


def status(server: RunningServer) -> int:
    connection = server.connect(HANG_SECONDS)
    try:
        connection.request("GET", "/api/v1/environments")
        return connection.getresponse().status
    finally:
        connection.close()


def seconds_until(servers: list[RunningServer], expected: int) -> float:
    start = time.monotonic()
    assert eventually(lambda: {status(server) for server in servers for _ in range(3)} == {expected}, 30)
    return time.monotonic() - start


def test_lock_waits_for_no_transaction_of_another_host(tmp_path: Path, postgres: Postgres) -> None:
    postgres.ensure_running()
    url = postgres.create_database()
    environ = {
        "STRONGROOM_DATA_DIR": str(tmp_path / "data"),
        "STRONGROOM_KEYRING": str(tmp_path / "keys" / "master.json"),
        "STRONGROOM_DATABASE_URL": url,
        "STRONGROOM_WORKERS": "1",
        **QUICK_HASHES,
    }
    add_people(environ, 1)
    other = environ | {"STRONGROOM_DATA_DIR": str(tmp_path / "other")}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RunningServer(tmp_path, each)) for each in (environ, other)]
        # The control: nobody holds anything.
        usual, _ = run(environ, "lock")
        usual_spread = seconds_until(servers, 503)
        usual = max(usual, run(environ, "unlock")[0])
        seconds_until(servers, 401)
        with frozen_host(environ, HELD["fence"], HELD["audit"]), host_cut_off(url, HELD["person"], HELD["fence"]):
            took, said = run(environ, "lock")
            spread = seconds_until(servers, 503)
            assert "The vault is locked." in said
            assert "not in the audit" not in said
        # The command's own start takes most of it, and longer on a busy machine.
        assert in_time(took, 1.5 * usual + 1.0)
        assert in_time(spread, 1.5 * usual_spread + 1.0)
        with host_cut_off(url, HELD["state"], HELD["person"], HELD["audit"]):
            took, said = run(environ, "unlock")
            assert "The vault is unlocked." in said
        assert in_time(took, 1.5 * usual + 1.0)
    postgres.drop_database(url)


@pytest.mark.parametrize("kept", HELD)
def test_whatever_a_session_holds_the_flag_is_free(fresh_database: FreshDatabase, tmp_path: Path, kept: str) -> None:
    vault = make_vault(tmp_path, fresh_database("postgresql"))
    with host_cut_off(vault.settings.database_url, HELD[kept]):
        for act, locked in ((lock, True), (unlock, False)):
            change = act(vault.storage, HOST)
            assert (change.changed, change.warning) == (True, "")
            assert read_flag(vault.storage).locked is locked
    vault.storage.close()


def test_where_the_audit_takes_no_event_the_lock_stands_and_says_so(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    vault = make_vault(tmp_path, fresh_database("postgresql"))
    signer = vault.storage.signer
    vault.storage.close()
    from vault.storage.database.session_limits import SessionLimits

    hurried = Storage(vault.settings.database_url, limits=SessionLimits(idle_seconds=10, lock_seconds=1))
    hurried.signer = signer
    with host_cut_off(vault.settings.database_url, "LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE"):
        change = lock(hurried, HOST)
    assert change.changed
    assert "not in the audit: Another change holds" in change.warning
    assert read_flag(hurried).locked
    hurried.close()


def test_sqlite_is_locked_by_a_file_while_a_frozen_process_writes(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"))
    environ = {"STRONGROOM_DATABASE_URL": vault.settings.database_url}
    marker = marker_of(vault.storage.url)
    assert marker is not None
    with frozen_host(environ, "SELECT 1") as process:
        change = lock(vault.storage, HOST)
        assert change.changed
        assert f"the file {marker} locks the vault" in change.warning
        assert f"Process {process.pid} holds the database" in change.warning
        with vault.storage.read() as unit:
            assert vault.instance.heed_lock(unit)
        with pytest.raises(Exception, match=f"still locked.*Process {process.pid}"):
            unlock(vault.storage, HOST)
        assert marker.exists()
    change = unlock(vault.storage, HOST)
    assert (change.changed, marker.exists(), read_flag(vault.storage).locked) == (True, False, False)
    with vault.storage.read() as unit:
        assert not vault.instance.heed_lock(unit)
    vault.storage.close()


def test_sqlite_with_nobody_in_the_way_needs_no_file(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"))
    marker = marker_of(vault.storage.url)
    assert marker is not None
    assert lock(vault.storage, HOST).warning == ""
    assert not marker.exists()
    assert read_flag(vault.storage).locked
    vault.storage.close()


def test_a_database_of_no_schema_says_what_to_do(fresh_database: FreshDatabase) -> None:
    for kind in ("sqlite", "postgresql"):
        storage = Storage(fresh_database(kind, migrated=False))
        with pytest.raises(Exception, match="db upgrade"):
            lock(storage, HOST)
        storage.close()


def test_a_vault_locks_although_its_keyring_is_gone(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"))
    environ = {
        "STRONGROOM_DATABASE_URL": vault.settings.database_url,
        "STRONGROOM_DATA_DIR": str(vault.settings.data_dir),
        "STRONGROOM_KEYRING": str(tmp_path / "nowhere.json"),
    }
    assert settings.load(environ).keyring == tmp_path / "nowhere.json"
    _, said = run(environ, "lock")
    assert "The vault is locked." in said
    assert "this is not in the audit, because the vault cannot be opened here" in said
    assert read_flag(vault.storage).locked
    vault.storage.close()
