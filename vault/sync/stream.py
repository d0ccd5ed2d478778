"""Server-sent events: the feed for `curl -N`, for browsers' `EventSource`, and through proxies."""

from __future__ import annotations

from vault.asgi import Headers, Receive, Send
from vault.auth import Method
from vault.services.sync.feed import Subscription
from vault.services.sync.judging import Follower
from vault.sync.asking import Asked
from vault.sync.calls import OpenCall, watch_http
from vault.sync.endings import CLIENT_GONE, Ending
from vault.sync.listener import Ended
from vault.sync.messages import (
    COMMENT,
    PING_SECONDS,
    RETRY_MILLISECONDS,
    Frame,
    Notice,
    end_event,
    hello,
    retry_event,
)
from vault.sync.sending import Sender

KIND = "stream"

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # nginx and others would keep events back until their buffer is full.
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """Writes events into one answer, which ends with the stream."""

    kind = KIND
    quiet_seconds = float(PING_SECONDS)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def open(self, first: Notice) -> None:
        """Send the head and the first events."""
        await self._send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await self._write(retry_event(RETRY_MILLISECONDS) + first.event)

    async def say(self, message: Frame | Notice) -> None:
        """Send one message as an event."""
        await self._write(message.event)

    async def keep_alive(self) -> None:
        """Send a comment."""
        await self._write(COMMENT)

    async def close(self, ending: Ending) -> None:
        """Send the reason, and when to come back if the server says so. End the answer."""
        back = ending.back_in_seconds
        retry = b"" if back is None else retry_event(int(back * 1000))
        await self._send({"type": "http.response.body", "body": retry + end_event(ending)})

    async def _write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


async def serve_stream(
    opened: OpenCall, methods: tuple[Method, ...], asked: Asked, receive: Receive, send: Send
) -> None:
    """Serve one event stream until it ends. Raises `Refusal` before its answer begins, and `ClientGone`."""

    def begin() -> tuple[Follower, Subscription]:
        admitted = opened.admit(methods)
        return admitted.follower, opened.subscribe(admitted.principal, asked.wish)

    async with opened.counted():
        follower, subscription = await opened.run(begin)
        opened.call.prove(subscription.user_id)
        opened.follow(follower, subscription)
        stream = EventStream(send)
        async with opened.open(lambda: watch_http(receive, opened.listener)):
            await stream.open(hello(opened.first_cursor(asked.wish, subscription)))
            try:
                await Sender(opened.listener, stream, opened.cursor).run()
            except Ended as ended:
                if ended.ending is not CLIENT_GONE:
                    await stream.close(ended.ending)
