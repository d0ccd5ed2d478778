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

_REQUEST_SECONDS = 5.0
_REQUEST_BYTES = 8 * 1024

_CONNECTIONS_MOST = 16
"""Simultaneous scrapes in each worker. Prometheus needs one. Each takes a thread and a few milliseconds."""


@contextlib.asynccontextmanager
async def serve_metrics(listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer on `listener`, if there is one, while the context lasts."""
    if listener is None:
        yield
        return
    open_now = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        if open_now >= _CONNECTIONS_MOST:
            metrics().refusals.labels("metrics_connections").inc()
            writer.transport.abort()
            return
        open_now += 1
        try:
            await _answer(reader, writer)
        finally:
            open_now -= 1

    # Pass a copy, because the server closes the socket that it is given.
    server = await asyncio.start_server(answer, sock=listener.dup(), limit=_REQUEST_BYTES)
    try:
        yield
    finally:
        server.close()


def open_listener(bind: str) -> socket.socket:
    """Return the listening socket for `host:port`. Raises `OSError` if the address is in use."""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_REQUEST_SECONDS):
            request = await reader.readuntil(b"\r\n\r\n")
            status, body = b"404 Not Found", b""
            if request.startswith(b"GET /metrics "):
                # Adding up the files takes milliseconds, so keep it off the event loop.
                status, body = b"200 OK", await asyncio.to_thread(metrics().scrape)
            kind = b"text/plain; version=0.0.4; charset=utf-8"
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, kind, len(body), body)
            )
            await writer.drain()
    writer.close()
