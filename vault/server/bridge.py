"""From ASGI to WSGI: complete bodies in, complete answers out. Flask runs in limited thread pools.

a2wsgi lost data in our tests: Flask got a chunked body empty, and a body that was too large was cut without an error.
Here the front door reads the whole body before it takes a thread, so a thread never waits for a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import io
import sys
from collections.abc import Callable, Mapping
from typing import Generic
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication, WSGIEnvironment

import structlog

from vault.asgi import Scope, T
from vault.model.environ import REQUEST_ID
from vault.server.callers import Callers, Slot
from vault.server.fair_pool import FairPool, Job
from vault.server.refusal import Answer, busy, failed, unrecorded
from vault.storage import hold, when_settled

log = structlog.get_logger(__name__)

_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"trailer", b"te", b"expect"})
"""Dropped, because the body is complete: Werkzeug treats a body that still says it is chunked as empty."""

_PASSWORD_WAIT_SECONDS = 2.0
"""How long a login waits for its turn. A longer wait would only move the queue from the client to us."""


def make_environ(scope: Scope, headers: Mapping[bytes, bytes], request_id: str) -> WSGIEnvironment:
    """Return the WSGI environ (PEP 3333) of one request, without its body: `give_body` adds that.

    `headers` are already joined and cleaned.
    """
    raw_path: bytes = scope["raw_path"]
    query = scope["query_string"].decode("latin-1")
    raw = raw_path.decode("latin-1")
    # `a%2Fb` and `a/b` are the same in PATH_INFO, but differ here.
    uri = f"{raw}?{query}" if query else raw
    host, port = scope["server"]
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path_info(raw_path),
        "QUERY_STRING": query,
        "RAW_URI": uri,
        "REQUEST_URI": uri,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        REQUEST_ID: request_id,
    }
    for name, value in headers.items():
        if name == b"content-type":
            environ["CONTENT_TYPE"] = value.decode("latin-1")
        elif name not in _FRAMING:
            environ["HTTP_" + name.decode("latin-1").upper().replace("-", "_")] = value.decode("latin-1")
    return environ


def path_info(raw_path: bytes) -> str:
    """Return the path as WSGI defines it: percent-decoded once, each byte as one character (PEP 3333)."""
    return (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")


def give_body(environ: WSGIEnvironment, body: bytes) -> None:
    """Add the body to `environ`."""
    # Use the counted length: a chunked body has no Content-Length.
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)


def collect(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Call the application and collect its whole answer."""
    started: list[tuple[str, list[tuple[str, str]], str]] = []
    parts: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], object]:
        # Nothing has been sent yet, so an application may call this again after an error.
        started[:] = [(status, headers, _route(environ))]
        return parts.append

    result = app(environ, start_response)
    try:
        parts.extend(result)
    finally:
        if hasattr(result, "close"):
            result.close()
    status, headers, route = started[0]
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Answer(int(status[:3]), fields, b"".join(parts), route)


def _route(environ: WSGIEnvironment) -> str:
    # Flask keeps its request in the environ while its context lasts. The rule is the pattern that matched, so it
    # contains nothing from the caller.
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return str(rule.rule) if rule is not None else "(unmatched)"


class _Call(Generic[T]):
    """One call in a thread: its job, and where its outcome goes. Create it in the event loop."""

    __slots__ = ("_loop", "answer", "context", "job", "result", "slot")

    def __init__(self, job: Callable[[], T], slot: Slot) -> None:
        self.job = job
        self.slot = slot
        self.context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> BaseException | None:
        """Do the job in this thread. Returns the error that it raised."""
        try:
            self.result = self.context.run(self.job)
        except BaseException as error:
            return error
        return None

    def hand_over(self, error: BaseException | None) -> None:
        """Pass the result or the error to the event loop, and release the slot there. Can be called in any thread."""
        # The loop is closed if the call took longer than the worker's graceful time.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: BaseException | None) -> None:
        self.slot.release()
        if self.answer.done():
            return
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(self.result)


class Lane:
    """A pool of threads, and the callers that use it."""

    def __init__(self, app: WSGIApplication, callers: Callers, *, threads: int, threads_per_caller: int) -> None:
        self.callers = callers
        self._app = app
        self._pool = FairPool(threads, per_caller=threads_per_caller, name=callers.name)

    async def run(self, environ: WSGIEnvironment, slot: Slot) -> Answer:
        """Return the application's answer. Its bytes are charged to `slot`.

        Raises `Refusal` if the lane or the caller has too many calls in progress, or if the application failed.
        """
        slot.admit()
        return await self.work(functools.partial(self._answer, environ, slot), slot)

    async def work(self, job: Callable[[], T], slot: Slot) -> T:
        """Return what `job` returns, after a thread has run it in its caller's turn. `slot` is admitted already.

        Raises what `job` raises, and `Refusal` if too many answers wait or a record of the job could not be stored.
        """
        call = _Call(job, slot)
        work = functools.partial(self._work, call)
        # A client that disconnects early still holds its slot while its thread works.
        slot.retain()
        try:
            self._pool.submit(slot.caller.key, work)
        except BaseException:
            slot.release()
            raise
        try:
            return await self._outcome(call, work)
        except asyncio.CancelledError:
            call.answer.cancel()
            self._take_back(slot, work)
            raise

    def stop(self) -> None:
        """Start no more calls. Running calls may finish."""
        self._pool.stop()

    async def _outcome(self, call: _Call[T], _job: Job) -> T:
        return await call.answer

    def _take_back(self, slot: Slot, job: Job) -> bool:
        """Withdraw a call that no thread has started. Returns False if one has."""
        if not self._pool.withdraw(slot.caller.key, job):
            return False
        slot.release()
        return True

    def _work(self, call: _Call[T]) -> None:
        error: BaseException | None = None
        receipts = call.context.run(hold)
        # The future is cancelled if the client left while its request was in the queue.
        if not call.answer.cancelled():
            error = call.slot.refusal_if_full() or call.run()
        # The thread is done. Send the answer only after the disk has the record of this read.
        when_settled(receipts, lambda is_stored: call.hand_over(error if is_stored else unrecorded()))

    def _answer(self, environ: WSGIEnvironment, slot: Slot) -> Answer:
        structlog.contextvars.bind_contextvars(request_id=environ[REQUEST_ID])
        try:
            answer = collect(self._app, environ)
        except BaseException:
            log.exception("application_failed", request_id=environ[REQUEST_ID])
        else:
            slot.charge(len(answer.body))
            return answer
        # Outside of the handler, so that the refusal does not keep the application's error.
        raise failed()


class PasswordLane(Lane):
    """The lane of calls that hash a password.

    Each hash takes 64 MiB, so the number of threads limits the memory. Other calls wait at most two seconds for a turn.
    """

    async def _outcome(self, call: _Call[T], job: Job) -> T:
        done, _ = await asyncio.wait((call.answer,), timeout=_PASSWORD_WAIT_SECONDS)
        if not done and self._take_back(call.slot, job):
            raise busy("login_waited")
        return await call.answer
