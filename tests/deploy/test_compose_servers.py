"""The servers of compose.yaml, run with its own options: TLS everywhere, certificates in place of passwords."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
import sqlalchemy as sa
import yaml

from tests.support.patience import HANG_SECONDS
from tests.support.ports import free_port
from tests.support.programs import run, started
from tests.support.servers import Postgres
from vault.storage.database.engine import make_engine, parse_url

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENVIRON: dict[str, str] = SERVICES["strongroom"]["environment"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that make-secrets.sh fills, and the vault's key as its container copies it."""
    folder = tmp_path_factory.mktemp("deployment") / "secrets"
    done = run(DEPLOY / "scripts/make-secrets.sh", "localhost", folder)
    assert done.returncode == 0, done.stderr
    shutil.copy(folder / "strongroom_client.key", folder / "client.key")
    (folder / "client.key").chmod(0o600)
    return folder


def _here(text: str, made: Path) -> str:
    """Paths of the container as paths of this machine."""
    return text.replace("/tmp/client.key", str(made / "client.key")).replace("/run/secrets", str(made))


def _answer(port: int, made: Path, server: str, client: str | None, sent: bytes) -> bytes:
    """What a server says over TLS. `client` is the certificate that is shown. Raises `OSError` if it says nothing."""
    context = ssl.create_default_context(cafile=str(made / "internal_ca.pem"))
    if client:
        context.load_cert_chain(made / f"{client}.pem", made / f"{client}.key")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=server) as wrapped,
    ):
        wrapped.sendall(sent)
        answer = wrapped.recv(65536)
    if not answer:
        raise ConnectionError("The server closed the connection.")
    return answer


# -- Redis -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cache(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis that runs the command of compose."""
    port = free_port()
    words = [_here(word, made) for word in SERVICES["redis"]["command"]]
    words[words.index("--tls-port") + 1] = str(port)
    with started([*words, "--bind", "127.0.0.1"], port, tmp_path_factory.mktemp("redis")):
        yield port


def test_redis_answers_the_address_of_the_vault_and_never_evicts(made: Path, cache: int) -> None:
    url = _here(ENVIRON["STRONGROOM_REDIS_URL"], made).replace("//redis:6379", f"//127.0.0.1:{cache}")
    at_once = redis_py.retry.Retry(redis_py.backoff.NoBackoff(), 0)
    # The certificate is for the name of the service, which this machine does not know.
    with redis_py.Redis.from_url(url, retry=at_once) as client, pytest.raises(redis_py.ConnectionError, match="match"):
        client.ping()
    with redis_py.Redis.from_url(url + "&ssl_check_hostname=false", retry=at_once) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}


def test_redis_shows_the_certificate_of_its_name(made: Path, cache: int) -> None:
    assert _answer(cache, made, "redis", "strongroom_client", b"PING\r\n") == b"+PONG\r\n"
    with pytest.raises(ssl.SSLCertVerificationError):
        _answer(cache, made, "postgres", "strongroom_client", b"PING\r\n")


@pytest.mark.parametrize("client", [None, "strongroom_tls", "prometheus"])
def test_redis_answers_nobody_else(made: Path, cache: int, client: str | None) -> None:
    """No certificate, one that is for servers only, one of another authority."""
    with pytest.raises(OSError):
        _answer(cache, made, "redis", client, b"PING\r\n")


def test_redis_speaks_nothing_but_tls(cache: int) -> None:
    at_once = redis_py.retry.Retry(redis_py.backoff.NoBackoff(), 0)
    with redis_py.Redis("127.0.0.1", cache, retry=at_once) as client, pytest.raises(redis_py.ConnectionError):
        client.ping()


def test_redis_is_healthy_by_its_own_check(made: Path, cache: int) -> None:
    command = _here(SERVICES["redis"]["healthcheck"]["test"][1], made)
    for port, code in ((cache, 0), (free_port(), 1)):
        found = run("sh", "-c", command.replace("redis-cli", f"redis-cli -h 127.0.0.1 -p {port}"))
        assert found.returncode == code, found.stdout + found.stderr


# -- PostgreSQL ------------------------------------------------------------------------------------------------


class _ComposePostgres(Postgres):
    """A cluster with the options and the pg_hba.conf of compose, and one line more for the tests' own superuser."""

    username = "postgres"

    def __init__(self, made: Path) -> None:
        self._made = made
        words = [word.replace("/run/secrets", "../secrets") for word in SERVICES["postgres"]["command"]]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        # Paths of TLS count from the data's directory, this one from where the server was started.
        super().__init__(settings=options | {"ssl_key_file": "../secrets/postgres_tls.key", "hba_file": "pg_hba.conf"})

    def _initialise(self) -> None:
        super()._initialise()
        folder = shutil.copytree(self._made, self.directory / "secrets")
        lines = (DEPLOY / "pg_hba.conf").read_text() + "host all postgres 127.0.0.1/32 scram-sha-256\n"
        (self.directory / "pg_hba.conf").write_text(lines)
        owner = self.directory.stat()
        for path in (folder, *folder.iterdir(), self.directory / "pg_hba.conf"):
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.chown(path, owner.st_uid, owner.st_gid)


@pytest.fixture(scope="module")
def database(made: Path) -> Iterator[Postgres]:
    """PostgreSQL as compose runs it, after its first script."""
    with _ComposePostgres(made) as server:
        connection = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": server.password}
        environ = {**os.environ, **connection, "POSTGRES_USER": "postgres"}
        done = run("sh", DEPLOY / "scripts/init-postgres.sh", env=environ)
        assert done.returncode == 0, done.stderr
        yield server


def _asked(address: str, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, over a connection as the vault makes it."""
    engine = make_engine(parse_url(address), pool_size=1, autocommit=True)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]
    finally:
        engine.dispose()


def _address(made: Path, server: Postgres) -> str:
    """The vault's own setting, on this machine. The name stays, so the certificate is checked against it."""
    address = _here(ENVIRON["STRONGROOM_DATABASE_URL"], made)
    return address.replace("@postgres:5432", f"@postgres:{server.port}") + "&hostaddr=127.0.0.1"


def test_postgresql_lets_the_vault_in_by_its_certificate(made: Path, database: Postgres) -> None:
    query = "SELECT ssl, current_user::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert _asked(_address(made, database), query) == [(True, "strongroom")]


def test_postgresql_is_healthy_by_its_own_check(database: Postgres) -> None:
    program, *words = SERVICES["postgres"]["healthcheck"]["test"][1:]
    for port, code in ((database.port, 0), (free_port(), 2)):
        assert run(Postgres.program(program), *words, "-p", str(port)).returncode == code


def test_the_role_owns_its_database_and_is_no_superuser(made: Path, database: Postgres) -> None:
    address = _address(made, database)
    facts = "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert _asked(address, facts) == [(False, False, False)]
    owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
    assert _asked(address, owner) == [("strongroom",)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sslmode=verify-full", "sslmode=disable"),
        ("sslcert=", "fallback_application_name="),
        ("strongroom@", "postgres@"),
        ("@postgres:", "@redis:"),
        ("internal_ca.pem", "metrics_ca.pem"),
    ],
    ids=["without TLS", "without a certificate", "as another role", "at another name", "with another authority"],
)
def test_postgresql_and_the_vault_refuse_anything_else(made: Path, database: Postgres, old: str, new: str) -> None:
    address = _address(made, database)
    assert old in address
    with pytest.raises(sa.exc.OperationalError):
        _asked(address.replace(old, new), "SELECT 1")


# -- Metrics ---------------------------------------------------------------------------------------------------


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"up 1\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def metrics(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a HAProxy that runs metrics.cfg, in front of a plain listener."""
    port, folder = free_port(), tmp_path_factory.mktemp("metrics")
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "haproxy is not installed; `make test` installs it on Debian and Ubuntu."
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        text = _here((DEPLOY / "metrics.cfg").read_text(), made)
        text = text.replace("bind :9465", f"bind 127.0.0.1:{port}").replace(":9464", f":{server.server_port}")
        (folder / "haproxy.cfg").write_text(text)
        checked = run(program, "-c", "-dW", "-f", folder / "haproxy.cfg")
        assert checked.returncode == 0, checked.stderr
        with started([program, "-db", "-f", str(folder / "haproxy.cfg")], port, folder):
            yield port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: strongroom\r\nConnection: close\r\n\r\n".encode()


def test_metrics_are_for_prometheus_certificate_alone(made: Path, metrics: int) -> None:
    assert b" 200 " in _answer(metrics, made, "strongroom", "prometheus", _get("/metrics"))
    for client in (None, "strongroom_client", "redis_tls"):
        with pytest.raises(OSError):
            _answer(metrics, made, "strongroom", client, _get("/metrics"))


def test_metrics_are_all_that_is_there(made: Path, metrics: int) -> None:
    assert b" 403 " in _answer(metrics, made, "strongroom", "prometheus", _get("/other"))


def test_metrics_are_not_served_without_tls(metrics: int) -> None:
    with socket.create_connection(("127.0.0.1", metrics), timeout=HANG_SECONDS) as plain:
        plain.sendall(_get("/metrics"))
        assert b"up 1" not in plain.recv(1000)


def test_metrics_listen_where_the_vault_says() -> None:
    assert f"server strongroom {ENVIRON['STRONGROOM_METRICS_BIND']}\n" in (DEPLOY / "metrics.cfg").read_text()


# -- The containers that copy a key ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["strongroom", "postgres"])
def test_a_container_copies_its_key_and_runs_what_it_was_told(name: str, made: Path, tmp_path: Path) -> None:
    """The shell's part of an entry point, with programs that say how they were called."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("strongroom", "docker-entrypoint.sh"):
        (programs / program).write_text('#!/bin/sh\necho "$(basename "$0") $*"; echo "${#POSTGRES_PASSWORD}"\n')
        (programs / program).chmod(0o755)
    shell, flags, script, *rest = SERVICES[name]["entrypoint"]
    key = tmp_path / "key"
    # Compose writes $$ for a dollar sign.
    text = script.replace("$$", "$").replace("/tmp/client.key", str(key)).replace("/run/postgresql/tls.key", str(key))
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    told = [str(word) for word in SERVICES[name]["command"]]
    done = run(shell, flags, _here(text, made), *rest, *told, env={"PATH": path})
    assert done.returncode == 0, done.stderr
    words, password = done.stdout.splitlines()
    program = "strongroom" if name == "strongroom" else "docker-entrypoint.sh"
    assert words == f"{program} {' '.join(told)}"
    assert password == ("0" if name == "strongroom" else "64")
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
