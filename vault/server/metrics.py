"""The metrics listener: plain HTTP on a separate address, for Prometheus only.

Every worker listens on it. The worker that answers adds up the counts of all workers, from shared files. So the parent,
which forks, needs no thread for it, and it works while any worker does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from vault.observe import metrics
from vault.settings import socket_address

_CONNECTION_SECONDS = 5.0
"""How long a connection may last, with its request and its answer."""

_REQUEST_BYTES = 8 * 1024

_CONNECTIONS_MOST = 16
"""Simultaneous connections in each worker. Prometheus needs one. Each scrape takes a thread and a few milliseconds."""


@contextlib.asynccontextmanager
async def serve_metrics(listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer on `listener`, if there is one, while the context lasts."""
    if listener is None:
        yield
        return
    # Pass a copy, because the server closes the socket that it is given.
    server = await asyncio.start_server(_Scrapes().serve, sock=listener.dup(), limit=_REQUEST_BYTES)
    try:
        yield
    finally:
        server.close()


def open_listener(bind: str) -> socket.socket:
    """Return the listening socket for `host:port`. Raises `OSError` if the address is in use."""
    family, host, port = socket_address(bind)
    return socket.create_server((host, port), family=family)


class _Scrapes:
    """The open connections. If there are too many, the one that has been silent longest makes room for a new one."""

    def __init__(self) -> None:
        self._silent: dict[asyncio.StreamWriter, None] = {}
        """Connections that have not sent a whole request, the oldest first."""
        self._answering = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the request of one connection, and close it."""
        if len(self._silent) + self._answering >= _CONNECTIONS_MOST and not self._make_room():
            writer.transport.abort()
            return
        self._silent[writer] = None
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_CONNECTION_SECONDS):
                    await self._answer(await reader.readuntil(b"\r\n\r\n"), writer)
        finally:
            self._silent.pop(writer, None)
            # Closing alone would keep the connection until the client has read everything.
            writer.transport.abort()

    def _make_room(self) -> bool:
        """Close the connection that has been silent longest. Report whether there was one."""
        metrics().refusals.labels("metrics_connections").inc()
        oldest = next(iter(self._silent), None)
        if oldest is None:
            return False
        del self._silent[oldest]
        oldest.transport.abort()
        return True

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        if writer not in self._silent:
            # It had to make room while its request arrived.
            return
        del self._silent[writer]
        self._answering += 1
        try:
            status, body = b"404 Not Found", b""
            if request.startswith(b"GET /metrics "):
                # Adding up the files takes milliseconds, so keep it off the event loop.
                status, body = b"200 OK", await asyncio.to_thread(metrics().scrape)
            kind = b"text/plain; version=0.0.4; charset=utf-8"
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, kind, len(body), body)
            )
            writer.close()
            await writer.wait_closed()
        finally:
            self._answering -= 1
