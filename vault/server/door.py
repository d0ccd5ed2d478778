"""The front door: an ASGI application that limits requests before they take a thread.

connection → worker's protocol → Door ─┬─ /livez, refusals        answered here
                                       ├─ slot of the caller  → intake (whole body) → bridge (lane of threads) → Flask
                                       └─ calls that stay open  → `live.py` → the live application, if there is one
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from wsgiref.types import WSGIApplication

from vault.asgi import ASGIApp, Claims, ClientGone, Receive, Refusal, Scope, Send
from vault.model.budgets import BODY_MOST_BYTES, BodyLimit, TakesPassword
from vault.model.digits import whole_number
from vault.model.environ import FORWARDED_BY_PROXY, FORWARDED_BY_STRANGER, PERSON
from vault.observe import metrics
from vault.server.bridge import Lane, PasswordLane, give_body, make_environ
from vault.server.callers import Callers, Limits, Memory, Slot
from vault.server.intake import Intake
from vault.server.live import Live
from vault.server.memory import MemoryBudget
from vault.server.outlet import Outlet
from vault.server.reception import Call, Reception, is_probe, method_of
from vault.server.refusal import Answer, answer_of, draining
from vault.server.stream_outlet import StreamOutlet
from vault.settings import Settings

_ANNOUNCED_MOST = 10**18

_CALL_BYTES = 16 * 1024
"""Charged for every call: its task, and the server's own buffers."""

_HEADER_COPIES = 4
"""A header is in memory four times: as received, decoded, in the ASGI scope, and in the WSGI environ."""

_LIVE = Answer(200, [(b"content-type", b"application/json")], b'{"status":"ok"}', "/livez")


def any_body(_method: str, _path_info: str, _headers: Mapping[bytes, bytes]) -> int:
    """Return the body limit of an application without route classes."""
    return BODY_MOST_BYTES


def no_password(_method: str, _path_info: str) -> bool:
    """Report that no request hashes a password, for an application without passwords."""
    return False


def nothing_live(_method: str, _path_info: str) -> str:
    """Claim no call, for an application without calls that stay open."""
    return ""


class Door:
    """The ASGI application of one worker. Set `draining` when the worker is about to stop."""

    def __init__(
        self,
        app: WSGIApplication,
        settings: Settings,
        *,
        takes_password: TakesPassword = no_password,
        body_limit: BodyLimit = any_body,
        live_app: ASGIApp | None = None,
        claims: Claims = nothing_live,
    ) -> None:
        self.draining = False
        self.reception = Reception(settings)
        self.budget = MemoryBudget(settings.buffered_bytes)
        self._memory = Memory(self.budget, settings.buffered_bytes_per_caller)
        self.calls = self._lane(Lane, app, settings, "calls", settings.threads)
        # The memory for password hashing is one budget for the whole server.
        login_threads = max(1, settings.login_threads // settings.workers)
        self.logins = self._lane(PasswordLane, app, settings, "login", login_threads)
        self.intake = Intake(timeout_seconds=settings.body_timeout_seconds)
        self._outlet = Outlet(settings.body_timeout_seconds, settings.least_bytes_per_second)
        self.stream_outlet = StreamOutlet(settings.body_timeout_seconds, settings.least_bytes_per_second)
        self._takes_password = takes_password
        self._body_limit = body_limit
        self.live = Live(live_app, claims, self)

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
        call = self.reception.open(scope)
        route = self.live.claim(scope)
        if route or scope["type"] == "websocket":
            await self.live.serve(scope, receive, send, call, route)
        elif scope["type"] == "http":
            await self._http(scope, receive, send, call)

    async def _http(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        try:
            try:
                answer = await self._answer(scope, receive, call)
            except ClientGone:
                metrics().refusals.labels("client_gone").inc()
                return
            except Refusal as refusal:
                answer = self.refuse(refusal, scope, call)
            is_sent = await self.send(send, answer, call)
        finally:
            call.release()
        if not is_sent:
            metrics().refusals.labels("write_timeout").inc()
        self.reception.record(scope, call, answer.route, answer.status)

    def refuse(self, refusal: Refusal, scope: Scope, call: Call) -> Answer:
        """Count a refusal, and return the answer that it makes."""
        metrics().refusals.labels(refusal.cause).inc()
        return answer_of(refusal, call.request_id, scope["raw_path"], call.headers.get(b"accept", b""))

    async def send(self, send: Send, answer: Answer, call: Call) -> bool:
        """Send a whole answer over HTTP. Returns False if the client was too slow and was cut off."""
        fields = self.reception.complete(answer, call.request_id)
        is_charged = call.slot is not None and call.slot.is_charged
        return await self._outlet.send(send, answer, fields, call.wire, is_charged=is_charged)

    async def _answer(self, scope: Scope, receive: Receive, call: Call) -> Answer:
        self.reception.check(scope, call)
        if is_probe(scope):
            if self.draining and scope["raw_path"] == b"/readyz":
                raise draining()
            if scope["raw_path"] == b"/livez":
                return _LIVE
        return await self._ask(scope, receive, call)

    async def _ask(self, scope: Scope, receive: Receive, call: Call) -> Answer:
        self.reception.identify(scope, call)
        environ = make_environ(scope, call.headers, call.request_id)
        environ["REMOTE_ADDR"] = call.address
        environ[FORWARDED_BY_STRANGER] = call.forwarded_by_stranger
        environ[FORWARDED_BY_PROXY] = call.from_proxy
        lane = self.logins if self._takes_password(scope["method"], environ["PATH_INFO"]) else self.calls
        slot, body = await self.take(scope, receive, call, lane, environ["PATH_INFO"])
        give_body(environ, body)
        answer = await lane.run(environ, slot)
        self.reception.learn(call, environ.get(PERSON, ""), answer.status)
        return answer

    async def take(self, scope: Scope, receive: Receive, call: Call, lane: Lane, path_info: str) -> tuple[Slot, bytes]:
        """Give the call a slot of its caller, and return it with the whole body. Raises `Refusal`."""
        slot = call.slot = lane.callers.slot(call.key, call.wire.budget)
        refusal = slot.take(_CALL_BYTES + _HEADER_COPIES * call.head_bytes)
        if refusal is not None:
            raise refusal
        # Over HTTP/1, either header announces a body. Over HTTP/2, only the end of the stream shows that there is none.
        announced = b"content-length" in call.headers or b"transfer-encoding" in call.headers
        if not announced and scope["http_version"] != "2":
            return slot, b""
        limit_bytes = self._body_limit(method_of(scope), path_info, call.headers)
        return slot, await self.intake.read(receive, slot, limit_bytes, _announced_bytes(call.headers))

    def stop(self) -> None:
        """Start no more calls in threads."""
        self.calls.stop()
        self.logins.stop()


def _announced_bytes(headers: Mapping[bytes, bytes]) -> int:
    # Ignore a Content-Length that is not a number: the bytes are counted as they arrive.
    text = headers.get(b"content-length", b"").decode("latin-1")
    return whole_number(text, _ANNOUNCED_MOST) or 0
