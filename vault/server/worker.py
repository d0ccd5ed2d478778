"""gunicorn's ASGI worker with limits on connections, time limits, and a drain in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import ssl
import sys
import time
from asyncio import sslproto
from collections.abc import Coroutine
from typing import Protocol

from gunicorn import sock as gunicorn_sock
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gasgi import ASGIWorker

from vault.errors import StrongroomError, Unavailable
from vault.observe import metrics
from vault.server import allocator
from vault.server.connection import Connection
from vault.server.door import Door
from vault.server.metrics import serve_metrics
from vault.server.shares import Shares
from vault.settings import Settings

# asyncio gives each TLS connection a zeroed read buffer of 256 KiB, which takes 500 MiB for 2,000 idle clients. One TLS
# record is enough.
sslproto.SSLProtocol.max_size = 16 * 1024

_LAME_DUCK_SECONDS = 1.0
"""How long a stopping server still takes new connections, so that a load balancer sees `/readyz` fail first."""

_IDLE_GRACE_SECONDS = 1.0
"""A drain closes a connection after this long without data. A busy client learns of the drain with its next answer."""

_BOOT_PAUSE_SECONDS = 1.0
"""The pause between two attempts of a worker to start."""

_ACCEPT_PAUSE_SECONDS = 0.5

_PEAK_BYTES = 1024 * 1024
_TRIM_SECONDS = 10.0
"""If the memory held for clients falls by this much, free memory is returned to the system, at most this often."""

_SEND_BUFFER_BYTES = 128 * 1024
"""The kernel's send buffer for each client. Linux doubles this value; its default grows to 4 MiB."""

_UNACKNOWLEDGED_MILLISECONDS = 60_000
"""If a client acknowledges nothing for this long, the kernel ends its connection. By default it tries for a quarter of
an hour, and an event stream to a client that has vanished would stay open.
"""

_YIELD_SECONDS = 0.002
"""How long a worker leaves a new connection to workers that have fewer. A free worker takes it at once."""

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""The signals with which the parent stops a worker."""


class _Listener(Protocol):
    """gunicorn's listening socket."""

    sock: socket.socket

    def close(self) -> None: ...


class _Application(Protocol):
    """What a worker uses of the server's application (`Server` in `run.py`)."""

    settings: Settings
    shares: Shares
    metrics_socket: socket.socket | None

    def start_application(self) -> None: ...

    def stop_application(self) -> None: ...

    def is_stopping(self) -> bool: ...


class Worker(ASGIWorker):  # type: ignore[misc, no-any-unimported]  # gunicorn ships no types
    """One process that serves."""

    # gunicorn's own attributes.
    age: int
    alive: bool
    app: _Application
    asgi: Door
    log: logging.Logger
    loop: asyncio.AbstractEventLoop
    ppid: int
    sockets: list[_Listener]
    _quick_shutdown: bool

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.settings: Settings = self.app.settings
        self.draining = False
        self.guests: dict[Connection, None] = {}
        # Connections that have not sent a full header yet, the oldest first.
        self._unproven: dict[Connection, None] = {}
        self._stopping = asyncio.Event()
        self._yielded = False
        self._context: ssl.SSLContext | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._peak_bytes = 0
        self._trimmed_seconds = 0.0

    # -- Starting --

    def load_wsgi(self) -> None:
        """Build the application, and do everything else that may fail, while a failure still stops the server."""
        try:
            self._context = gunicorn_sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
            super().load_wsgi()
            self.app.start_application()
        except Unavailable as error:
            # For example, the database is down. If the server halted, an operator would have to start it again.
            self.log.warning("This worker cannot start yet: %s", error)
            time.sleep(_BOOT_PAUSE_SECONDS)
            sys.exit(1)
        except (StrongroomError, OSError) as error:
            self.log.critical("This worker cannot start: %s", error)
            sys.exit(Arbiter.APP_LOAD_ERROR)

    def handle_exit_signal(self) -> None:
        """SIGTERM: stop, but let calls in progress finish."""
        self._stopping.set()

    def handle_quit_signal(self) -> None:
        """SIGINT or SIGQUIT: stop now."""
        super().handle_quit_signal()
        self._stopping.set()

    def run(self) -> None:
        """Serve until a stop signal. Then stop the application's own threads, and the process."""
        # Stop signals have been blocked since the fork. Only the event loop handles them. A worker that cannot start
        # closes its sockets before it ends, and Python would print a traceback for a signal that it cannot write there.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        try:
            super().run()
        finally:
            self.asgi.stop()
            self.app.stop_application()
        logging.shutdown()
        # An orderly end of the interpreter takes 0.4 s with all imported modules, and waits for every thread that is
        # still in a call.
        os._exit(0)

    def _cleanup(self) -> None:
        # Closing the loop first closes the socket to which Python writes each signal, and then removes the handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        super()._cleanup()

    async def _serve(self) -> None:
        self.app.shares.tell(self.age, 0)
        for listener in self.sockets:
            self._listen(listener.sock)
        async with serve_metrics(self.app.metrics_socket):
            await self._beat()
            if not self._quick_shutdown:
                await self._drain()
        for guest in list(self.guests):
            guest.give_up("stopped")

    async def _beat(self) -> None:
        """Send a heartbeat to the parent each second, until the worker stops."""
        while not self._stopping.is_set() and self.ppid == os.getppid():
            self._tick()
            await self._pause(1.0)

    def _tick(self) -> None:
        self.notify()
        metrics().in_flight.set(self.asgi.in_flight)
        metrics().connections.set(len(self.guests))
        metrics().streams.set(self.asgi.live.count)
        self._trim_after_a_peak()

    def _trim_after_a_peak(self) -> None:
        # Bodies arrive in pieces too small for their own mappings. When they are freed, their heap stays.
        held_bytes = self.asgi.budget.held_bytes
        self._peak_bytes = max(self._peak_bytes, held_bytes)
        if self._peak_bytes - held_bytes > _PEAK_BYTES and self.loop.time() > self._trimmed_seconds + _TRIM_SECONDS:
            self._peak_bytes, self._trimmed_seconds = held_bytes, self.loop.time()
            _ = self.loop.run_in_executor(None, allocator.trim)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # -- Letting in --

    def _listen(self, listener: socket.socket) -> None:
        self.loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        if self._leave_to_others():
            self.loop.remove_reader(listener)
            self.loop.call_later(_YIELD_SECONDS, self._resume, listener)
            return
        # Accept one at a time: a worker that accepts all waiting connections leaves none for the others.
        try:
            client, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self.log.warning(
                "No connection can be accepted at the moment: %s", errno.errorcode.get(error.errno or 0, "?")
            )
            self.loop.remove_reader(listener)
            self.loop.call_later(_ACCEPT_PAUSE_SECONDS, self._resume, listener)
            return
        if len(self.guests) >= self.settings.max_connections and not self._make_room():
            metrics().refusals.labels("connections").inc()
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        if sys.platform == "linux":
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MILLISECONDS)
        guest = Connection(self)
        self.guests[guest] = self._unproven[guest] = None
        self.app.shares.tell(self.age, len(self.guests))
        guest.admit(client, self._context)

    def _leave_to_others(self) -> bool:
        # Yield only once, because the workers with fewer connections may hang.
        self._yielded = not self._yielded and len(self.guests) > self.app.shares.least()
        return self._yielded

    def prove(self, guest: Connection) -> None:
        """Note that a connection has sent a full header, so that it need not make room for others."""
        self._unproven.pop(guest, None)

    def forget(self, guest: Connection) -> None:
        """Remove a connection that has ended."""
        self.prove(guest)
        self.guests.pop(guest, None)
        if not self.draining:
            self.app.shares.tell(self.age, len(self.guests))

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0 and not self.draining:
            self._listen(listener)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest without sending its header, if there is one."""
        oldest = next(iter(self._unproven), None)
        if oldest is None:
            return False
        oldest.give_up("connections")
        # It ends with the loop's next turn, but its place is free now.
        self.forget(oldest)
        return True

    def background(self, work: Coroutine[object, object, object]) -> None:
        """Run `work` as a background task, and keep a reference until it is done."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- Stopping --

    async def _drain(self) -> None:
        """Fail `/readyz`, refuse new connections, end the calls that stay open, close idle connections and finish
        requests, all before the deadline.
        """
        # Leave a second for the application's own end before the parent kills the worker.
        end_seconds = self.loop.time() + max(1.0, self.cfg.graceful_timeout - 1.0)
        self.asgi.draining = True
        if self.app.is_stopping():
            # On a reload, this would only make the load balancer drop the other, ready workers.
            await self._keep_going(_LAME_DUCK_SECONDS)
        self.draining = True
        self.app.shares.leave(self.age)
        for listener in self.sockets:
            self.loop.remove_reader(listener.sock)
            listener.close()
        self.background(self.asgi.live.end())
        await self._see_off(end_seconds)

    async def _keep_going(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.notify()

    async def _see_off(self, end_seconds: float) -> None:
        started_seconds = self.loop.time()
        while self.guests and self.loop.time() < end_seconds and not self._quick_shutdown:
            now_seconds = self.loop.time()
            for guest in list(self.guests):
                guest.close_if_idle(now_seconds - _IDLE_GRACE_SECONDS)
            if now_seconds - started_seconds > 2 * _IDLE_GRACE_SECONDS:
                # This tells HTTP/2 connections with calls in progress to end.
                self.alive = False
            self._tick()
            await asyncio.sleep(0.05)
