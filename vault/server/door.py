"""The front door: an ASGI application that limits requests before they take a thread.

connection → worker's protocol → Door ─┬─ /livez, refusals      answered here
                                       ├─ slot of the caller  → intake (whole body) → bridge (lane of threads) → Flask
                                       └─ websocket → `websocket_app`, if there is one
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from wsgiref.types import WSGIApplication, WSGIEnvironment

import structlog

from vault.model.budgets import BODY_MOST_BYTES, BodyLimit, TakesPassword
from vault.model.digits import whole_number
from vault.model.environ import FORWARDED_BY_PROXY, FORWARDED_BY_STRANGER, PERSON
from vault.observe import metrics
from vault.server.asgi import ASGIApp, Receive, Scope, Send
from vault.server.bridge import Lane, PasswordLane, give_body, make_environ
from vault.server.callers import Callers, Credentials, Limits, Memory, Slot, probe_of
from vault.server.forwarded import UNKNOWN_CLIENT, client_address, is_proxy
from vault.server.head import check_head, check_path
from vault.server.intake import Intake
from vault.server.memory import MemoryBudget
from vault.server.outlet import UNLIMITED_WIRE, WIRE, Outlet, Wire
from vault.server.refusal import Answer, ClientGone, Headers, Refusal, bad_request, draining, stranger
from vault.settings import Settings

log = structlog.get_logger(__name__)

SECURITY_HEADERS: Headers = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
]
"""Added to every answer. A header that the application has set itself, such as a page's own policy, is kept."""

_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

_HOST = re.compile(rb"[A-Za-z0-9._\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")

_FORWARDED = frozenset({b"forwarded", b"x-real-ip"})
_FORWARDED_PREFIX = b"x-forwarded-"
_NEVER_FROM_CLIENTS = frozenset({b"proxy", b"x-request-id"})
_CERTIFICATE_PREFIXES = (b"x-client-cert", b"x-ssl-", b"ssl-client-", b"x-tls-client")

_ANNOUNCED_MOST = 10**18

_CALL_BYTES = 16 * 1024
"""Charged for every call: its task, and the server's own buffers."""

_HEADER_COPIES = 4
"""A header is in memory four times: as received, decoded, in the ASGI scope, and in the WSGI environ."""

_LIVE = Answer(200, [(b"content-type", b"application/json")], b'{"status":"ok"}', "/livez")

_SERVICE_RESTART = 1012  # RFC 6455's registry of close codes
_POLICY_VIOLATION = 1008


def any_body(_method: str, _path_info: str, _headers: Mapping[bytes, bytes]) -> int:
    """Return the body limit of an application without route classes."""
    return BODY_MOST_BYTES


def no_password(_method: str, _path_info: str) -> bool:
    """Report that no request hashes a password, for an application without passwords."""
    return False


_SILENT_PROXIES_MOST = 64
"""At most this many proxies that state no client are logged, each once."""

_PROBES = (b"/livez", b"/readyz")
_NOT_ACCEPTED = (401, 403)


class _Call:
    """One call in the door. `slot` is None until the caller is known."""

    __slots__ = ("headers", "request_id", "slot", "wire")

    def __init__(self, request_id: str, headers: dict[bytes, bytes], wire: Wire) -> None:
        self.request_id = request_id
        self.headers = headers
        self.wire = wire
        self.slot: Slot | None = None


class Door:
    """The ASGI application of one worker. Set `draining` when the worker is about to stop."""

    def __init__(
        self,
        app: WSGIApplication,
        settings: Settings,
        *,
        takes_password: TakesPassword = no_password,
        body_limit: BodyLimit = any_body,
        websocket_app: ASGIApp | None = None,
    ) -> None:
        self.draining = False
        self.budget = MemoryBudget(settings.buffered_bytes)
        self._memory = Memory(self.budget, settings.buffered_bytes_per_caller)
        self.calls = self._lane(Lane, app, settings, "calls", settings.threads)
        # The memory for password hashing is one budget for the whole server.
        login_threads = max(1, settings.login_threads // settings.workers)
        self.logins = self._lane(PasswordLane, app, settings, "login", login_threads)
        self.intake = Intake(timeout_seconds=settings.body_timeout_seconds)
        self._outlet = Outlet(settings.body_timeout_seconds, settings.least_bytes_per_second)
        self._credentials = Credentials()
        self._settings = settings
        self._takes_password = takes_password
        self._body_limit = body_limit
        self._websocket_app = websocket_app
        self._sockets: set[Send] = set()
        self._silent_proxies: set[str] = set()
        self._added = list(SECURITY_HEADERS)
        if settings.tls_cert is not None or settings.plain_http:
            # Without HSTS for the local authority: it would apply to every port of localhost.
            self._added.append(_HSTS)

    def _lane(self, kind: type[Lane], app: WSGIApplication, settings: Settings, name: str, threads: int) -> Lane:
        in_flight = settings.max_requests_in_flight
        limits = Limits(
            in_flight,
            settings.max_requests_in_flight_per_caller,
            # A caller is a stranger until the login succeeds.
            in_flight if kind is PasswordLane else max(1, in_flight // 2),
            settings.calls_per_second_per_caller,
        )
        callers = Callers(name, limits, self._memory, time.monotonic)
        per_caller = settings.threads_per_caller or max(1, threads // 2)
        return kind(app, callers, threads=threads, threads_per_caller=per_caller)

    @property
    def in_flight(self) -> int:
        """Calls that use a thread, wait for one, or whose answer is not sent yet."""
        return self.calls.callers.in_flight + self.logins.callers.in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    # -- HTTP --

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        call = _Call(secrets.token_hex(12), joined(scope["headers"]), scope.get(WIRE, UNLIMITED_WIRE))
        try:
            try:
                answer = await self._answer(scope, receive, call)
            except ClientGone:
                metrics().refusals.labels("client_gone").inc()
                return
            except Refusal as refusal:
                metrics().refusals.labels(refusal.cause).inc()
                answer = refusal.answer(call.request_id, scope["raw_path"], call.headers.get(b"accept", b""))
            fields = self.complete(answer, call.request_id)
            is_charged = call.slot is not None and call.slot.is_charged
            is_sent = await self._outlet.send(send, answer, fields, call.wire, is_charged=is_charged)
        finally:
            if call.slot is not None:
                call.slot.release()
        if not is_sent:
            metrics().refusals.labels("write_timeout").inc()
        self._record(scope, answer, call.request_id, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, call: _Call) -> Answer:
        raw_path = scope["raw_path"]
        if not _HOST.fullmatch(call.headers.get(b"host", b"")):
            raise bad_request("A request needs exactly one valid Host.", cause="no_host")
        if not raw_path.startswith(b"/"):
            raise bad_request("The request target must be a path.")
        check_path(raw_path)
        check_head(scope["query_string"], call.headers)
        if _is_probe(scope):
            if self.draining and raw_path == b"/readyz":
                raise draining()
            if raw_path == b"/livez":
                return _LIVE
        elif self._settings.plain_http and not self._from_proxy(scope):
            raise stranger()
        return await self._ask(scope, receive, call)

    async def _ask(self, scope: Scope, receive: Receive, call: _Call) -> Answer:
        headers = call.headers
        trusted = self._from_proxy(scope)
        peer = _peer(scope)
        address = self._address(scope, headers) if trusted else peer
        header_bytes = sum(map(len, headers)) + sum(map(len, headers.values())) + len(scope["raw_path"])
        forwarded = drop_claims(headers)
        environ = make_environ(scope, headers, call.request_id)
        environ["REMOTE_ADDR"] = address
        # Ignore the header. The operators' routes refuse such a request.
        environ[FORWARDED_BY_STRANGER] = forwarded and not trusted
        environ[FORWARDED_BY_PROXY] = trusted
        lane = self.logins if self._takes_password(scope["method"], environ["PATH_INFO"]) else self.calls
        digest = self._credentials.digest(headers)
        key = self._caller(scope, digest, address)
        slot = call.slot = lane.callers.slot(key, call.wire.budget)
        refusal = slot.take(_CALL_BYTES + _HEADER_COPIES * header_bytes)
        if refusal is not None:
            raise refusal
        give_body(environ, await self._body(scope, environ["PATH_INFO"], headers, receive, slot))
        answer = await lane.run(environ, slot)
        self._learn(digest, environ, answer)
        return answer

    async def _body(
        self, scope: Scope, path_info: str, headers: dict[bytes, bytes], receive: Receive, slot: Slot
    ) -> bytes:
        # Over HTTP/1, either header announces a body. Over HTTP/2, only the end of the stream shows that there is none.
        announced = b"content-length" in headers or b"transfer-encoding" in headers
        if not announced and scope["http_version"] != "2":
            return b""
        limit_bytes = self._body_limit(scope["method"], path_info, headers)
        return await self.intake.read(receive, slot, limit_bytes, _announced_bytes(headers))

    def _address(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        """Return the address of the client of a named proxy."""
        address = client_address(headers, self._settings.trusted_proxies)
        if address != UNKNOWN_CLIENT:
            return address
        peer = _peer(scope)
        if _is_probe(scope):
            # A proxy's own health checks state no client.
            return peer
        if peer not in self._silent_proxies and len(self._silent_proxies) < _SILENT_PROXIES_MOST:
            self._silent_proxies.add(peer)
            log.warning(
                "client_address_unknown",
                proxy=peer,
                hint="The proxy must set X-Forwarded-For to the address of its client. Until then, its clients are in "
                "no network: they cannot call as operators or with tokens that are bound to networks.",
            )
        return address

    def _caller(self, scope: Scope, digest: bytes, address: str) -> str:
        # Count probes separately, so that a flood through a load balancer does not make its probes fail.
        if _is_probe(scope):
            return probe_of(address)
        return self._credentials.caller(digest, address)

    def _learn(self, digest: bytes, environ: WSGIEnvironment, answer: Answer) -> None:
        person = environ.get(PERSON)
        if person:
            self._credentials.learn(digest, person)
        elif answer.status in _NOT_ACCEPTED:
            self._credentials.forget(digest)

    def _from_proxy(self, scope: Scope) -> bool:
        return is_proxy(_peer(scope), self._settings.trusted_proxies)

    def complete(self, answer: Answer, request_id: str) -> Headers:
        """Return the headers to send: the application's, and those of every answer."""
        headers = answer.headers
        present = {name for name, _ in headers}
        added = [field for field in self._added if field[0] not in present]
        # A 304 repeats the length of the full answer, or has none. A 204 has none.
        if b"content-length" not in present and answer.status not in (204, 304):
            added.append((b"content-length", str(len(answer.body)).encode()))
        return [*headers, *added, (b"x-request-id", request_id.encode())]

    def _record(self, scope: Scope, answer: Answer, request_id: str, seconds: float) -> None:
        metrics().record_request(scope["method"], answer.route, answer.status, seconds)
        # Log the route and not the path: a path may contain a name, and a query string a value.
        log.info(
            "request",
            method=scope["method"],
            route=answer.route,
            status=answer.status,
            ms=round(seconds * 1000, 2),
            request_id=request_id,
            peer=_peer(scope),
        )

    # -- WebSockets --

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        stranger_came = self._settings.plain_http and not self._from_proxy(scope)
        if self._websocket_app is None or self.draining or stranger_came:
            # Closing before the accept makes the server answer the handshake with 403.
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        self._sockets.add(send)
        try:
            await self._websocket_app(scope, receive, send)
        finally:
            self._sockets.discard(send)

    async def close_websockets(self) -> None:
        """Ask the client of every WebSocket to reconnect; another worker will accept it."""
        message = {"type": "websocket.close", "code": _SERVICE_RESTART, "reason": "restarting"}
        await asyncio.gather(*(send(dict(message)) for send in self._sockets), return_exceptions=True)

    def stop(self) -> None:
        """Start no more calls in threads."""
        self.calls.stop()
        self.logins.stop()


def _peer(scope: Scope) -> str:
    # There is no address if the client left before its connection was accepted.
    return str(scope["client"][0]) if scope["client"] else ""


def _is_probe(scope: Scope) -> bool:
    return scope["raw_path"] in _PROBES and scope["method"] in ("GET", "HEAD")


def _announced_bytes(headers: Mapping[bytes, bytes]) -> int:
    # Ignore a Content-Length that is not a number: the bytes are counted as they arrive.
    text = headers.get(b"content-length", b"").decode("latin-1")
    return whole_number(text, _ANNOUNCED_MOST) or 0


def joined(fields: Headers) -> dict[bytes, bytes]:
    """Return the header fields by name, with repeated ones joined.

    `Cookie` fields are joined with `; ` (RFC 9113, 8.2.3), others with `, `.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in headers:
            headers[name] += (b"; " if name == b"cookie" else b", ") + value
        else:
            headers[name] = value
    return headers


def drop_claims(headers: dict[bytes, bytes]) -> bool:
    """Remove headers that only a proxy or this server may set. Returns whether the sender set a forwarding header."""
    forwarded = False
    for name in list(headers):
        # Check the first letter: nearly every name fails here.
        if name[0] not in b"fpsx":
            continue
        if name in _FORWARDED or name.startswith(_FORWARDED_PREFIX):
            forwarded = True
            del headers[name]
        elif name in _NEVER_FROM_CLIENTS or name.startswith(_CERTIFICATE_PREFIXES):
            del headers[name]
    return forwarded
