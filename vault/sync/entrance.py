"""Lets callers in: who calls, whether there is a seat for one more stream, and what they may follow.

Everything here runs in a pool thread, because it reads the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vault.asgi import LiveCall, Refusal
from vault.auth import Method, Presented, authenticate
from vault.errors import IntegrityError, NotFound, NotGranted, ServerError, StrongroomError, Unavailable
from vault.http import status_of
from vault.model.credential_headers import CREDENTIAL_HEADERS, SESSION_COOKIE, session_cookie
from vault.model.environment import looks_like_id
from vault.model.principal import Principal
from vault.observe import metrics
from vault.services import Services
from vault.services.sync.feed import Subscription
from vault.services.sync.judging import Follower
from vault.sync.limits import Seat
from vault.sync.messages import Subscribe

_FIELDS = {name: name.lower().encode() for name in CREDENTIAL_HEADERS}
_CALL = "changes.follow"
_SERVER_ERROR = 500


class Admitted(NamedTuple):
    """A caller whose credential is valid and who has a seat."""

    principal: Principal
    follower: Follower


class Entrance:
    """Checks callers with the same services as every face."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def admit(self, call: LiveCall, methods: tuple[Method, ...], seat: Seat) -> Admitted:
        """Return the caller, with `seat` taken. Raises what `authenticate` and `Judge.admit` raise, `TooManyStreams`,
        and `Refusal` for an error that tells the caller nothing.

        A refusal is recorded in the audit.
        """
        principal: Principal | None = None
        try:
            principal = authenticate(self._services, presented(call), methods)
            follower = self._services.sync.judge.admit(principal)
            seat.take(principal.user_id, principal.label)
        except StrongroomError as error:
            raise self._recorded(error, call, principal) from None
        return Admitted(principal, follower)

    def subscribe(self, call: LiveCall, principal: Principal, wish: Subscribe) -> Subscription:
        """Return the subscription. Raises what `Feed.subscribe` raises. A refusal is recorded in the audit."""
        try:
            return self._services.sync.feed.subscribe(principal, wish.references, wish.after)
        except StrongroomError as error:
            only = wish.references[0] if wish.references and len(wish.references) == 1 else None
            raise self._recorded(error, call, principal, only) from None

    def judged(self, call: LiveCall, follower: Follower) -> Principal:
        """Return the principal of a credential that was admitted before, if it is still valid."""
        try:
            return self._services.sync.judge.again(follower)
        except StrongroomError as error:
            raise self._recorded(error, call, None) from None

    def _recorded(
        self, error: StrongroomError, call: LiveCall, principal: Principal | None, reference: str | None = None
    ) -> StrongroomError:
        """Record a refusal in the audit. Returns the error to answer with: `error`, or `AuditUnavailable`."""
        is_id = reference is not None and looks_like_id(reference)
        try:
            self._services.audit.reads.turned_away(
                error,
                principal,
                address=call.address,
                request_id=call.request_id,
                call=_CALL,
                environment_id=reference.lower() if reference is not None and is_id else None,
            )
        except Unavailable as unavailable:
            return unavailable
        return error


def presented(call: LiveCall) -> Presented:
    """Return everything in the request that can identify the caller."""
    headers = call.headers
    session = session_cookie(headers.get(b"cookie", b"")).decode("latin-1")
    return Presented(
        {name: headers.get(field, b"").decode("latin-1") for name, field in _FIELDS.items()},
        {SESSION_COOKIE: session} if session else {},
        call.address,
        call.request_id,
        "GET",
    )


def has_header_credential(headers: Mapping[bytes, bytes]) -> bool:
    """Report whether a header other than the cookie holds a credential."""
    return any(headers.get(field) for name, field in _FIELDS.items() if name != "Cookie")


def refusal_of(error: StrongroomError) -> Refusal:
    """Return the answer for an error before the stream has begun, as the API gives it."""
    status = status_of(error)
    if status == _SERVER_ERROR:
        if isinstance(error, IntegrityError):
            metrics().integrity_errors.labels(kind=type(error).__name__).inc()
        return Refusal(_SERVER_ERROR, ServerError.code, ServerError.sentence, cause=ServerError.code)
    if isinstance(error, NotGranted):
        # Do not tell whether it exists: answer as if it never did.
        error = NotFound()
    return Refusal(
        status,
        error.code,
        error.message,
        cause=error.code,
        retry_after_seconds=error.retry_after_seconds,
        path=error.path,
    )
