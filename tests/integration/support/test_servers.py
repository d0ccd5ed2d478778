"""The harness itself: servers survive what tests do to them, and do not survive the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis as redis_py
import sqlalchemy
from psycopg import sql

from tests.conftest import FreshDatabase, Kind
from tests.support.patience import eventually
from tests.support.servers import Postgres, Redis
from tests.support.undertaker import watched

ROOT = Path(__file__).parents[3]

WAITING = """
import os, subprocess, time
from pathlib import Path
from tests.support.rotating import start_command
from tests.support.servers import Postgres, Redis
from tests.support.serving import RunningServer

def family(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]

def test_waits(postgres, redis_server, fresh_database, tmp_path):
    # As a process that is interrupted before it is watched.
    subprocess.Popen(["sleep", "600"])
    with RunningServer(tmp_path):
        told = Path(os.environ["INTERRUPTED"])
        lines = [*map(str, family(os.getpid())), str(postgres.directory), str(redis_server.directory)]
        told.with_suffix(".new").write_text("\\n".join(lines))
        told.with_suffix(".new").rename(told)
        time.sleep(600)
"""
"""A test that starts one of each server, writes down what must not outlive its run, and waits for the run's end."""


def test_postgres_keeps_what_was_committed_through_a_crash(postgres: Postgres) -> None:
    with Postgres(durable=True) as server:
        url = server.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=1)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert not server.directory.exists()


def test_a_database_made_from_a_template_has_its_tables_and_can_be_dropped_while_in_use(postgres: Postgres) -> None:
    template = postgres.create_database()
    with psycopg.connect(template) as connection:
        connection.execute("CREATE TABLE here (n int)")
    copy = postgres.create_database(template=template.rpartition("/")[2])
    with psycopg.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM here").fetchone() == (0,)
        postgres.drop_database(copy)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres.drop_database(template)


def test_postgres_wants_its_password_and_answers_on_its_unix_socket(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url(unix_socket=True)) as connection:
        assert connection.info.host == str(postgres.directory)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.url().replace(postgres.password, "wrong"))


def test_a_hung_postgres_accepts_and_does_not_answer_until_it_resumes(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        postgres.hang()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres.url(), connect_timeout=2)
        postgres.resume()
        connection.execute(sql.SQL("SELECT 1"))


def test_a_hung_redis_times_out_and_ensure_running_heals_it(redis_server: Redis) -> None:
    redis_server.hang()
    hasty = redis_py.Redis.from_url(redis_server.url, socket_timeout=0.1)
    with hasty, pytest.raises(redis_py.TimeoutError):
        hasty.ping()
    redis_server.ensure_running()
    with redis_server.client() as client:
        assert client.ping()


def test_a_killed_redis_comes_back_empty_on_the_same_port(redis_server: Redis, redis_url: str) -> None:
    with redis_server.client() as client:
        client.set("a", "b")
    redis_server.kill()
    redis_server.ensure_running()
    assert redis_server.url == redis_url
    with redis_server.client() as client:
        assert client.get("a") is None


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGINT, "1"), (signal.SIGTERM, "0"), (signal.SIGKILL, "1")],
    ids=lambda each: str(each),
)
def test_nothing_outlives_a_test_run_that_was_interrupted(number: signal.Signals, workers: str, tmp_path: Path) -> None:
    (tmp_path / "test_waiting.py").write_text(WAITING)
    told = tmp_path / "told"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "setup.cfg"), "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "base")]
    with (tmp_path / "output").open("wb") as output, _sigint_heeded():
        # A session of its own, so that SIGINT reaches its group, as Ctrl-C does.
        run = subprocess.Popen(
            [*command, "-n", workers, str(tmp_path / "test_waiting.py")],
            cwd=ROOT, env=os.environ | {"INTERRUPTED": str(told)}, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    watched(run)
    assert eventually(lambda: told.exists() or run.poll() is not None, 30)
    assert told.exists(), (tmp_path / "output").read_text()
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    *pids, postgres_files, redis_files = told.read_text().splitlines()
    assert len(pids) > 5
    # Up to 16 s on a quiet machine: execnet interrupts a worker again after 5 s, xdist kills it after 10 s, and the
    # undertaker then waits for 5 s more.
    assert eventually(lambda: run.poll() is not None and not any(_lives(int(pid)) for pid in pids), 60)
    assert eventually(lambda: not Path(postgres_files).exists() and not Path(redis_files).exists())


@contextmanager
def _sigint_heeded() -> Iterator[None]:
    """Start processes that heed SIGINT. A shell starts its background jobs with SIGINT ignored, and children inherit
    that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # Nobody reaps orphans where the container has no init: a zombie is dead enough.
    return "\nState:\tZ" not in state


def test_a_fresh_database_has_the_schema_no_rows_and_nobody_else_s_writes(
    database_url: str, fresh_database: FreshDatabase
) -> None:
    kind: Kind = "sqlite" if database_url.startswith("sqlite") else "postgresql"
    other = fresh_database(kind)
    assert other != database_url
    for url in (database_url, other):
        engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            # The same row goes into both, so the second is no view of the first.
            connection.execute(sqlalchemy.text("CREATE TABLE mine (n int PRIMARY KEY)"))
            connection.execute(sqlalchemy.text("INSERT INTO mine VALUES (1)"))
            assert connection.execute(sqlalchemy.text("SELECT count(*) FROM users")).scalar() == 0
        engine.dispose()


def test_a_database_that_is_not_migrated_has_no_tables(fresh_database: FreshDatabase) -> None:
    with psycopg.connect(fresh_database("postgresql", migrated=False)) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)
