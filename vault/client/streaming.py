"""An answer whose body comes piece by piece, over HTTPS, or from a transport that only has whole answers."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from vault.client.address import Address
from vault.client.bounded_socket import BoundedSocket
from vault.client.chunks import ChunkDecoder
from vault.client.transport import Request, Response, Transport, broken_off

PIECE_BYTES = 64 * 1024


class Stream(Protocol):
    """An answer whose head has come. Used by one thread; only `interrupt` may be called by another."""

    status: int
    headers: Mapping[str, str]

    def read(self, seconds: float) -> bytes | None:
        """Return the next bytes of the body: b"" if none come within `seconds`, and None at its end.

        Raises `TransportError` if the answer breaks off.
        """

    def interrupt(self) -> None:
        """Make a `read` that waits return."""

    def close(self) -> None:
        """Close the connection."""


@runtime_checkable
class StreamingTransport(Transport, Protocol):
    """A transport whose answers can also be read piece by piece."""

    def stream(self, request: Request, wait_seconds: float) -> Stream:
        """Return the server's answer, with any status, when its head has come: `wait_seconds` later than others may.

        Raises what `send` raises.
        """


def open_stream(transport: Transport, request: Request, wait_seconds: float) -> Stream:
    """Return the answer of `transport`, in one piece if it cannot do otherwise."""
    if isinstance(transport, StreamingTransport):
        return transport.stream(request, wait_seconds)
    return WholeStream(transport.send(request))


class WholeStream:
    """An answer that has come whole."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = response.headers
        self._rest: bytes = response.body

    def read(self, seconds: float) -> bytes | None:
        """Return the body, then None."""
        found, self._rest = self._rest, b""
        return found or None

    def interrupt(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class HttpsStream:
    """The answer to one request on a connection of its own."""

    def __init__(self, answer: http.client.HTTPResponse, bounds: BoundedSocket, address: Address) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.getheaders()}
        self._answer = answer
        self._bounds = bounds
        self._address = address
        self._chunks = ChunkDecoder() if answer.chunked else None
        self._left = answer.length
        # `http.client` has read more than the head.
        self._buffered = bounds.take_buffered(answer.fp)

    def read(self, seconds: float) -> bytes | None:
        """Return the next bytes of the body: b"" if none come within `seconds`, and None at its end."""
        if self._is_done:
            return None
        raw, self._buffered = self._buffered, b""
        try:
            if not raw and not self._bounds.has_bytes(seconds):
                return b""
            data = raw or self._bounds.read_piece(self._answer.fp, PIECE_BYTES)
        except (OSError, ValueError) as error:
            raise broken_off(self._address) from error
        if not data:
            if self._chunks is not None or self._left:
                raise broken_off(self._address)
            return None
        if self._chunks is not None:
            return self._chunks.feed(data)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return data

    def interrupt(self) -> None:
        """Make a `read` that waits return."""
        self._bounds.shut_down()

    def close(self) -> None:
        """Close the connection."""
        self._answer.close()
        self._bounds.close()

    def __del__(self) -> None:
        # A loop over changes that is left by `break` closes nothing else.
        self.close()

    @property
    def _is_done(self) -> bool:
        return self._left == 0 or (self._chunks is not None and self._chunks.is_done)
