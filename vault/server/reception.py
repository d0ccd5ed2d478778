"""What the door does with every call: it checks the head, finds out who calls, and adds to the answer.

The checks come before any work. The headers and the log line of an answer are the same for Flask's answers, for those
of the live application, and for refusals.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping

import structlog

from vault.asgi import Headers, Scope
from vault.observe import metrics
from vault.server.callers import Credentials, Slot, probe_of
from vault.server.forwarded import UNKNOWN_CLIENT, client_address, is_proxy
from vault.server.head import check_head, check_path
from vault.server.outlet import UNLIMITED_WIRE, WIRE, Wire
from vault.server.refusal import Answer, bad_request, stranger
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

_SILENT_PROXIES_MOST = 64
"""At most this many proxies that state no client are logged, each once."""

_NOT_ACCEPTED = (401, 403)
_PROBES = (b"/livez", b"/readyz")


class Call:
    """One call in the door. `slot` is None until the caller is known."""

    __slots__ = (
        "address", "digest", "ending", "forwarded_by_stranger", "from_proxy", "head_bytes", "headers", "key",
        "request_id", "slot", "started_seconds", "wire",
    )  # fmt: skip

    def __init__(self, headers: dict[bytes, bytes], wire: Wire) -> None:
        self.request_id = secrets.token_hex(12)
        self.started_seconds = time.perf_counter()
        self.headers = headers
        self.wire = wire
        self.slot: Slot | None = None
        self.head_bytes = 0
        self.address = self.key = self.ending = ""
        self.digest = b""
        self.from_proxy = self.forwarded_by_stranger = False

    def seconds(self) -> float:
        """Return how long ago the call began."""
        return time.perf_counter() - self.started_seconds

    def release(self) -> None:
        """Give back the slot, if the call still has one."""
        if self.slot is not None:
            self.slot.release()
            self.slot = None


class Reception:
    """Receives the calls of one worker."""

    def __init__(self, settings: Settings) -> None:
        self.credentials = Credentials()
        self._settings = settings
        self._silent_proxies: set[str] = set()
        self._added = list(SECURITY_HEADERS)
        if settings.tls_cert is not None or settings.plain_http:
            # Without HSTS for the local authority: it would apply to every port of localhost.
            self._added.append(_HSTS)

    def open(self, scope: Scope) -> Call:
        """Return the call that this scope begins."""
        return Call(joined(scope["headers"]), scope.get(WIRE, UNLIMITED_WIRE))

    def check(self, scope: Scope, call: Call) -> None:
        """Raise `Refusal` for a head that no application should see, and for plain HTTP from a stranger."""
        raw_path = scope["raw_path"]
        if not _HOST.fullmatch(call.headers.get(b"host", b"")):
            raise bad_request("A request needs exactly one valid Host.", cause="no_host")
        if not raw_path.startswith(b"/"):
            raise bad_request("The request target must be a path.")
        check_path(raw_path)
        check_head(scope["query_string"], call.headers)
        if self._settings.plain_http and not is_probe(scope) and not self._from_proxy(scope):
            raise stranger()

    def identify(self, scope: Scope, call: Call) -> None:
        """Find out who calls and from where, and drop the header fields that claim it."""
        headers = call.headers
        call.from_proxy = self._from_proxy(scope)
        call.address = self._address(scope, headers) if call.from_proxy else _peer(scope)
        call.head_bytes = sum(map(len, headers)) + sum(map(len, headers.values())) + len(scope["raw_path"])
        # Ignore the header. The operators' routes refuse such a request.
        call.forwarded_by_stranger = drop_claims(headers) and not call.from_proxy
        call.digest = self.credentials.digest(headers)
        # Count probes separately, so that a flood through a load balancer does not make its probes fail.
        is_theirs = is_probe(scope)
        call.key = probe_of(call.address) if is_theirs else self.credentials.caller(call.digest, call.address)

    def learn(self, call: Call, person: str, status: int) -> None:
        """Note whose credential the application has accepted, or that its answer says that it is nobody's."""
        if person:
            self.credentials.learn(call.digest, person)
        elif status in _NOT_ACCEPTED:
            self.credentials.forget(call.digest)

    def _address(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        """Return the address of the client of a named proxy."""
        address = client_address(headers, self._settings.trusted_proxies)
        if address != UNKNOWN_CLIENT:
            return address
        peer = _peer(scope)
        if is_probe(scope):
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

    def _from_proxy(self, scope: Scope) -> bool:
        return is_proxy(_peer(scope), self._settings.trusted_proxies)

    def complete(self, answer: Answer, request_id: str) -> Headers:
        """Return the headers of a whole answer: the application's, and those of every answer."""
        headers = self.dressed(answer.headers, request_id)
        # A 304 repeats the length of the full answer, or has none. A 204 has none.
        if answer.status not in (204, 304) and not any(name == b"content-length" for name, _ in answer.headers):
            headers.append((b"content-length", str(len(answer.body)).encode()))
        return headers

    def dressed(self, headers: Headers, request_id: str) -> Headers:
        """Return the application's headers and those of every answer."""
        present = {name for name, _ in headers}
        added = [field for field in self._added if field[0] not in present]
        return [*headers, *added, (b"x-request-id", request_id.encode())]

    def record(
        self, scope: Scope, call: Call, route: str, status: int, *, answered_seconds: float | None = None
    ) -> None:
        """Count and log an answer. For one that stayed open, `answered_seconds` is the time until it began."""
        seconds = call.seconds()
        more: dict[str, float | str] = {}
        if answered_seconds is not None:
            more["open_seconds"] = round(seconds - answered_seconds, 2)
            seconds = answered_seconds
        if call.ending:
            more["ending"] = call.ending
        metrics().record_request(method_of(scope), route, status, seconds)
        # Log the route and not the path: a path may contain a name, and a query string a value.
        log.info(
            "request",
            method=method_of(scope),
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            request_id=call.request_id,
            peer=_peer(scope),
            **more,
        )


def _peer(scope: Scope) -> str:
    # There is no address if the client left before its connection was accepted.
    return str(scope["client"][0]) if scope["client"] else ""


def is_probe(scope: Scope) -> bool:
    """Report whether this is a probe of the server's health."""
    return scope["raw_path"] in _PROBES and method_of(scope) in ("GET", "HEAD")


def method_of(scope: Scope) -> str:
    """Return the method. A WebSocket's handshake is a GET, whose scope has no method in ASGI."""
    method: str = scope.get("method", "GET")
    return method


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
