"""The transport: HTTPS on the standard library."""

from __future__ import annotations

import http.client
import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from vault.client.address import Address
from vault.client.bounded_socket import BoundedSocket
from vault.errors import SettingsError, TransportError
from vault.tls import verifying_context

if TYPE_CHECKING:
    from vault.client.streaming import Stream

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0

ANSWER_MAX_BYTES = 64 * 1024 * 1024
"""The largest answer that is read, far more than any correct one: 4 MiB of values, each byte escaped to six in JSON."""

IDLE_SECONDS = 4.0
"""The server closes a connection after 5 s without a request. One second is left for the network."""

IDLE_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Authority:
    """Authorities to trust instead of the system's: their certificates in PEM, and the file that had them."""

    pem: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is relative to the server's address. `repr` hides what may be secret."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One whole answer. Header names are in lower case. `repr` hides the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Transport(Protocol):
    """Sends a request to the server and returns its answer. Thread-safe."""

    def send(self, request: Request) -> Response:
        """Return the server's answer, with any status. Raises `TransportError` if there is none."""

    def close(self) -> None:
        """Close connections. The transport may be used again afterwards."""


class Unreachable(TransportError):
    """Nothing was sent, so a retry cannot do anything twice."""


class ConnectionLost(TransportError):
    """The request was sent, at least in part, and no answer came. Its effect is unknown."""


class HttpsTransport:
    """HTTP/1.1 over TLS, always verified, on connections that are reused.

    `ca_file` is the PEM file of the authorities to trust instead of the system's, or its content as an `Authority`.
    `plain_http` allows an `http://` address, on this machine only. Redirects are never followed. A whole exchange may
    take ten times `read_timeout_seconds`. Raises `SettingsError` for an unusable address or CA file.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: str | os.PathLike[str] | Authority | None = None,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        plain_http: bool = False,
    ) -> None:
        self._address = Address.parse(url, plain_http)
        self._tls = make_tls_context(ca_file) if self._address.is_tls else None
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []

    def __repr__(self) -> str:
        return f"HttpsTransport({self._address})"

    def send(self, request: Request) -> Response:
        """Return the server's answer. Raises `Unreachable`, `ConnectionLost`, or a bare `TransportError`."""
        connection = self._take() or self._connect()
        try:
            response = self._exchange(connection, request)
        except BaseException:
            # After any error, even Ctrl-C, close the connection: the next request must not get a late answer.
            connection.http.close()
            raise
        self._give_back(connection)
        return response

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.http.close()

    def _connect(self, wait_seconds: float = 0.0) -> _Connection:
        host, port = self._address.host, self._address.port
        if self._tls is None:
            http_connection = http.client.HTTPConnection(host, port, timeout=self._connect_timeout_seconds)
        else:
            http_connection = http.client.HTTPSConnection(
                host, port, timeout=self._connect_timeout_seconds, context=self._tls
            )
        try:
            http_connection.connect()
        except (OSError, UnicodeError) as error:
            http_connection.close()
            raise explain_connect(error, self._address) from error
        bounds = BoundedSocket(http_connection.sock, str(self._address), self._read_timeout_seconds + wait_seconds)
        http_connection.sock = bounds
        return _Connection(http_connection, bounds)

    def stream(self, request: Request, wait_seconds: float = 0.0) -> Stream:
        """Return the server's answer when its head has come, on a connection of its own. Raises what `send` raises.

        The head may come `wait_seconds` later than that of other answers.
        """
        from vault.client.streaming import HttpsStream

        connection = self._connect(wait_seconds)
        try:
            return HttpsStream(self._begin(connection, request), connection.bounds, self._address)
        except BaseException:
            connection.http.close()
            raise

    def _begin(self, connection: _Connection, request: Request) -> http.client.HTTPResponse:
        """Send a request, and return its answer, whose body is not read yet."""
        with self._explained():
            connection.bounds.begin_exchange()
            connection.http.request(
                request.method, self._address.prefix + request.path, request.body, dict(request.headers)
            )
            answer = connection.http.getresponse()
            connection.bounds.end_head()
            return answer

    def _exchange(self, connection: _Connection, request: Request) -> Response:
        answer = self._begin(connection, request)
        # Without a length, an answer that was cut short looks complete.
        if answer.length is None and not answer.chunked:
            raise no_length(self._address)
        with self._explained():
            body = answer.read(ANSWER_MAX_BYTES + 1)
        if len(body) > ANSWER_MAX_BYTES:
            raise too_long(self._address)
        # `read` with a limit does not report a body that is shorter than announced.
        if answer.length:
            raise broken_off(self._address)
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise `ConnectionLost` or `TransportError` for what a connection may raise."""
        try:
            yield
        except TimeoutError as error:
            raise no_answer(self._address, self._read_timeout_seconds) from error
        except (OSError, http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
            raise broken_off(self._address) from error
        except http.client.HTTPException as error:
            raise not_http(self._address) from error

    def _take(self) -> _Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.http.close()

    def _give_back(self, connection: _Connection) -> None:
        # `http.client` has dropped the socket itself if the server announced a close.
        if connection.http.sock is None:
            return
        connection.idle_since = time.monotonic()
        with self._lock:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.http.close()


class _Connection:
    """A connection, its bounds, the process that opened it, and the time when it became idle."""

    def __init__(self, http_connection: http.client.HTTPConnection, bounds: BoundedSocket) -> None:
        self.http = http_connection
        self.bounds = bounds
        self.idle_since = time.monotonic()
        self._process_id = os.getpid()

    def is_usable(self) -> bool:
        """Report whether it belongs to this process (a fork shares the socket), is recent, and has no bytes to read.

        If an idle connection has bytes to read, the server closed it, or it has an answer without a request.
        """
        if self._process_id != os.getpid() or time.monotonic() - self.idle_since > IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.http.sock, select.POLLIN)
        return not poll.poll(0)


def make_tls_context(ca_file: str | os.PathLike[str] | Authority | None) -> ssl.SSLContext:
    """Return a context that verifies chain and name, with TLS 1.2 or newer. Raises `SettingsError` for a bad CA
    file.
    """
    name = ca_file.source if isinstance(ca_file, Authority) else ca_file
    try:
        if isinstance(ca_file, Authority):
            context = verifying_context(authorities=_certificates(ca_file.pem))
        else:
            context = verifying_context(ca_file or None)
    except ssl.SSLError as error:
        raise SettingsError(f"The CA file {name} has no certificate in PEM form.") from error
    except OSError as error:
        raise SettingsError(f"The CA file {name} cannot be read: {error.strerror}.") from error
    # The server also speaks HTTP/2, at more than twice the cost of HTTP/1.1 for these calls.
    context.set_alpn_protocols(["http/1.1"])
    return context


_CERTIFICATE = re.compile(r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END [A-Z0-9 ]+-----")


def _certificates(pem: str) -> str:
    """Return only the certificates: `ssl` refuses a text with other letters than ASCII."""
    return "\n".join(_CERTIFICATE.findall(pem))


# OpenSSL's X509_V_ERR_* numbers, from x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_NAME_MISMATCHES = frozenset({62, 64})


_NO_HANDSHAKE = "It may be starting or full, or this port is not for HTTPS. Is the port right?"


def no_answer(address: Address, seconds: float) -> ConnectionLost:
    """Return the error for an answer that does not come."""
    return ConnectionLost(
        f"{address} did not answer within {seconds:g} s; "
        "it may be overloaded, or a firewall or proxy drops the connection."
    )


def broken_off(address: Address) -> ConnectionLost:
    """Return the error for an answer without its end."""
    return ConnectionLost(f"{address} closed the connection before its answer was complete.")


def not_http(address: Address) -> TransportError:
    """Return the error for an answer that is not HTTP."""
    return TransportError(f"{address} does not answer like an HTTP server. Is the address right?")


def no_length(address: Address) -> TransportError:
    """Return the error for an answer whose end cannot be told from a cut."""
    return TransportError(f"{address} does not send the length of its answer.")


def too_long(address: Address) -> TransportError:
    """Return the error for an answer over `ANSWER_MAX_BYTES`."""
    return TransportError(f"{address} sent more than {ANSWER_MAX_BYTES} bytes. A Strongroom server never does.")


def explain_connect(error: Exception, address: Address) -> TransportError:
    """Return why a connection failed, and what to do. The class says whether a retry may help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(explain_certificate(error.verify_code, error.verify_message, str(address), address.host))
    if isinstance(error, ssl.SSLEOFError):
        return Unreachable(f"{address} closed the connection during the TLS handshake. {_NO_HANDSHAKE}")
    if isinstance(error, ssl.SSLError):
        return TransportError(f"{address} does not speak TLS as expected ({error.reason}). Is the port right?")
    # Python's only sign that the connection was made before the time was over.
    if isinstance(error, TimeoutError) and "handshake" in str(error):
        return Unreachable(
            f"{address} accepted the connection, but did not finish the TLS handshake in time. {_NO_HANDSHAKE}"
        )
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"{address} did not accept a connection in time. Is the address right? Does a firewall block it?"
        )
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{address} refused the connection. Is the server running, and the port right?")
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return Unreachable(f"The host name {address.host} cannot be looked up at the moment.")
    if isinstance(error, UnicodeError | socket.gaierror):
        return TransportError(f"The host name {address.host} was not found. Is it spelt right?")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return Unreachable(f"{address} could not be reached: {reason}.")


def explain_certificate(verify_code: int, verify_message: str, url: str, host: str) -> str:
    """Return a sentence that says why OpenSSL refused a certificate, and what to do about it."""
    if verify_code in _NAME_MISMATCHES:
        return (
            f"The certificate of {url} is not valid for {host}. "
            "Use a name that it lists, or get a certificate for this name."
        )
    if verify_code == _EXPIRED:
        return f"The certificate of {url} has expired. The server's operator must renew it."
    if verify_code == _NOT_YET_VALID:
        return f"The certificate of {url} is not valid yet. Is the clock of this machine right?"
    return (
        f"The certificate of {url} is not trusted ({verify_message}). "
        "Give the CA file of its authority: ca_file, --ca-file or STRONGROOM_CA_FILE."
    )
