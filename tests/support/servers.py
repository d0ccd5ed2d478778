"""Real PostgreSQL and Redis processes for the tests: loopback only, free ports, nothing left behind.

An undertaker (`undertaker.py`) watches each server: if the test run dies, it stops the server and removes its files.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
import redis as redis_py
from psycopg import sql

from tests.support.patience import HANG_SECONDS, eventually
from tests.support.ports import free_port, is_free
from tests.support.undertaker import Undertaker

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_FIRST_WITH_STRATEGY = 15


class ServerError(Exception):
    """A server did not start, or its programs are not installed; the message has the program's output."""


class _Server(ABC):
    """The shared part of both servers: one child process with its directory, port and log."""

    stop_signal = signal.SIGTERM
    last_word = signal.SIGKILL
    """The signal that the undertaker sends if the test run dies."""

    def __init__(self, name: str) -> None:
        # Not in pytest's temporary folder: its path is closed to the user that PostgreSQL runs as, and too long
        # for a Unix socket.
        self.directory = Path(tempfile.mkdtemp(prefix=f"sr-{name}-"))
        self.port = free_port()
        self._user = _unprivileged_user()
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._undertaker = Undertaker(self.directory)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Report whether the process lives. A hung process does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, on the same port and data as before, and wait until it answers."""
        assert not self.running, "The server is already running."
        # Another process may have taken the port while the server was down. Fail here, not later in a test.
        _wait_until(lambda: is_free(self.port), f"port {self.port} is taken", STOP_SECONDS)
        with self._log_path.open("ab") as log:
            self._process = self._spawn(self._command(), log.fileno())
        self._undertaker.watch(self._process.pid, self.last_word)
        _wait_until(self._answers, lambda: f"{self._command()[0]} did not start:\n{self._log()}", START_SECONDS)

    def ensure_running(self) -> None:
        """Undo what the last test changed."""
        if self.running:
            self.resume()
        else:
            self.start()

    def stop(self) -> None:
        """Stop it gracefully and keep its data."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """Stop it as a crash would."""
        self._end(signal.SIGKILL)

    def hang(self) -> None:
        """Freeze it: connections stay open and are even accepted, and nothing answers. `resume` ends it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it after `hang`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it for good and remove its files. It may be called again."""
        self.kill()
        self._undertaker.dismiss()

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command that starts it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Report whether it is ready."""

    @property
    def _log_path(self) -> Path:
        return self.directory / "server.log"

    def _log(self) -> str:
        return self._log_path.read_text(errors="replace")[-4000:]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "It has not been started."
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        if not eventually(lambda: process.poll() is not None, STOP_SECONDS):
            process.kill()
            process.wait(HANG_SECONDS)
        self._undertaker.release(process.pid)

    def _spawn(self, command: list[str], output: int) -> subprocess.Popen[bytes]:
        # PostgreSQL refuses to run as root, and Redis does not need to.
        user = self._user
        return subprocess.Popen(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=_plain_environment(),
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )


class Postgres(_Server):
    """One PostgreSQL cluster. It writes without fsync unless `durable`, which is right for all but crash tests."""

    stop_signal = signal.SIGINT
    last_word = signal.SIGQUIT
    username = "strongroom"

    def __init__(self, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        super().__init__("pg")
        self.durable = durable
        self.password = secrets.token_hex(16)
        self._settings = dict(settings or {})
        self._programs = _postgres_programs()
        try:
            self._initialise()
            self._version = int((self.directory / "data" / "PG_VERSION").read_text())
            self.start()
        except BaseException:
            self.close()
            raise

    def kill(self) -> None:
        """Stop it as a crash would: every backend dies at once, and the next start recovers from the log."""
        # SIGQUIT makes PostgreSQL crash. SIGKILL would leave backends that finish their work.
        self._end(signal.SIGQUIT)

    def hang(self) -> None:
        """Freeze it and all of its backends."""
        assert self._process is not None, "It has not been started."
        for pid in [self._process.pid, *_children(self._process.pid)]:
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it after `hang`."""
        assert self._process is not None, "It has not been started."
        for pid in [*_children(self._process.pid), self._process.pid]:
            _send(pid, signal.SIGCONT)

    @staticmethod
    def program(name: str) -> str:
        """Return the path of one of PostgreSQL's programs, such as `psql` or `pg_dump`."""
        return str(_postgres_programs() / name)

    def url(self, database: str = "postgres", *, unix_socket: bool = False) -> str:
        """Return the URL of a database, over loopback or over the Unix socket."""
        if unix_socket:
            where = f"/{database}?host={quote(str(self.directory), safe='')}&port={self.port}"
        else:
            where = f"127.0.0.1:{self.port}/{database}"
        return f"postgresql://{self.username}:{self.password}@{where}"

    def create_database(self, *, template: str | None = None) -> str:
        """Create a database, empty or as a copy of `template`, and return its URL."""
        name = f"t_{secrets.token_hex(8)}"
        query = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            query += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        if self._version >= _FIRST_WITH_STRATEGY:
            # Without fsync a copy of the files takes 0.05 s, and PostgreSQL's default way 0.2 s.
            query += sql.SQL(" STRATEGY FILE_COPY")
        self.execute(query)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, and close all connections to it."""
        query = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self.execute(query.format(sql.Identifier(database_name(url))))

    def execute(self, query: sql.SQL | sql.Composed, *, database: str = "postgres") -> None:
        """Run one statement as the superuser, outside any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(query)

    def _initialise(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self.password + "\n")
        if self._user is not None:
            os.chown(password_file, self._user.pw_uid, self._user.pw_gid)
        command = [str(self._programs / "initdb"), "--pgdata=data", f"--username={self.username}"]
        command += ["--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        with self._log_path.open("ab") as log:
            code = self._spawn(command, log.fileno()).wait(HANG_SECONDS)
        if code != 0:
            raise ServerError(f"initdb failed:\n{self._log()}")
        password_file.unlink()

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "log_min_messages": "warning",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings |= self._settings
        command = [str(self._programs / "postgres"), "-D", "data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _answers(self) -> bool:
        if not self.running:
            raise ServerError(f"PostgreSQL ended at once:\n{self._log()}")
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis(_Server):
    """One Redis without persistence, as in production: `noeviction`, and a password."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__("redis")
        self.password = secrets.token_hex(16)
        self._program = _find("redis-server")
        self._settings = dict(settings or {})
        try:
            self._write_configuration()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Return its URL, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Delete all keys."""
        with self.client() as client:
            client.flushall()

    def client(self) -> redis_py.Redis:
        """Return a client to read its keys or to tamper with them."""
        return redis_py.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=5)

    def _write_configuration(self) -> None:
        # Use a file: a password on a command line is visible to every user.
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "save": '""',
            "appendonly": "no",
            "maxmemory": "64mb",
            "maxmemory-policy": "noeviction",
            "requirepass": self.password,
            "daemonize": "no",
            "loglevel": "warning",
        }
        lines = [f"{name} {value}" for name, value in (settings | self._settings).items()]
        path = self.directory / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _command(self) -> list[str]:
        return [self._program, str(self.directory / "redis.conf")]

    def _answers(self) -> bool:
        if not self.running:
            raise ServerError(f"Redis ended at once:\n{self._log()}")
        with self.client() as client, contextlib.suppress(redis_py.RedisError):
            return bool(client.ping())
        return False


def database_name(url: str) -> str:
    """Return the database's name in a URL from `Postgres.url`."""
    return url.split("?")[0].rpartition("/")[2]


def _wait_until(condition: Callable[[], bool], complaint: str | Callable[[], str], seconds: float) -> None:
    if not eventually(condition, seconds):
        raise ServerError(complaint if isinstance(complaint, str) else complaint())


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _send(pid: int, number: signal.Signals) -> None:
    # A backend may have ended since it was listed.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return the user for servers if the tests run as root, otherwise None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerError("The tests run as root, and there is no user `postgres` or `nobody` to run PostgreSQL as.")


def _plain_environment() -> dict[str, str]:
    """Return the environment without the developer's PG… and STRONGROOM_… variables, which would change the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ServerError(f"{program} is not installed; `make test` installs it on Debian and Ubuntu.")
    return found


def _postgres_programs() -> Path:
    """Return the folder of initdb and postgres: Debian's newest, which is not on PATH, otherwise the one on PATH."""
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    return Path(_find("initdb")).resolve().parent
