"""Syslog: messages of RFC 5424 over UDP (RFC 5426), TCP (RFC 6587, octets counted) and TLS (RFC 5425).

Syslog has no acknowledgements. Over TCP and TLS a batch counts as sent once the peer's system has acknowledged all of
its bytes, and is sent again where the peer then closes the connection; over UDP, and to the host's own syslog, a batch
counts as sent once it has been handed over. Every wait is bounded.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
SEND_SECONDS = 10.0
"""For a whole batch, until the peer's system has acknowledged it."""
STREAM_MOST_BYTES = 256 * 1024
"""RFC 5425, section 4.3.1, asks receivers for 2 KiB at least and 8 KiB if possible; common ones take much more."""
LAST_MOST_BYTES = 4 * 1024 * 1024
"""Of the last batch, which is sent again over the next connection where the peer has closed this one."""

_SOCKET = "/dev/log"
_PRIORITY = 13 * 8 + 5
"""Facility 13 (log audit), severity 5 (notice): RFC 5424, section 6.2.1."""
_POLL_SECONDS = 0.005
_CHUNK_BYTES = 16 * 1024

Shorten = Callable[[str], Iterator[str]]
"""Gives ever shorter forms of a line that is too long to be sent."""


class Datagrams:
    """Each message in a datagram, to the host's own syslog (no address) or over UDP."""

    def __init__(self, address: tuple[str, int] | None, shorten: Shorten) -> None:
        self._address = address
        self._shorten = shorten

    def send(self, lines: Sequence[str]) -> int:
        """Send lines; how many had to be shortened. Raises `OSError`."""
        with self._connected() as connection:
            return sum(self._send(connection, line) for line in lines)

    def close(self) -> None:
        """Nothing is kept open between batches."""

    def _send(self, connection: socket.socket, line: str) -> bool:
        if _fits(connection, line):
            return False
        # A datagram that does not even hold the shortest form is left out: it must not stop those behind it.
        if not any(_fits(connection, form) for form in self._shorten(line)):
            log.error("audit_event_left_out", reason="Not even its id fits into a datagram.")
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
    """One connection over TCP, or TLS where there is a context, kept open between batches."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, shorten: Shorten) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._shorten = shorten
        self._connection: socket.socket | None = None
        self._last = b""

    def send(self, lines: Sequence[str]) -> int:
        """Send lines; how many had to be shortened. Raises `OSError` where not all have arrived."""
        shortened, data = 0, bytearray()
        for line in lines:
            message = _message(line)
            if len(message) > STREAM_MOST_BYTES:
                shortened += 1
                message = _message(next(self._shorten(line)))
            data += b"%d %b" % (len(message), message)
        if self._connection is not None and not _is_open(self._connection):
            # What it was sent last may have lain in its buffer, unread, when it went away.
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
        """Close the connection. What it still held back is sent again with the batch that failed."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), CONNECT_SECONDS)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                return plain
            return self._context.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise


def _fits(connection: socket.socket, line: str) -> bool:
    """Send a line; False where it is too large for a datagram. How much fits is known to the network alone."""
    try:
        connection.send(_message(line))
    except OSError as error:
        if error.errno != errno.EMSGSIZE:
            raise
        return False
    return True


def _place(address: tuple[str, int] | None) -> tuple[int, str | tuple[Any, ...]]:
    if address is None:
        return socket.AF_UNIX, _SOCKET
    family, _, _, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    return family, place


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """The authorities of `ca_file`, or of this system, and the server's name. Raises `OSError` for a bad file."""
    return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))


def _message(line: str) -> bytes:
    """RFC 5424, section 6; the message is the event as JSON."""
    moment = datetime.now(UTC).isoformat().replace("+00:00", "Z")
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
    # A peer that has gone away without reading everything answers with a reset.
    _is_open(connection, strict=True)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, "The receiver takes no more, or acknowledges nothing.")
    return left


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the peer's system has not acknowledged (tcp(7), SIOCOUTQ)."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def _is_open(connection: socket.socket, *, strict: bool = False) -> bool:
    """Whether the peer has not closed. It has nothing to say, so what it says is dropped. `strict` raises a reset."""
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
