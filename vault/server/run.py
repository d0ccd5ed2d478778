"""`serve(settings)`: configures gunicorn, its parent process, and what each worker builds."""

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from vault import observe
from vault.asgi import ASGIApp, Claims
from vault.model.budgets import BodyLimit, TakesPassword
from vault.server import allocator, authority, hardening
from vault.server.door import Door, any_body, no_password, nothing_live
from vault.server.http2 import HEADER_LIST_BYTES
from vault.server.metrics import open_listener
from vault.server.shares import Shares
from vault.server.worker import STOPS, Worker
from vault.settings import Settings

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

log = structlog.get_logger(__name__)

FACTORY = "vault.app:create_app"
"""`module:function`: makes the Flask app from the settings.

The module may have four more functions of the app: `takes_password` returns a function that reports which requests
hash a password, `body_limit` one that returns how long a body may be, `live_app` the ASGI application for calls that
stay open, and `claims` a function that tells which calls those are.
"""

_HEAVY = ("flask", "flask_smorest", "marshmallow", "sqlalchemy", "psycopg", "redis", "argon2", "prometheus_client")
"""Imported once, before the fork: each takes long to import, starts no thread and opens no connection."""

_DESCRIPTORS_BESIDE_CONNECTIONS = 256

_RELOAD_SECONDS = 20.0


class _Life(Protocol):
    """The application's own room, which has background threads."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Server(BaseApplication):  # type: ignore[misc, no-any-unimported]  # gunicorn ships no types
    """The application for gunicorn: its settings, and how a worker builds what it serves."""

    def __init__(self, settings: Settings, factory: str = FACTORY) -> None:
        self.settings = settings
        self.factory = factory
        self.metrics_socket: socket.socket | None = None
        self.tls = _tls_files(settings)
        self._room: _Life | None = None
        self.shares = Shares()
        # One byte shared by parent and workers. It is set if the whole server stops, and not if only some workers stop.
        self._stopping = mmap.mmap(-1, 1)
        super().__init__(prog="strongroom")

    def load_config(self) -> None:
        """Copy our settings to gunicorn."""
        for name, value in _options(self.settings, self.tls).items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        """SIGHUP: renew the certificate if needed. The settings come from the environment and do not change."""
        try:
            _tls_files(self.settings)
        except Exception:
            log.exception("certificate_not_renewed")

    def run(self) -> NoReturn:
        """Serve until a stop signal."""
        _Parent(self).run()
        sys.exit(0)

    def announce_stop(self) -> None:
        """Tell all workers that the server stops, before each gets its signal."""
        self._stopping[0] = 1

    def is_stopping(self) -> bool:
        """Report whether the whole server is stopping."""
        return self._stopping[0] == 1

    # -- In each worker --

    def load(self) -> Door:
        """Make the Flask app, after the fork: its pools, connections and keys belong to this worker only."""
        module_name, _, name = self.factory.partition(":")
        module = importlib.import_module(module_name)
        app: WSGIApplication = getattr(module, name)(self.settings)
        self._room = getattr(app, "extensions", {}).get("strongroom")
        make_live_app: Callable[[object], ASGIApp] | None = getattr(module, "live_app", None)
        make_claims: Callable[[object], Claims] | None = getattr(module, "claims", None)
        make_takes_password: Callable[[object], TakesPassword] | None = getattr(module, "takes_password", None)
        make_body_limit: Callable[[object], BodyLimit] | None = getattr(module, "body_limit", None)
        return Door(
            app,
            self.settings,
            takes_password=make_takes_password(app) if make_takes_password else no_password,
            body_limit=make_body_limit(app) if make_body_limit else any_body,
            live_app=make_live_app(app) if make_live_app else None,
            claims=make_claims(app) if make_claims else nothing_live,
        )

    def start_application(self) -> None:
        """Start the application's background threads in this worker."""
        if self._room is not None:
            self._room.start()

    def stop_application(self) -> None:
        """Stop the application's background threads in this worker."""
        if self._room is not None:
            self._room.stop()


class _Parent(Arbiter):  # type: ignore[misc, no-any-unimported]  # gunicorn ships no types
    """gunicorn's parent process. It distinguishes a stop from a reload, and reloads without a gap."""

    _reloading_from_age: int | None = None

    def stop(self, graceful: bool = True) -> None:
        self.app.announce_stop()
        super().stop(graceful)

    def reload(self) -> None:
        self._reloading_from_age = self.worker_age
        try:
            super().reload()
        except HaltServer as error:
            # gunicorn would stop the whole server together with the new workers.
            log.critical("reload_failed", reason=str(error.reason), hint="The old workers keep serving.")
        finally:
            self._reloading_from_age = None

    def spawn_worker(self) -> object:
        """Start a worker with stop signals blocked until it can handle them (`Worker.run`).

        The worker inherits the parent's handlers. A stop that reached these was lost, and the parent waited for the
        whole graceful time.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            return super().spawn_worker()
        finally:
            # A worker that cannot start also gets here.
            if os.getpid() == self.pid:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def manage_workers(self) -> None:
        if self._reloading_from_age is not None:
            self._await_new_workers(self._reloading_from_age)
        super().manage_workers()

    def _await_new_workers(self, age: int) -> None:
        """Wait until all workers younger than `age` serve. The old workers must serve until then."""
        end_seconds = time.monotonic() + _RELOAD_SECONDS
        while time.monotonic() < end_seconds:
            self.reap_workers()
            young = [worker for worker in self.WORKERS.values() if worker.age > age]
            # Before the first heartbeat, the file's time is the wall clock. After it, it is seconds since boot.
            if all(worker.tmp.last_update() <= time.monotonic() for worker in young):
                return
            time.sleep(0.02)


class _Log(Logger):  # type: ignore[misc, no-any-unimported]  # gunicorn ships no types
    """Passes gunicorn's log to the root logger, which `observe.configure` has set up."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def serve(settings: Settings, *, factory: str = FACTORY) -> NoReturn:
    """Run the server in the foreground until SIGTERM or SIGINT, then end the process.

    `factory` names the function that makes the Flask app in each worker; see `FACTORY`. Raises `SettingsError` if there
    is no usable certificate, and `OSError` if the metrics address is in use.
    """
    hardening.forbid_memory_dumps()
    allocator.give_memory_back()
    observe.configure(level=settings.log_level, style=settings.log_format)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _raise_descriptor_limit(settings.max_connections + _DESCRIPTORS_BESIDE_CONNECTIONS)
    metrics_socket = _prepare_metrics(settings)
    server = Server(settings, factory)
    server.metrics_socket = metrics_socket
    for name in _HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    ca_file = server.tls.ca_file if server.tls else None
    log.info("serving", bind=settings.bind, tls=server.tls is not None, ca_file=str(ca_file) if ca_file else None)
    server.run()


def ca_file(settings: Settings) -> Path | None:
    """Return the path of the local authority's certificate for clients; None if the operator has configured a
    certificate.
    """
    if settings.plain_http or settings.tls_cert is not None:
        return None
    return settings.data_dir / "tls" / "ca.pem"


def _tls_files(settings: Settings) -> authority.TlsFiles | None:
    if settings.plain_http:
        return None
    if settings.tls_cert is not None and settings.tls_key is not None:
        return authority.TlsFiles(settings.tls_cert, settings.tls_key, None)
    return authority.ensure(settings.data_dir / "tls")


def _prepare_metrics(settings: Settings) -> socket.socket | None:
    if not settings.metrics_bind:
        return None
    # One folder for each address: two servers may share a data directory, but not an address.
    folder = settings.bind.replace(":", "-").replace("[", "").replace("]", "")
    observe.use_metrics_directory(settings.data_dir / "metrics" / folder)
    return open_listener(settings.metrics_bind)


def _raise_descriptor_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def _ssl_context(_config: object, make_default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = make_default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _child_exit(parent: _Parent, worker: Worker) -> None:
    parent.app.shares.leave(worker.age)
    observe.forget_process(worker.pid)


def _options(settings: Settings, tls: authority.TlsFiles | None) -> dict[str, object]:
    options: dict[str, object] = {
        "bind": settings.bind,
        "workers": settings.workers,
        "worker_class": Worker,
        "logger_class": _Log,
        # At level debug, gunicorn logs every path, and a path may contain a name.
        "loglevel": "info" if settings.log_level == "debug" else settings.log_level,
        "proc_name": "strongroom",
        "graceful_timeout": settings.graceful_timeout_seconds,
        "keepalive": 5,
        # The C parser saves 4 µs, but accepts bare line feeds and folded headers, which allow request smuggling.
        "http_parser": "python",
        "http_protocols": "h2,h1" if tls else "h1",
        # By default, gunicorn trusts every process on this machine to state the scheme.
        "forwarded_allow_ips": ",".join(str(network) for network in settings.trusted_proxies),
        "forwarder_headers": "",
        "limit_request_line": 8190,
        "limit_request_fields": 64,
        "http2_max_header_list_size": HEADER_LIST_BYTES,
        "control_socket_disable": True,
        "asgi_loop": "asyncio",
        "asgi_lifespan": "off",
        "child_exit": _child_exit,
        "ssl_context": _ssl_context,
    }
    if tls is not None:
        options |= {"certfile": str(tls.certificate), "keyfile": str(tls.key)}
    if os.access("/dev/shm", os.W_OK):  # noqa: S108  # on a read-only root this is the only place for heartbeats
        options["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
    return options
