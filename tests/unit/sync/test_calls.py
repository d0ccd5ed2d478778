"""What every call that stays open does at its end: in time, counted, and with its seat given back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, cast

import pytest

from tests.support.patience import HANG_SECONDS
from vault.asgi import DRAIN, ClientGone, Message
from vault.observe import metrics
from vault.services import Services
from vault.sync import calls as module
from vault.sync.calls import Calls, OpenCall, watch_http
from vault.sync.endings import CLIENT_GONE, CREDENTIAL_ENDED, FAILED
from vault.sync.hub import Hub
from vault.sync.limits import Most, Seats
from vault.sync.listener import Ended, Listener


class FakeCall:
    """A call of the door."""

    def __init__(self) -> None:
        self.request_id = "r"
        self.address = "192.0.2.1"
        self.headers: Mapping[bytes, bytes] = {}
        self.forwarded_by_stranger = self.forwarded_by_proxy = False
        self.ending = ""

    async def run(self, job: Any) -> Any:
        return job()

    def prove(self, person_id: str) -> None:
        """Does nothing."""


def opened() -> OpenCall:
    calls = Calls(cast(Services, None), cast(Hub, None), Seats(Most(5, 5, 5)), lambda: None)
    return OpenCall(calls, FakeCall(), "stream")


def sample(name: str, **labels: str) -> float:
    return metrics().registry.get_sample_value(name, labels) or 0.0


async def waits() -> None:
    await asyncio.Event().wait()


def run(test: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(test, HANG_SECONDS))


def test_a_client_that_does_not_read_is_left_a_moment_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_END_SECONDS", 0.01)

    async def test() -> None:
        call = opened()
        asyncio.get_running_loop().call_later(0.01, call.listener.end, CREDENTIAL_ENDED)
        async with call.counted(), call.open(waits):
            # As a `send` that waits for room.
            await asyncio.Event().wait()
        assert call.call.ending == "not_authenticated"

    run(test())


def test_an_open_call_is_counted_as_a_follower_and_by_its_end() -> None:
    async def test() -> None:
        followers = sample("strongroom_followers", kind="stream")
        ended = sample("strongroom_streams_ended_total", kind="stream", code="client_gone")
        call = opened()
        async with call.counted():
            call._seat.take("ada", "token:1")
            async with call.open(waits):
                assert sample("strongroom_followers", kind="stream") == followers + 1
        assert sample("strongroom_followers", kind="stream") == followers
        assert sample("strongroom_streams_ended_total", kind="stream", code="client_gone") == ended + 1
        assert call.calls.seats.taken == 0

    run(test())


def test_a_failure_gives_the_seat_back_too() -> None:
    async def test() -> None:
        call = opened()

        async def fails() -> None:
            async with call.counted(), call.open(waits):
                call._seat.take("ada", "token:1")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fails()
        assert call.calls.seats.taken == 0

    run(test())


@pytest.mark.parametrize(("error", "ending"), [(RuntimeError("hunter2"), FAILED), (ClientGone(), CLIENT_GONE)])
def test_a_second_task_that_fails_ends_the_stream(
    error: Exception, ending: object, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails() -> None:
        raise error

    async def test() -> None:
        call = opened()

        async def follow() -> None:
            async with call.counted(), call.open(fails):
                await call.listener.frames(HANG_SECONDS, None)

        with pytest.raises(Ended) as ended:
            await follow()
        assert ended.value.ending is ending

    run(test())
    log = capsys.readouterr().err
    assert ("stream_failed" in log) == (ending is FAILED)
    assert "hunter2" not in log


def test_over_http_a_drain_and_then_the_client_s_leaving_end_the_stream() -> None:
    async def test() -> None:
        messages: list[Message] = [{"type": "http.disconnect"}, {"type": DRAIN, "seconds": 7.5}]

        async def receive() -> Message:
            return messages.pop()

        listener = Listener()
        await watch_http(receive, listener)
        assert listener.ending is not None
        assert (listener.ending.code, listener.ending.back_in_seconds) == ("restarting", 7.5)
        assert not messages

    run(test())
