"""The harness itself: servers survive what tests do to them, and do not survive the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis as redis_py
import sqlalchemy
from psycopg import sql

from tests.conftest import FreshDatabase, Kind
from tests.servers import Postgres, Redis

ROOT = Path(__file__).parents[1]

ORPHAN = """
import sys
from tests.servers import Postgres, Redis
server = {"pg": Postgres, "redis": Redis}[sys.argv[1]]()
print(server._process.pid, server.directory, flush=True)
sys.stdin.read()
"""


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


@pytest.mark.parametrize("kind", ["pg", "redis"])
def test_a_server_dies_with_the_test_run_that_was_killed(kind: str) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with runner:
        assert runner.stdout is not None
        pid, directory = runner.stdout.readline().split()
        runner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while (Path(directory).exists() or _lives(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(directory).exists()
    assert not _lives(int(pid))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Nobody reaps orphans where the container has no init: a zombie is dead enough.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


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
