"""ASGI (https://asgi.readthedocs.io): its types, and what the server and the live application tell each other.

The server answers most calls through Flask, with a thread for each. Calls that stay open (WebSockets, event streams,
long polls) go to one ASGI application, which the application's module makes. See `FACTORY` in `vault/server/run.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeVar

# In ASGI each member has its own type, and each kind of scope and message its own members.
Scope = MutableMapping[str, Any]  # type: ignore[explicit-any]  # as ASGI's own definition
Message = MutableMapping[str, Any]  # type: ignore[explicit-any]  # as ASGI's own definition
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = list[tuple[bytes, bytes]]

T = TypeVar("T")

LIVE_CALL = "strongroom.call"
"""The key of the `LiveCall` in the scope of a call that stays open."""

DRAIN = "strongroom.drain"
"""The type of the message that `receive` returns once over HTTP if the server is about to stop.

Its member `seconds` is a random time after which the client may come back.
"""

Claims = Callable[[str, str], str]
"""From a method and WSGI's path: the route of a call that the live application answers, or an empty text.

It is a label in logs and metrics, so nothing in it may come from the caller.
"""


class ClientGone(OSError):
    """The client has left, or was cut off because it did not read."""


class Refusal(Exception):
    """The server turns a call away before it has answered anything. `cause` names it in the metrics.

    `path` names the part of the request that is wrong, as the API's problem documents do.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        cause: str,
        retry_after_seconds: int = 0,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        path: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds
        self.headers = headers
        self.path = path


class LiveCall(Protocol):
    """One call that stays open, as the live application sees it."""

    request_id: str
    address: str
    headers: Mapping[bytes, bytes]
    """The header fields by name, without those that only a proxy or this server may set."""
    forwarded_by_stranger: bool
    """Whether the request has a forwarding header from a sender that is not a trusted proxy."""
    forwarded_by_proxy: bool
    """Whether a trusted proxy has stated the address of the client."""

    ending: str
    """Why the call ended, for its line in the log. The application sets it. Nothing in it may come from the caller."""

    async def run(self, job: Callable[[], T]) -> T:
        """Return what `job` returns. It runs in a pool thread, in the caller's turn.

        If it stored audit records, they are on disk before this returns. Raises what `job` raises, and `Refusal` if the
        caller has too many calls in progress or makes them too fast.
        """

    def prove(self, person_id: str) -> None:
        """Note that the credential of this call was accepted as this person's.

        Until then the call is one of its caller's calls in progress. After that only the application counts it.
        """
