"""The ASGI application of the calls that stay open. The front door gives it the calls that `claims` names.

GET /api/v1/sync      WebSocket, with a credential in a header, or with a page's cookie and ticket
GET /api/v1/changes   event stream (`Accept: text/event-stream`), otherwise a long poll
GET /changes          event stream of a page, behind its cookie
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from vault.asgi import LIVE_CALL, LiveCall, Receive, Refusal, Scope, Send
from vault.auth import METHODS, WEB_STREAM_METHODS
from vault.auth.origin import is_same_origin
from vault.errors import Forbidden, InvalidInput, StrongroomError
from vault.services import Services
from vault.storage import FeedEpoch
from vault.sync import poll, stream, websocket
from vault.sync.asking import Asked, asked
from vault.sync.calls import Calls, OpenCall
from vault.sync.entrance import refusal_of
from vault.sync.hub import Delivery, Hub, Reading
from vault.sync.limits import Most, Seats
from vault.sync.tail import Tail

SYNC, CHANGES, PAGE_CHANGES = "/api/v1/sync", "/api/v1/changes", "/changes"
_PATHS = frozenset({SYNC, CHANGES, PAGE_CHANGES})
_EVENTS = b"text/event-stream"

_EPOCH_SECONDS = 0.5
"""The epoch and the releases of other workers are read this often. Each snapshot has its own epoch."""


class Live:
    """The live feed of one worker."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._loop: asyncio.AbstractEventLoop | None = None
        self._epoch: FeedEpoch | None = None
        self._is_mixed = False
        self._epoch_seconds = 0.0
        self._hub = Hub(
            self._read, lambda: services.instance.locked, services.sync.judge, services.sync.feed, self._post,
            services.clock,
        )  # fmt: skip
        self._tail = Tail(self._hub.turn, lambda: self._hub.is_needed, services.sync.pulse)
        most = Most(settings.max_streams, settings.max_streams_per_person, settings.max_streams_per_credential)
        self._calls = Calls(services, self._hub, Seats(most), self._tail.wake)

    def start(self) -> None:
        """Start the thread that looks for changes. Call this in the worker, after the fork."""
        self._tail.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._tail.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call. Raises `Refusal` before its answer begins, and `ClientGone`."""
        self._loop = asyncio.get_running_loop()
        call: LiveCall = scope[LIVE_CALL]
        path = scope["path"]
        if scope["type"] == "websocket":
            opened = OpenCall(self._calls, call, websocket.KIND)
            await websocket.WebSocketCall(opened, receive, send).serve()
        elif path == SYNC:
            raise _upgrade_required(scope)
        elif path == PAGE_CHANGES:
            self._require_same_origin(call)
            opened = OpenCall(self._calls, call, stream.KIND)
            await stream.serve_stream(opened, WEB_STREAM_METHODS, _asked(scope, call), receive, send)
        elif _EVENTS in call.headers.get(b"accept", b""):
            opened = OpenCall(self._calls, call, stream.KIND)
            await stream.serve_stream(opened, METHODS, _asked(scope, call), receive, send)
        else:
            opened = OpenCall(self._calls, call, poll.KIND)
            await poll.serve_poll(opened, _asked(scope, call), receive, send)

    def _require_same_origin(self, call: LiveCall) -> None:
        site, origin = (call.headers.get(name, b"").decode("latin-1") for name in (b"sec-fetch-site", b"origin"))
        if not is_same_origin(site or None, origin or None, self._services.settings.origin):
            raise refusal_of(Forbidden("Only a page of this vault may follow changes with a cookie."))

    def _read(self, user_ids: Sequence[str]) -> Reading:
        now_seconds = time.monotonic()
        with self._services.storage.read() as unit:
            if self._epoch is None or now_seconds >= self._epoch_seconds:
                self._epoch = self._services.sync.epochs.present(unit)
                self._is_mixed = unit.workers.has_other_release(self._services.clock())
                self._epoch_seconds = now_seconds + _EPOCH_SECONDS
            return Reading(self._epoch, unit.marks.numbers(user_ids), self._is_mixed)

    def _post(self, deliveries: list[Delivery]) -> None:
        """Hand deliveries to the event loop, from the tail's thread."""
        assert self._loop is not None
        # The loop is closed when the worker ends, and so are its streams.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_hand_over, deliveries)


def claims(method: str, path_info: str) -> str:
    """Return the route of a call that `Live` answers, or an empty text."""
    return path_info if method == "GET" and path_info in _PATHS else ""


def _hand_over(deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        listener = delivery.following.listener
        if delivery.ending is None:
            listener.deliver(delivery.following, delivery.frames, delivery.seq, more=delivery.more)
        elif listener.source is delivery.following:
            listener.end(delivery.ending)


def _asked(scope: Scope, call: LiveCall) -> Asked:
    try:
        return asked(scope["query_string"], call.headers.get(b"last-event-id", b""))
    except StrongroomError as error:
        raise refusal_of(error) from None


def _upgrade_required(scope: Scope) -> Refusal:
    # HTTP/2 has no Upgrade header (RFC 9113, section 8.2.2).
    headers = ((b"upgrade", b"websocket"),) if scope["http_version"] == "1.1" else ()
    detail = "This address is for WebSockets over HTTP/1.1. Use /api/v1/changes for an event stream or a long poll."
    return Refusal(426, InvalidInput.code, detail, cause="upgrade", headers=headers)
