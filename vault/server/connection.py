"""One connection: a subclass of gunicorn's ASGI protocol with more limits.

Each override depends on internals of gunicorn 27.0.1, so that version is pinned exactly. Each has a test in
tests/integration/server.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from collections.abc import Coroutine, Mapping, Set
from typing import Protocol, TypedDict

from gunicorn.asgi import protocol as gunicorn_protocol
from gunicorn.asgi.parser import LimitRequestHeaders, ParseError
from gunicorn.http2.errors import HTTP2ErrorCode

from vault.asgi import Headers, Refusal, Scope
from vault.errors import InvalidInput, ServerError, TooLarge
from vault.observe import metrics
from vault.server.door import Door
from vault.server.http2 import HEADER_LIST_BYTES, BoundedHttp2
from vault.server.memory import MemoryBudget
from vault.server.outlet import WIRE
from vault.server.refusal import answer_of
from vault.server.websocket import Socket
from vault.settings import Settings

# Do not reveal the server's name and version.
gunicorn_protocol._CACHED_SERVER_HEADER = b""

_TLS_SHUTDOWN_SECONDS = 1.0

_SMALL_BUFFER_BYTES = 2 * 1024

_UNREAD_BYTES = 64 * 1024
"""Bytes of pipelined requests that are read ahead; after that the client must wait."""

_SENTENCES = {
    400: "The request is malformed.",
    414: "The request line is too long.",
    431: "The request's header is too large.",
    501: "The request's transfer coding is not supported.",
}


class Host(Protocol):
    """What a connection needs from its worker."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    asgi: Door
    draining: bool

    def background(self, work: Coroutine[object, object, object]) -> None:
        """Run `work` as a background task."""

    def prove(self, guest: Connection) -> None:
        """Note that a connection has sent a full header."""

    def forget(self, guest: Connection) -> None:
        """Remove a connection that has ended."""


class _Parser(Protocol):
    """What a connection needs from gunicorn's parser of HTTP/1."""

    headers: list[tuple[bytes, bytes]]

    def remaining(self) -> bytes: ...


class _Http2Request(Protocol):
    """What a connection needs from gunicorn's request over HTTP/2."""

    uri: str
    headers: list[tuple[str, str]]
    stream: _Http2Stream


class _Http2Stream(Protocol):
    stream_id: int


class _Http2Connection(Protocol):
    async def reset_stream(self, stream_id: int, error_code: int) -> None: ...


class _TlsOptions(TypedDict, total=False):
    """The arguments of `connect_accepted_socket` for TLS."""

    ssl: ssl.SSLContext
    ssl_handshake_timeout: float
    ssl_shutdown_timeout: float


class Connection(gunicorn_protocol.ASGIProtocol):  # type: ignore[misc, no-any-unimported]  # gunicorn ships no types
    """One client's connection, from before its TLS handshake to its end. For HTTP/1 it is also the `Wire`."""

    is_shared = False

    # gunicorn's own attributes.
    worker: Host
    transport: asyncio.Transport | None
    reader: asyncio.StreamReader | None
    _awaiting_request: bool
    _callback_parser: _Parser
    _closed: bool
    _finishing_calls: Mapping[object, object]
    _h2_conn: BoundedHttp2
    _h2_tasks: Set[asyncio.Task[None]]
    _request_ready: asyncio.Event | None
    _websocket: Socket | None

    def __init__(self, worker: Host) -> None:
        super().__init__(worker)
        self._max_buffer_size = _UNREAD_BYTES
        self.last_active_seconds: float = worker.loop.time()
        self.budget = MemoryBudget(worker.settings.buffered_bytes_per_caller)
        self._admission: asyncio.Task[None] | None = None
        # The timer starts with the connection, so a slow handshake and a slow header share one limit.
        self._header_timer = worker.loop.call_later(
            worker.settings.header_timeout_seconds, self.give_up, "header_timeout"
        )
        self._write_timer: asyncio.TimerHandle | None = None

    # -- Coming in --

    def admit(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        """Start the TLS handshake, if there is one. `connection_made` follows."""
        self._admission = self.worker.loop.create_task(self._admit(client, context))

    async def _admit(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        limits: _TlsOptions = {}
        if context is not None:
            limits["ssl"] = context
            limits["ssl_handshake_timeout"] = self.worker.settings.handshake_timeout_seconds
            limits["ssl_shutdown_timeout"] = _TLS_SHUTDOWN_SECONDS
        try:
            await self.worker.loop.connect_accepted_socket(lambda: self, client, **limits)
        except (OSError, asyncio.CancelledError):
            # The client spoke no TLS, left, was too slow, or was closed. Count it, but log no error.
            metrics().refusals.labels("handshake").inc()
            self._forget()

    def _prove(self) -> None:
        """Note that the client has sent a full header."""
        self._header_timer.cancel()
        self.worker.prove(self)

    def _on_headers_complete(self) -> bool:
        # Check here and not in the door: gunicorn closes the connection after an error of its parser.
        headers = self._callback_parser.headers
        if sum(name == b"host" for name, _ in headers) != 1:
            raise ParseError("Host")
        if sum(len(name) + len(value) for name, value in headers) > HEADER_LIST_BYTES:
            raise LimitRequestHeaders("total")
        self._prove()
        return bool(super()._on_headers_complete())

    def _start_http2_stream(self, request: _Http2Request, *rest: object) -> None:
        self._prove()
        super()._start_http2_stream(request, *rest)

    async def _serve_http2_request(self, request: _Http2Request, h2_conn: _Http2Connection, *rest: object) -> None:
        # For text outside latin-1, gunicorn would answer 500 with Python's message about the codec.
        texts = [request.uri, *(value for _, value in request.headers)]
        if not request.uri.isascii() or any(not _is_latin_1(text) for text in texts):
            await h2_conn.reset_stream(request.stream.stream_id, HTTP2ErrorCode.PROTOCOL_ERROR)
            return
        await super()._serve_http2_request(request, h2_conn, *rest)

    def _build_http_scope(self, *arguments: object) -> Scope:
        scope: Scope = super()._build_http_scope(*arguments)
        scope[WIRE] = self
        return scope

    def _build_http2_scope(self, request: _Http2Request, *rest: object) -> Scope:
        scope: Scope = super()._build_http2_scope(request, *rest)
        scope[WIRE] = _Stream(self, request.stream.stream_id)
        return scope

    async def _handle_websocket(self, request: object, *addresses: object) -> None:
        # gunicorn's own protocol has no limit on frames, reads in a task of its own, and forgets what the client has
        # sent behind its handshake.
        scope: Scope = self._build_websocket_scope(request, *addresses)
        scope[WIRE] = self
        key = next((value for name, value in scope["headers"] if name == b"sec-websocket-key"), b"")
        self._websocket = Socket(self, key, self.worker.loop)
        _shrink_buffer(self.transport)
        self._websocket.feed_data(self._callback_parser.remaining())
        # They are kept for the connection's next request, and this one has none.
        del self._callback_parser
        self._current_request = self._body_receiver = None
        await self._websocket.run(self.app, scope)

    def data_received(self, data: bytes) -> None:
        """Note that the client is active, and process the data."""
        self.last_active_seconds = self.worker.loop.time()
        super().data_received(data)

    # -- Going out --

    def _will_close(self, request: object, response_requires_close: bool) -> bool:
        # While draining, announce the close, so that no client sends its next request into a closing connection.
        return bool(self.worker.draining or super()._will_close(request, response_requires_close))

    def _send_error_response(self, status: int, _message: str, _extra: object = ()) -> None:
        # gunicorn's own text may quote the request, which can contain a token.
        if self._closed:
            return
        code = TooLarge.code if status in (414, 431) else InvalidInput.code if status < 500 else ServerError.code
        sentence = _SENTENCES.get(status, ServerError.sentence)
        request_id = secrets.token_hex(12)
        answer = answer_of(Refusal(status, code, sentence, cause="malformed"), request_id)
        metrics().refusals.labels("malformed").inc()
        metrics().record_request("OTHER", answer.route, status, 0.0)
        self.write_answer(status, self.worker.asgi.reception.complete(answer, request_id), answer.body)

    def write_answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a whole answer, after which the connection ends."""
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in [*headers, (b"connection", b"close")])
        phrase = gunicorn_protocol._REASON_PHRASES.get(status, "Error").encode()
        self.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, phrase, lines, body))

    def write(self, data: bytes) -> None:
        """Write bytes, if the connection still takes any."""
        self._safe_write(data)

    def set_reading(self, *, wanted: bool) -> None:
        """Start or stop reading from the client."""
        if wanted:
            self._resume_reading()
        else:
            self._pause_reading()

    @property
    def is_closed(self) -> bool:
        """Whether nothing that is sent now can arrive."""
        return self._closed or self.transport is None or self.transport.is_closing()

    async def cut(self) -> None:
        """Close the connection. HTTP/1 has no other way to tell the client that its answer is incomplete."""
        if self.transport is not None:
            # Otherwise gunicorn would log that the answer is incomplete.
            self._closed = True
            self.transport.abort()

    async def cut_stream(self, stream_id: int) -> None:
        """Reset one HTTP/2 stream."""
        await self._h2_conn.cut(stream_id)

    def pause_writing(self) -> None:
        """The client does not read. Close the connection if that lasts; `Outlet` also limits each answer."""
        super().pause_writing()
        self._watch_writing()

    def _watch_writing(self) -> None:
        self._write_timer = self.worker.loop.call_later(
            self.worker.settings.body_timeout_seconds, self._end_if_stuck, self.unsent_bytes()
        )

    def _end_if_stuck(self, before_bytes: int) -> None:
        if self.unsent_bytes() < before_bytes:
            self._watch_writing()
        else:
            self.give_up("write_timeout")

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    # -- Leaving --

    def close_if_idle(self, since_seconds: float) -> None:
        """Close the connection if no call is in progress and nothing has arrived since `since_seconds`."""
        if self.transport is None or self._websocket or self.last_active_seconds > since_seconds:
            return
        if self.reader is not None:
            connection = getattr(self, "_h2_conn", None)
            if connection is not None and not self._h2_tasks and not connection.streams:
                self.worker.background(connection.close())
        elif self._request_ready is not None and self._awaiting_request and not self._finishing_calls:
            self._close_transport()
            self._request_ready.set()

    def hang_up(self) -> None:
        """Close the connection once everything is sent."""
        self._close_transport()

    def _close_transport(self) -> None:
        # asyncio closes a TLS connection after one second, even with unsent data: a slow client would get half of its
        # answer.
        if self.transport is None or self._closed or not self.unsent_bytes():
            super()._close_transport()
            return
        self._closed = True
        self.worker.background(self._close_when_sent(self.transport))

    async def _close_when_sent(self, transport: asyncio.Transport) -> None:
        end_seconds = self.worker.loop.time() + self.worker.settings.body_timeout_seconds
        # asyncio has no event for an empty buffer, so poll.
        while self.unsent_bytes() and self.worker.loop.time() < end_seconds:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        # Over plain HTTP, asyncio would wait for the rest without a limit.
        if self.unsent_bytes():
            transport.abort()
        else:
            transport.close()

    def unsent_bytes(self) -> int:
        """Bytes that were written but that the kernel has not taken yet."""
        if self.transport is None or self.transport.is_closing():
            return 0
        # The TLS transport counts only what it has not encrypted yet. Most bytes wait in the transport below it.
        below = getattr(getattr(self.transport, "_ssl_protocol", None), "_transport", None)
        waiting = self.transport.get_write_buffer_size() + (below.get_write_buffer_size() if below is not None else 0)
        return int(waiting)

    def give_up(self, cause: str) -> None:
        """Close the connection now, in any state."""
        metrics().refusals.labels(cause).inc()
        if self.transport is not None:
            self.transport.abort()
        elif self._admission is not None:
            self._admission.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything that waits for this connection."""
        super().connection_lost(exc)
        self._forget()
        if self._request_ready is not None:
            # Otherwise the task that waits for the next request would keep waiting.
            self._request_ready.set()

    def _forget(self) -> None:
        self._header_timer.cancel()
        if self._write_timer is not None:
            self._write_timer.cancel()
        self.worker.forget(self)


class _Stream:
    """The `Wire` of one HTTP/2 stream."""

    is_shared = True
    __slots__ = ("_connection", "_stream_id", "budget")

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self._connection = connection
        self._stream_id = stream_id
        self.budget = connection.budget

    @property
    def is_closed(self) -> bool:
        return self._connection.is_closed

    def unsent_bytes(self) -> int:
        return self._connection.unsent_bytes()

    async def cut(self) -> None:
        await self._connection.cut_stream(self._stream_id)


def _is_latin_1(text: str) -> bool:
    # Latin-1 characters are at most U+00FF. `isascii` is faster and decides nearly all cases.
    return text.isascii() or max(text) <= "\xff"


def _shrink_buffer(transport: asyncio.Transport | None) -> None:
    # Each TLS connection keeps a buffer for what it reads. A WebSocket's messages are short, and there may be many.
    protocol = getattr(transport, "_ssl_protocol", None)
    if protocol is not None:
        protocol.max_size = _SMALL_BUFFER_BYTES
        protocol._ssl_buffer = bytearray(_SMALL_BUFFER_BYTES)
        protocol._ssl_buffer_view = memoryview(protocol._ssl_buffer)
