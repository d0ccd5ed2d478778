"""gunicorn's ASGI worker with what it lacks: limits on connections, time limits, and a drain in the right order."""

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
from typing import Any

from gunicorn import sock as gunicorn_sock
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gasgi import ASGIWorker

from vault.errors import StrongroomError, Unavailable
from vault.observe import metrics
from vault.server import allocator
from vault.server.connection import Connection
from vault.server.metrics import serve_metrics
from vault.settings import Settings

# asyncio gives each TLS connection a read buffer of 256 KiB, zeroed and so really there: 500 MiB for 2,000 idle
# clients. One TLS record is enough.
sslproto.SSLProtocol.max_size = 16 * 1024

_LAME_DUCK_SECONDS = 1.0
"""How long a server that is told to stop still takes new connections, so that a balancer sees `/readyz` fail first."""

_IDLE_GRACE_SECONDS = 1.0
"""How long a connection must have been silent before a drain closes it: a busy client is told on its next answer."""

_BOOT_PAUSE_SECONDS = 1.0
"""Between two tries of a worker to start."""

_ACCEPT_PAUSE_SECONDS = 0.5

_PEAK_BYTES = 1024 * 1024
_TRIM_SECONDS = 10.0
"""When so much less is held for clients than a while ago, free memory goes back to the system, so often at most."""

_SEND_BUFFER_BYTES = 128 * 1024
"""The kernel's send buffer for each client. Linux doubles this value; its default grows to 4 MiB."""

_YIELD_SECONDS = 0.002
"""How long a worker leaves a new connection to those that have fewer. One that is free takes it at once."""

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""What the parent tells a worker to stop with."""


class Worker(ASGIWorker):  # type: ignore[misc]  # gunicorn ships no types
    """One process that serves. `self.app` is the `run.Server`, `self.asgi` its `Door`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.settings: Settings = self.app.settings
        self.draining = False
        self.guests: dict[Connection, None] = {}
        # Those that have not sent a full header yet, the oldest first.
        self.unproven: dict[Connection, None] = {}
        self._stopping = asyncio.Event()
        self._yielded = False
        self._context: ssl.SSLContext | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._peak_bytes = 0
        self._trimmed_seconds = 0.0

    # -- Starting --

    def load_wsgi(self) -> None:
        """Build the application, and everything else that may fail, while failing still stops the server."""
        try:
            self._context = gunicorn_sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
            super().load_wsgi()
            self.app.start_application()
        except Unavailable as error:
            # The database is away, say. Halting the server for that would need somebody to start it again.
            self.log.warning("This worker cannot start yet: %s", error)
            time.sleep(_BOOT_PAUSE_SECONDS)
            sys.exit(1)
        except (StrongroomError, OSError) as error:
            self.log.critical("This worker cannot start: %s", error)
            sys.exit(Arbiter.APP_LOAD_ERROR)

    def handle_exit_signal(self) -> None:
        """SIGTERM: stop, but let what is under way finish."""
        self._stopping.set()

    def handle_quit_signal(self) -> None:
        """SIGINT or SIGQUIT: stop now."""
        super().handle_quit_signal()
        self._stopping.set()

    def run(self) -> None:
        """Serve until told to stop; then stop the application's own threads, and the process."""
        # Stops have been blocked since the fork. Only the event loop heeds them, and a worker that cannot start closes
        # its sockets before it ends: Python would print a traceback for a signal that it cannot write there.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        try:
            super().run()
        finally:
            self.asgi.stop()
            self.app.stop_application()
        logging.shutdown()
        # Taking the interpreter down in order takes 0.4 s with all that is imported, and would wait for every thread
        # that is still in a call after its time.
        os._exit(0)

    def _cleanup(self) -> None:
        # Closing the loop closes the socket that Python writes each signal to, and only then ends that.
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
        """Tell the parent each second that this worker lives, until it is to stop."""
        while not self._stopping.is_set() and self.ppid == os.getppid():
            self._tick()
            await self._pause(1.0)

    def _tick(self) -> None:
        self.notify()
        metrics().in_flight.set(self.asgi.in_flight)
        metrics().connections.set(len(self.guests))
        self._trim_after_a_peak()

    def _trim_after_a_peak(self) -> None:
        # Bodies come in pieces too small to be mapped one by one; when they are freed, their heap stays.
        held_bytes = self.asgi.budget.held_bytes
        self._peak_bytes = max(self._peak_bytes, held_bytes)
        if self._peak_bytes - held_bytes > _PEAK_BYTES and self.loop.time() > self._trimmed_seconds + _TRIM_SECONDS:
            self._peak_bytes, self._trimmed_seconds = held_bytes, self.loop.time()
            self.loop.run_in_executor(None, allocator.trim)

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
        # One at a time: whoever takes all that wait leaves nothing for the other workers.
        try:
            client, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self.log.warning("No connection can be taken just now: %s", errno.errorcode.get(error.errno or 0, "?"))
            self.loop.remove_reader(listener)
            self.loop.call_later(_ACCEPT_PAUSE_SECONDS, self._resume, listener)
            return
        if len(self.guests) >= self.settings.max_connections and not self._make_room():
            metrics().refusals.labels("connections").inc()
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        guest = Connection(self)
        self.guests[guest] = self.unproven[guest] = None
        self.app.shares.tell(self.age, len(self.guests))
        guest.admit(client, self._context)

    def _leave_to_others(self) -> bool:
        # Once only, for those that have fewer may be stuck.
        self._yielded = not self._yielded and len(self.guests) > self.app.shares.least()
        return self._yielded

    def forget(self, guest: Connection) -> None:
        """The guest is gone."""
        self.unproven.pop(guest, None)
        self.guests.pop(guest, None)
        if not self.draining:
            self.app.shares.tell(self.age, len(self.guests))

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0 and not self.draining:
            self._listen(listener)

    def _make_room(self) -> bool:
        """Give up the connection that has owed its header for the longest time, if any does."""
        oldest = next(iter(self.unproven), None)
        if oldest is None:
            return False
        oldest.give_up("connections")
        # Its end comes with the loop's next turn; its place is free now.
        self.forget(oldest)
        return True

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` beside everything else, and hold on to it until it is done."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- Stopping --

    async def _drain(self) -> None:
        """Not ready → no new connections → idle ones closed, WebSockets told → requests finished; all in time."""
        # A second is left for the application's own end, before the parent loses patience.
        end_seconds = self.loop.time() + max(1.0, self.cfg.graceful_timeout - 1.0)
        self.asgi.draining = True
        if self.app.is_stopping():
            # On a reload this would only take the other, ready workers out of their balancer.
            await self._keep_going(_LAME_DUCK_SECONDS)
        self.draining = True
        self.app.shares.leave(self.age)
        for listener in self.sockets:
            self.loop.remove_reader(listener.sock)
            listener.close()
        self.background(self.asgi.close_websockets())
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
                # HTTP/2 connections with work under way learn from this that they are to end.
                self.alive = False
            self._tick()
            await asyncio.sleep(0.05)
