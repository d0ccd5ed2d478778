"""What every test can ask for: databases, a Redis, and the rule that unit tests open no sockets."""

from __future__ import annotations

import _socket
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO, cast

import hypothesis
import pytest
import pytest_socket
import structlog

from tests.support.groups import GroupScheduling, is_unit, start_order
from tests.support.servers import Postgres, Redis, database_name
from tests.support.statements import statements_are_compiled_once as statements_are_compiled_once
from tests.support.undertaker import of_this_process
from vault import observe

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

# `ci` says the same thing each time it runs; `explore` looks for what nobody has found yet.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Whoever starts the tests in the background may have these ignored (`nohup make test &`). The programs that tests start
# would inherit that, and no Ctrl-C would reach them.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep groups of tests together where `--dist loadgroup` asks for it."""
    if config.getvalue("dist") != "loadgroup":
        return None
    return GroupScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker of xdist: the order in which tests are handed out."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: start_order(item.nodeid))


class FreshDatabase(Protocol):
    """Makes databases that are gone when the test is over."""

    def __call__(self, kind: Kind, *, migrated: bool = True) -> str:
        """The URL of a new database without rows: with the newest schema, or with nothing at all."""
        ...


class _Stderr:
    """Whatever standard error is just now: pytest puts another in its place for each test."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


@pytest.fixture(autouse=True)
def _logs_as_in_the_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logs as the server writes them, anew for each test: a logger that is kept would write where nobody reads.

    Without this, structlog's own default would draw every traceback with all locals, which takes seconds.
    """
    configure = structlog.configure
    monkeypatch.setattr(
        structlog, "configure", lambda **options: configure(**options | {"cache_logger_on_first_use": False})
    )
    observe.configure(level="debug", stream=cast(TextIO, _Stderr()))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True, scope="session")
def _nothing_outlives_this_run() -> None:
    """The undertaker must be there before the first process starts."""
    of_this_process()


@pytest.fixture(autouse=True)
def _umask_as_it_was() -> Iterator[None]:
    """The operators' commands make files for their own account alone; other tests must not inherit that."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _no_sockets_in_unit_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    if not is_unit(request.node.nodeid):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        pytest_socket.disable_socket(allow_unix_socket=False)
        patch.setattr(socket, "socketpair", _socketpair)
        try:
            yield
        finally:
            pytest_socket.enable_socket()


def _socketpair(*arguments: int) -> tuple[socket.socket, socket.socket]:
    # An asyncio loop wakes itself through a pair of sockets, which reaches nobody outside the process.
    first, second = _socket.socketpair(*arguments)
    return _adopt(first), _adopt(second)


# The class as it was before pytest-socket put its guard in this one's place.
_Socket = socket.socket


def _adopt(raw: _socket.socket) -> socket.socket:
    return _Socket(raw.family, raw.type, raw.proto, raw.detach())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """This worker's PostgreSQL. A test that stops it need not start it again."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """This worker's Redis. A test that stops it need not start it again if others use `redis_url`."""
    with Redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of an empty Redis that answers."""
    redis_server.ensure_running()
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def fresh_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FreshDatabase]:
    """A maker of databases, as many as a test needs."""
    made: list[tuple[Postgres, str]] = []

    def make(kind: Kind, *, migrated: bool = True) -> str:
        # Asked for only here: a test on SQLite alone starts no PostgreSQL.
        if kind == "sqlite":
            template = request.getfixturevalue("_sqlite_template") if migrated else None
            return _new_sqlite(tmp_path, template)
        server: Postgres = request.getfixturevalue("postgres")
        server.ensure_running()
        url = server.create_database(template=request.getfixturevalue("_postgres_template") if migrated else None)
        made.append((server, url))
        return url

    yield make
    for server, url in made:
        server.ensure_running()
        server.drop_database(url)


def _new_sqlite(folder: Path, template: Path | None) -> str:
    path = folder / f"strongroom-{secrets.token_hex(4)}.db"
    if template is not None:
        shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, fresh_database: FreshDatabase) -> str:
    """The URL of a migrated database without rows; the test runs once on each kind."""
    return fresh_database(request.param)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "strongroom.db"
    _migrate(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    # What still lies in the write-ahead log would be left behind by a copy of the file.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres: Postgres) -> str:
    url = postgres.create_database()
    _migrate(url)
    return database_name(url)


def _migrate(url: str) -> None:
    """Migrate a template. If the migrations are wrong, every test that needs it says why in a few words."""
    from vault.errors import StorageError
    from vault.storage import migrate

    reason = ""
    try:
        migrate(url)
    except StorageError as error:
        reason = error.message
    if reason:
        told = f"There is no database for any test: {reason} See tests/integration/storage/test_migrations.py."
        pytest.fail(told, pytrace=False)
