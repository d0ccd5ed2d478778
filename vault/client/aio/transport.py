"""The transport of `AsyncClient`: HTTPS on httpx2, with the bounds of the synchronous one."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from vault.client import bounded_socket
from vault.client.address import Address
from vault.client.transport import (
    ANSWER_MAX_BYTES,
    CONNECT_TIMEOUT_SECONDS,
    IDLE_CONNECTIONS,
    IDLE_SECONDS,
    READ_TIMEOUT_SECONDS,
    Authority,
    Request,
    Response,
    broken_off,
    explain_connect,
    make_tls_context,
    no_answer,
    no_length,
    not_http,
    too_long,
)
from vault.errors import SettingsError

if TYPE_CHECKING:
    import httpx2

    from vault.client.aio.streaming import AsyncStream

_WITHOUT_BODY = frozenset({204, 304})

# The server went away; h11 and httpcore2 have no class of their own for it.
_GONE = ("Server disconnected", "peer closed connection")
_TOO_LONG = "Receive buffer too long"
_HEAD_MAX_BYTES = 100 * 1024


class AsyncTransport(Protocol):
    """Sends a request to the server and returns its answer. For one event loop."""

    async def send(self, request: Request) -> Response:
        """Return the server's answer, with any status. Raises `TransportError` if there is none."""

    async def close(self) -> None:
        """Close connections. The transport may be used again afterwards."""


class HttpxTransport:
    """HTTP/1.1 over TLS on httpx2, always verified, on connections that are reused.

    The arguments and the limits are those of `HttpsTransport`. Raises `SettingsError` also if httpx2 is not installed.
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
        self._tls = make_tls_context(ca_file)
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._client = self._make_client()

    def __repr__(self) -> str:
        return f"HttpxTransport({self._address})"

    async def send(self, request: Request) -> Response:
        """Return the server's answer. Raises `Unreachable`, `ConnectionLost`, or a bare `TransportError`."""
        limit_seconds = self._read_timeout_seconds * bounded_socket.EXCHANGE_READ_TIMES
        try:
            async with asyncio.timeout(limit_seconds):
                answer = await self._begin(request, self._read_timeout_seconds)
                try:
                    return await self._read_whole(answer)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise bounded_socket.not_finished(str(self._address), limit_seconds) from error

    async def stream(self, request: Request, wait_seconds: float = 0.0) -> AsyncStream:
        """Return the server's answer when its head has come. Raises what `send` raises.

        The head may come `wait_seconds` later than that of other answers.
        """
        from vault.client.aio.streaming import HttpxStream

        seconds = self._read_timeout_seconds + wait_seconds
        try:
            async with asyncio.timeout(self._connect_timeout_seconds + seconds):
                # The reader of the body has a limit of its own.
                answer = await self._begin(request, None)
        except TimeoutError as error:
            raise no_answer(self._address, seconds) from error
        return HttpxStream(answer, self._address)

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        before, self._client = self._client, self._make_client()
        await before.aclose()

    def _make_client(self) -> httpx2.AsyncClient:
        try:
            import httpx2
        except ModuleNotFoundError as error:
            raise SettingsError("AsyncClient needs httpx2: pip install 'strongroom[async]'.") from error
        return httpx2.AsyncClient(
            verify=self._tls,
            # As the synchronous transport: no proxy, no certificates and no password from the environment.
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS, keepalive_expiry=IDLE_SECONDS
            ),
        )

    async def _begin(self, request: Request, read_timeout_seconds: float | None) -> httpx2.Response:
        """Send a request, and return its answer, whose body is not read yet."""
        import httpx2

        steps: list[str] = []

        async def note(step: str, _details: object) -> None:
            steps.append(step)

        built = self._client.build_request(
            request.method,
            f"{self._address}{request.path}",
            content=request.body,
            headers={"Accept-Encoding": "identity", **request.headers},
            timeout=httpx2.Timeout(
                self._read_timeout_seconds, connect=self._connect_timeout_seconds, read=read_timeout_seconds
            ),
            extensions={"trace": note},
        )
        try:
            with explained(self._address, self._read_timeout_seconds):
                return await self._client.send(built, stream=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            cause = _cause_of(error, is_connected="connection.connect_tcp.complete" in steps)
            raise explain_connect(cause, self._address) from error

    async def _read_whole(self, answer: httpx2.Response) -> Response:
        # Without a length, an answer that was cut short looks complete.
        is_framed = "content-length" in answer.headers or "chunked" in answer.headers.get("transfer-encoding", "")
        if not is_framed and answer.status_code not in _WITHOUT_BODY:
            raise no_length(self._address)
        body = bytearray()
        with explained(self._address, self._read_timeout_seconds):
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > ANSWER_MAX_BYTES:
                    raise too_long(self._address)
        return Response(answer.status_code, lower_names(answer), bytes(body))


@contextmanager
def explained(address: Address, read_timeout_seconds: float) -> Iterator[None]:
    """Raise `ConnectionLost` or `TransportError` for what httpx2 raises on a connection."""
    import httpx2

    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        raise
    except httpx2.TimeoutException as error:
        raise no_answer(address, read_timeout_seconds) from TimeoutError(str(error))
    except httpx2.RemoteProtocolError as error:
        if str(error).startswith(_GONE):
            raise broken_off(address) from error
        if str(error).startswith(_TOO_LONG):
            raise bounded_socket.head_too_long(str(address), _HEAD_MAX_BYTES) from error
        raise not_http(address) from error
    except (httpx2.TransportError, OSError) as error:
        raise broken_off(address) from error


def lower_names(answer: httpx2.Response) -> Mapping[str, str]:
    """Return the headers with their names in lower case."""
    return {name.lower(): value for name, value in answer.headers.items()}


def _cause_of(error: BaseException, *, is_connected: bool) -> Exception:
    """Return what the socket or TLS has raised beneath an error of httpx2, in the form of the synchronous transport."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, BaseExceptionGroup):
            # One for each address of the name.
            found = found.exceptions[0]
        if isinstance(found, TimeoutError):
            return TimeoutError("handshake" if is_connected else "connect")
        if isinstance(found, ssl.SSLError) or (isinstance(found, OSError) and found.errno is not None):
            return found
        found = found.__cause__ or found.__context__
    return ssl.SSLEOFError() if is_connected else OSError(str(error))
