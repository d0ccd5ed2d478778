"""A socket that bounds one exchange: the time of each read and of the whole, and the bytes before the body.

A time-out of a socket starts again with every byte, and `http.client` skips any number of `100 Continue`. So a hostile
or broken server could keep a caller for ever.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from vault.errors import TransportError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

EXCHANGE_READ_TIMES = 10
"""A whole exchange may take ten times the limit of one read: with 30 s, the largest answer at 220 KB/s."""

HEAD_MAX_BYTES = 128 * 1024
"""The header of warnings has at most 64 KiB, the longest line that `http.client` reads. The rest is far smaller."""

_SEND_BYTES = 64 * 1024


def not_finished(address: str, seconds: float) -> TransportError:
    """Return the error for an exchange that takes too long. It may have had its effect."""
    return TransportError(f"{address} did not finish its answer within {seconds:g} s. It may have done what was asked.")


def head_too_long(address: str, limit_bytes: int) -> TransportError:
    """Return the error for an answer whose body does not begin."""
    return TransportError(
        f"{address} sent more than {limit_bytes} bytes before the body of its answer. A Strongroom server never does."
    )


class BoundedSocket:
    """What `http.client` uses of a connected socket, with bounds. `address` is for errors.

    Each send and read raises `TimeoutError` after `read_timeout_seconds`, and `TransportError` at the end of the
    exchange's time or if the answer's head is too long.
    """

    def __init__(self, connected: socket.socket, address: str, read_timeout_seconds: float) -> None:
        self._socket = connected
        self._address = address
        self._read_timeout_seconds = read_timeout_seconds
        self._limit_seconds = read_timeout_seconds * EXCHANGE_READ_TIMES
        self._ends = 0.0
        self._head_bytes_left: int | None = None
        self._takes_no_more = False

    def begin_exchange(self) -> None:
        """Start the time of one request and its answer."""
        self._ends = time.monotonic() + self._limit_seconds
        self._head_bytes_left = HEAD_MAX_BYTES

    def end_head(self) -> None:
        """Stop counting bytes: the body has a limit of its own."""
        self._head_bytes_left = None

    def sendall(self, data: ReadableBuffer) -> None:
        """Send all bytes. A server that takes them slowly does not get more time."""
        rest = memoryview(data)
        while rest:
            self._limit_next_step()
            try:
                sent = self._socket.send(rest[:_SEND_BYTES])
            except TimeoutError:
                self._require_time()
                raise
            rest = rest[sent:]

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a reader of the answer."""
        if mode != "rb":
            raise ValueError("A bounded socket is only read as bytes.")
        return io.BufferedReader(_Reader(self, self._socket.makefile("rb", buffering=0)))

    def read_into(self, raw: io.RawIOBase, buffer: WriteableBuffer) -> int | None:
        """Read from `raw`, the socket's own reader, within the bounds."""
        if self._takes_no_more:
            return None
        if self._head_bytes_left is not None and self._head_bytes_left <= 0:
            raise head_too_long(self._address, HEAD_MAX_BYTES)
        self._limit_next_step()
        try:
            count = raw.readinto(buffer)
        except TimeoutError:
            self._require_time()
            raise
        if self._head_bytes_left is not None:
            self._head_bytes_left -= count or 0
        return count

    def take_buffered(self, reader: io.BufferedReader) -> bytes:
        """Return the bytes that `reader` has read from this socket and nobody has taken. Reads no more."""
        self._takes_no_more = True
        try:
            return reader.read1() or b""
        finally:
            self._takes_no_more = False

    def has_bytes(self, seconds: float) -> bool:
        """Wait until there is something to read, or the end, for at most `seconds`. Report whether there is."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(seconds, 0.0) * 1000))

    def read_piece(self, reader: io.BufferedReader, most_bytes: int) -> bytes:
        """Read the next piece of a stream, which has a time of its own."""
        self._ends = time.monotonic() + self._limit_seconds
        return reader.read1(most_bytes)

    def shut_down(self) -> None:
        """End a wait or a read in another thread. The socket is still to be closed."""
        # The method of `SSLSocket` would take TLS away from under a read.
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def fileno(self) -> int:
        """Return the descriptor, for `poll`."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket. A reader that is still open keeps it until it is closed too."""
        self._socket.close()

    def _limit_next_step(self) -> None:
        self._require_time()
        self._socket.settimeout(min(self._read_timeout_seconds, max(self._ends - time.monotonic(), 0.001)))

    def _require_time(self) -> None:
        # Not `ConnectionLost`: a retry would wait as long again.
        if time.monotonic() >= self._ends:
            raise not_finished(self._address, self._limit_seconds)


class _Reader(io.RawIOBase):
    """Reads from a socket's own reader, within the bounds of the socket."""

    def __init__(self, bounds: BoundedSocket, raw: io.RawIOBase) -> None:
        self._bounds = bounds
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        return self._bounds.read_into(self._raw, buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
