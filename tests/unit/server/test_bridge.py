"""Environ in, answer out, and threads that are counted."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from tests.support.patience import HANG_SECONDS
from tests.unit.server.lanes import call, make_lane
from vault.asgi import Refusal
from vault.server.bridge import Lane, PasswordLane, collect, give_body, make_environ
from vault.server.refusal import Answer
from vault.storage.spool.receipts import Batch, is_held

ENVIRON: WSGIEnvironment = {"strongroom.request_id": "r"}
SCOPE = {
    "method": "POST",
    "raw_path": b"/a%2Fb/%C3%BC",
    "query_string": b"q=%20",
    "scheme": "https",
    "http_version": "1.1",
    "server": ("127.0.0.1", 8443),
}


def hello(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hel", b"lo"]


def test_the_environ_tells_the_true_length_and_the_raw_path() -> None:
    environ = make_environ(SCOPE, {b"host": b"h", b"content-length": b"99"}, "r")
    give_body(environ, b"abc")
    assert environ["CONTENT_LENGTH"] == "3"
    assert environ["wsgi.input"].read() == b"abc"
    assert environ["PATH_INFO"] == "/a/b/\xc3\xbc"
    assert environ["RAW_URI"] == "/a%2Fb/%C3%BC?q=%20"
    assert environ["strongroom.request_id"] == "r"


def test_how_the_body_was_framed_is_not_passed_on() -> None:
    environ = make_environ(SCOPE, {b"transfer-encoding": b"chunked", b"te": b"trailers", b"expect": b"x"}, "r")
    assert not [name for name in environ if name.startswith("HTTP_")]


def test_headers_become_variables() -> None:
    environ = make_environ(SCOPE, {b"content-type": b"text/plain", b"if-match": b'"1"'}, "r")
    assert (environ["CONTENT_TYPE"], environ["HTTP_IF_MATCH"]) == ("text/plain", '"1"')


def test_an_answer_is_collected_whole() -> None:
    assert collect(hello, dict(ENVIRON)) == Answer(200, [(b"content-type", b"text/plain")], b"hello", "(unmatched)")


def test_what_is_written_by_the_old_callable_comes_first() -> None:
    def old(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        start("200 OK", [])(b"a")
        return [b"b"]

    assert collect(old, dict(ENVIRON)).body == b"ab"


def test_an_application_may_start_again_after_an_error() -> None:
    def twice(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        start("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start("500 OH NO", [], sys.exc_info())
        return []

    assert collect(twice, dict(ENVIRON)).status == 500


def test_an_answer_is_closed_also_when_it_breaks() -> None:
    closed: list[bool] = []

    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            raise ValueError

        def close(self) -> None:
            closed.append(True)

    def broken(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [])
        return Broken()

    with pytest.raises(ValueError):
        collect(broken, dict(ENVIRON))
    assert closed == [True]


def run(lane: Lane, *calls: float) -> list[Any]:
    async def all_of_them() -> list[Any]:
        try:
            return list(await asyncio.gather(*(call(lane, dict(ENVIRON)) for _ in calls), return_exceptions=True))
        finally:
            lane.stop()

    return asyncio.run(all_of_them())


def slow(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    time.sleep(0.05)
    start("200 OK", [])
    return []


def test_a_lane_runs_on_its_own_threads_within_the_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default="")
    seen: list[tuple[str, str]] = []

    def look(_environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        seen.append((variable.get(), threading.current_thread().name))
        variable.set("changed")
        start("200 OK", [])
        return []

    async def ask() -> str:
        variable.set("the caller's")
        await call(make_lane(look, threads=1, limit=1), dict(ENVIRON))
        return variable.get()

    assert asyncio.run(ask()) == "the caller's"
    assert seen == [("the caller's", "calls_0")]


def test_a_full_lane_refuses_and_is_free_again_afterwards() -> None:
    lane = make_lane(slow, threads=1, limit=2)
    outcomes = run(lane, 1, 2, 3)
    assert [outcome.status for outcome in outcomes] == [200, 200, 503]
    assert outcomes[2].cause == "calls_full"
    assert lane.callers.in_flight == 0


def test_an_application_that_raises_is_answered_500_and_gives_its_place_back() -> None:
    def broken(_environ: WSGIEnvironment, _start: StartResponse) -> list[bytes]:
        raise ValueError("canary")

    lane = make_lane(broken, threads=1, limit=1)
    (outcome,) = run(lane, 1)
    assert (outcome.status, "canary" in str(outcome)) == (500, False)
    assert lane.callers.in_flight == 0


@pytest.mark.parametrize("is_stored", [True, False])
def test_an_answer_stays_until_its_record_is_on_the_disk_and_takes_no_thread_meanwhile(is_stored: bool) -> None:
    batches: list[Batch] = []

    def read(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        batches.append(Batch())
        assert is_held(batches[-1])
        return hello(environ, start)

    lane = make_lane(read, threads=1, limit=5)

    async def both() -> None:
        calls = [asyncio.create_task(call(lane, dict(ENVIRON))) for _ in range(2)]
        # With one thread, the second call is only made because the first one does not wait there.
        async with asyncio.timeout(HANG_SECONDS):
            while len(batches) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        done, _ = await asyncio.wait(calls, timeout=0.05)
        assert done == set()
        assert lane.callers.in_flight == 2
        batches[1].settle(is_stored=True)
        batches[0].settle(is_stored=is_stored)
        first, second = await asyncio.gather(*calls, return_exceptions=True)
        lane.stop()
        assert isinstance(second, Answer)
        assert second.status == 200
        if is_stored:
            assert first == second
        else:
            assert isinstance(first, Refusal)
            assert (first.status, first.code) == (503, "audit_unavailable")

    asyncio.run(both())
    assert lane.callers.in_flight == 0


def test_a_client_that_leaves_keeps_its_place_until_its_thread_is_done() -> None:
    begun, go = threading.Event(), threading.Event()

    def wait(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        begun.set()
        assert go.wait(HANG_SECONDS)
        return hello(environ, start)

    lane = make_lane(wait, threads=1, limit=1)

    async def leave() -> None:
        leaving = asyncio.create_task(call(lane, dict(ENVIRON)))
        assert await asyncio.to_thread(begun.wait, HANG_SECONDS)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert lane.callers.in_flight == 1
        with pytest.raises(Refusal):
            await call(lane, dict(ENVIRON))
        go.set()
        async with asyncio.timeout(HANG_SECONDS):
            while lane.callers.in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        lane.stop()

    asyncio.run(leave())


def test_a_call_whose_client_left_before_its_turn_is_never_made() -> None:
    calls: list[int] = []
    has_left = threading.Event()

    def count(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        calls.append(1)
        assert has_left.wait(HANG_SECONDS)
        return hello(environ, start)

    lane = make_lane(count, threads=1, limit=5)

    async def leave() -> None:
        first = asyncio.create_task(call(lane, dict(ENVIRON)))
        second = asyncio.create_task(call(lane, dict(ENVIRON)))
        await asyncio.sleep(0.01)
        second.cancel()
        has_left.set()
        await first
        await asyncio.sleep(0.05)
        lane.stop()

    asyncio.run(leave())
    assert calls == [1]
    assert lane.callers.in_flight == 0


def test_no_more_logins_run_at_once_than_there_are_threads() -> None:
    now: list[int] = []
    most: list[int] = []

    def hashing(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
        now.append(1)
        most.append(len(now))
        answer = slow(environ, start)
        now.pop()
        return answer

    lane = make_lane(hashing, threads=2, limit=10, kind=PasswordLane)
    assert [outcome.status for outcome in run(lane, *range(8))] == [200] * 8
    assert max(most) == 2
    assert lane.callers.in_flight == 0


def test_a_login_that_waits_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server.bridge._PASSWORD_WAIT_SECONDS", 0.02)
    lane = make_lane(slow, threads=1, limit=10, kind=PasswordLane)
    outcomes = run(lane, 1, 2)
    assert [outcome.status for outcome in outcomes] == [200, 503]
    assert (outcomes[1].cause, outcomes[1].retry_after_seconds) == ("login_waited", 1)


def test_only_so_many_logins_run_or_wait() -> None:
    lane = make_lane(slow, threads=1, limit=2, kind=PasswordLane)
    outcomes = run(lane, *range(5))
    assert sorted(outcome.status for outcome in outcomes) == [200, 200, 503, 503, 503]
    assert {outcome.cause for outcome in outcomes if isinstance(outcome, Refusal)} == {"calls_full"}
