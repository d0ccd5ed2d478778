"""Calls that stay open: WebSockets, event streams and long polls.

The live application answers them in the event loop, so none of them holds a thread while it waits. The door does for
them what it does for every call. Until the application has proven who calls, a call is one of its caller's calls in
progress; after that, only the application counts it.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Mapping

import structlog

from vault.asgi import LIVE_CALL, ASGIApp, Claims, ClientGone, LiveCall, Receive, Refusal, Scope, Send, T
from vault.observe import metrics
from vault.server.bridge import path_info
from vault.server.callers import person_key
from vault.server.exchange import Exchange, House, SocketExchange, StreamExchange
from vault.server.handshake import check_handshake
from vault.server.reception import Call, method_of
from vault.server.refusal import draining, failed, no_websocket

log = structlog.get_logger(__name__)

_RETURN_MOST_SECONDS = 10.0
"""The clients of a server that stops come back spread over this time."""


class Live:
    """The calls that stay open of one worker."""

    def __init__(self, app: ASGIApp | None, claims: Claims, house: House) -> None:
        self._app = app
        self._claims = claims
        self._house = house
        self._open: set[Exchange] = set()
        self._is_ending = False

    @property
    def count(self) -> int:
        """The calls that are open now."""
        return len(self._open)

    def claim(self, scope: Scope) -> str:
        """Return the route of a call that the live application answers, else an empty text."""
        return self._claims(method_of(scope), path_info(scope["raw_path"])) if self._app else ""

    async def serve(self, scope: Scope, receive: Receive, send: Send, call: Call, route: str) -> None:
        """Serve one call to its end."""
        kind = SocketExchange if scope["type"] == "websocket" else StreamExchange
        exchange = kind(receive, send, call, self._house)
        try:
            try:
                await self._admit(scope, receive, call, route)
                await self._run(scope, exchange, call)
            except Refusal as refusal:
                self._house.reception.learn(call, "", refusal.status)
                answer = self._house.refuse(refusal, scope, call)
                route = answer.route
                await exchange.answer(answer)
        except ClientGone:
            # It left, or was cut off and counted as that.
            pass
        finally:
            call.release()
            exchange.close()
        if not exchange.status:
            metrics().refusals.labels("client_gone").inc()
            return
        answered_seconds = exchange.answered_seconds
        self._house.reception.record(scope, call, route, exchange.status, answered_seconds=answered_seconds)

    async def end(self) -> None:
        """Ask all clients to come back later: the server is about to stop."""
        self._is_ending = True
        await asyncio.gather(*(self._end(exchange) for exchange in self._open), return_exceptions=True)

    async def _end(self, exchange: Exchange) -> None:
        # The seconds only spread the clients.
        await exchange.drain(random.uniform(0, _RETURN_MOST_SECONDS))  # noqa: S311

    async def _admit(self, scope: Scope, receive: Receive, call: Call, route: str) -> None:
        house = self._house
        house.reception.check(scope, call)
        if scope["type"] == "websocket":
            if not route:
                raise no_websocket()
            check_handshake(scope, call.headers)
            if house.draining:
                raise draining()
        house.reception.identify(scope, call)
        slot, _ = await house.take(scope, receive, call, house.calls, path_info(scope["raw_path"]))
        slot.admit()

    async def _run(self, scope: Scope, exchange: Exchange, call: Call) -> None:
        assert self._app is not None
        self._open.add(exchange)
        if self._is_ending:
            await self._end(exchange)
        live_call: LiveCall = _LiveCall(call, self._house)
        scope[LIVE_CALL] = live_call
        has_failed = False
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientGone:
            raise
        except Exception as error:
            if isinstance(error, Refusal) and not exchange.status:
                raise
            log.exception("live_application_failed", request_id=call.request_id)
            has_failed = True
        finally:
            self._open.discard(exchange)
        if not exchange.status:
            raise failed()
        await exchange.finish(has_failed=has_failed)


class _LiveCall:
    """What the live application gets of one call: a `LiveCall`."""

    def __init__(self, call: Call, house: House) -> None:
        self.request_id = call.request_id
        self.address = call.address
        self.headers: Mapping[bytes, bytes] = call.headers
        self.forwarded_by_stranger = call.forwarded_by_stranger
        self.forwarded_by_proxy = call.from_proxy
        self._call = call
        self._house = house

    @property
    def ending(self) -> str:
        return self._call.ending

    @ending.setter
    def ending(self, why: str) -> None:
        self._call.ending = why

    async def run(self, job: Callable[[], T]) -> T:
        lane, call = self._house.calls, self._call
        bound = functools.partial(_bound, self.request_id, job)
        if call.slot is not None:
            return await lane.work(bound, call.slot)
        slot = lane.callers.slot(call.key, call.wire.budget)
        try:
            slot.admit()
            return await lane.work(bound, slot)
        finally:
            slot.release()

    def prove(self, person_id: str) -> None:
        self._house.reception.learn(self._call, person_id, 0)
        self._call.key = person_key(person_id)
        self._call.release()


def _bound(request_id: str, job: Callable[[], T]) -> T:
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return job()
