"""Syslog: messages of RFC 5424 over UDP (RFC 5426), TCP (RFC 6587, octets counted) and TLS (RFC 5425).

Syslog has no acknowledgements. Over TCP and TLS a batch counts as sent when TCP has acknowledged all of its bytes. If
the peer then closes the connection, the batch is sent again. Over UDP and to the local syslog, a batch counts as sent
when the kernel has taken it. Every wait has a limit.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import structlog

from vault.model.clock import now_us, rfc3339  # noqa: TID251 - a receiver compares it with its own clock.

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
SEND_SECONDS = 10.0
"""The limit for a whole batch, including its TCP acknowledgement."""
STREAM_MOST_BYTES = 256 * 1024
"""RFC 5425, section 4.3.1, asks receivers to take at least 2 KiB, better 8 KiB. Common receivers take much more."""
LAST_MOST_BYTES = 4 * 1024 * 1024
"""The last batch is kept up to this size, to send it again if the peer closes the connection."""

_SOCKET = "/dev/log"
_PRIORITY = 13 * 8 + 5
"""Facility 13 (log audit), severity 5 (notice): RFC 5424, section 6.2.1."""
_POLL_SECONDS = 0.005
_CHUNK_BYTES = 16 * 1024

Shorten = Callable[[str], Iterator[str]]
"""Returns shorter and shorter forms of a line that is too long."""


class Datagrams:
    """Sends each message as a datagram, to the local syslog (no address) or over UDP."""

    def __init__(self, address: tuple[str, int] | None, shorten: Shorten) -> None:
        self._address = address
        self._shorten = shorten

    def send(self, lines: Sequence[str]) -> int:
        """Send lines. Returns how many were shortened. Raises `OSError`."""
        with self._connected() as connection:
            return sum(self._send(connection, line) for line in lines)

    def close(self) -> None:
        """Does nothing: no socket stays open between batches."""

    def _send(self, connection: socket.socket, line: str) -> bool:
        if _fits(connection, line):
            return False
        # If even the shortest form is too large, skip the event: it must not stop the later ones.
        if not any(_fits(connection, form) for form in self._shorten(line)):
            log.error("audit_event_left_out", reason="Even the shortest form of the event is too large for a datagram.")
        return True

    def _connected(self) -> socket.socket:
        family, place = _place(self._address)
        connection = socket.socket(family, socket.SOCK_DGRAM)
        try:
            connection.settimeout(SEND_SECONDS)
            connection.connect(place)
        except BaseException:
            connection.close()
            raise
        return connection


class Stream:
    """One TCP or TLS connection, which stays open between batches.

    `make_context` makes the TLS context for the first connection; without it the connection is plain TCP.
    """

    def __init__(
        self, host: str, port: int, make_context: Callable[[], ssl.SSLContext] | None, shorten: Shorten
    ) -> None:
        self._host = host
        self._port = port
        # Reading all authorities of the system takes tens of milliseconds, and few processes connect.
        self._make_context = make_context
        self._context: ssl.SSLContext | None = None
        self._shorten = shorten
        self._connection: socket.socket | None = None
        self._last = b""

    def send(self, lines: Sequence[str]) -> int:
        """Send lines. Returns how many were shortened. Raises `OSError` unless all were acknowledged."""
        shortened, data = 0, bytearray()
        for line in lines:
            message = _message(line)
            if len(message) > STREAM_MOST_BYTES:
                shortened += 1
                message = _message(next(self._shorten(line)))
            data += b"%d %b" % (len(message), message)
        if self._connection is not None and not _is_open(self._connection):
            # The peer may have closed before it read the last batch.
            self.close()
            data[:0] = self._last
        if self._connection is None:
            self._connection = self._connected()
        try:
            _deliver(self._connection, data)
        except BaseException:
            self.close()
            raise
        self._last = bytes(data) if len(data) <= LAST_MOST_BYTES else b""
        return shortened

    def close(self) -> None:
        """Close the connection. Unsent bytes are sent again with the batch that failed."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), CONNECT_SECONDS)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._make_context is None:
                return plain
            if self._context is None:
                self._context = self._make_context()
            return self._context.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise


def _fits(connection: socket.socket, line: str) -> bool:
    """Send a line. Returns False if it is too large for a datagram; the limit depends on the network."""
    try:
        connection.send(_message(line))
    except OSError as error:
        if error.errno != errno.EMSGSIZE:
            raise
        return False
    return True


def _place(address: tuple[str, int] | None) -> tuple[int, str | tuple[str | int | bytes, ...]]:
    if address is None:
        return socket.AF_UNIX, _SOCKET
    family, _, _, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    return family, place


def _message(line: str) -> bytes:
    """RFC 5424, section 6; the message is the event as JSON."""
    moment = rfc3339(now_us())
    head = f"<{_PRIORITY}>1 {moment} {socket.gethostname() or '-'} strongroom {os.getpid()} audit - "
    return (head + line).encode("utf-8", "backslashreplace")


def _deliver(connection: socket.socket, data: bytearray) -> None:
    deadline, view = time.monotonic() + SEND_SECONDS, memoryview(data)
    while view:
        connection.settimeout(_left(deadline))
        view = view[connection.send(view[:_CHUNK_BYTES]) :]
    while _unacknowledged(connection):
        _left(deadline)
        time.sleep(_POLL_SECONDS)
    # If the peer closed without reading everything, this raises the reset.
    _is_open(connection, strict=True)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, "The receiver did not take all data in time.")
    return left


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes the peer's system has not acknowledged (tcp(7), SIOCOUTQ)."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def _is_open(connection: socket.socket, *, strict: bool = False) -> bool:
    """Report whether the connection is open. Data from the peer is ignored. With `strict`, raise a reset."""
    connection.settimeout(0)
    try:
        while connection.recv(_CHUNK_BYTES):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        if strict:
            raise
    return False
