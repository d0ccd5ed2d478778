"""Long polls: one call, answered when something has changed or when its time is over."""

from __future__ import annotations

from typing import NamedTuple

from vault.asgi import Headers, Receive, Send
from vault.auth import METHODS
from vault.model.json_types import JsonObject
from vault.observe import metrics
from vault.services.sync.feed import Subscription
from vault.services.sync.judging import Follower
from vault.sync.asking import Asked
from vault.sync.calls import OpenCall, watch_http
from vault.sync.endings import ANSWERED, CLIENT_GONE, RESTARTING
from vault.sync.entrance import refusal_of
from vault.sync.listener import Ended
from vault.sync.messages import Frame, frame_of, newest_only, page_body

KIND = "poll"

_HEADERS: Headers = [(b"content-type", b"application/json")]


class _Found(NamedTuple):
    """What a poll finds at once, in a pool thread."""

    follower: Follower
    subscription: Subscription
    seq: int
    frames: list[Frame]
    more: bool
    at_us: int | None = None
    """The time of the change `seq`, if there are more after it."""


async def serve_poll(opened: OpenCall, asked: Asked, receive: Receive, send: Send) -> None:
    """Answer one poll. Raises `Refusal`, and `ClientGone`."""
    async with opened.counted():
        found = await opened.run(lambda: _look(opened, asked))
        opened.call.prove(found.subscription.user_id)
        frames, seq = found.frames, found.seq
        if not frames and asked.wish.after is not None and asked.wait_seconds:
            frames, seq = await _wait(opened, found, asked.wait_seconds, receive)
        changes: list[JsonObject] = [frame.body for frame in frames]
        cursor = opened.calls.cursor(found.subscription, seq, found.at_us)
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        await send({"type": "http.response.body", "body": page_body(cursor, changes, more=found.more)})
        metrics().feed_told.labels(KIND).inc(len(frames))
        opened.listener.end(ANSWERED)


def _look(opened: OpenCall, asked: Asked) -> _Found:
    """Return what has changed since the cursor. Without one, nothing has."""
    admitted = opened.admit(METHODS)
    subscription = opened.subscribe(admitted.principal, asked.wish)
    if asked.wish.after is None:
        return _Found(admitted.follower, subscription, subscription.seq, [], more=False)
    feed = opened.calls.services.sync.feed
    snapshot = feed.snapshot(subscription.user_id, subscription.seq)
    # Judge again after the snapshot, as the hub does: a change after the end of the credential is not told.
    principal = opened.calls.entrance.judged(opened.call, admitted.follower)
    page = feed.page(snapshot, principal, subscription, subscription.seq)
    # The cursor of each frame is not sent.
    frames = newest_only(frame_of(message, "") for message in page.messages)
    return _Found(admitted.follower, subscription, page.seq, frames, page.more, page.at_us)


async def _wait(opened: OpenCall, found: _Found, seconds: int, receive: Receive) -> tuple[list[Frame], int]:
    """Return what changes within `seconds`, and the number up to which that is everything."""
    listener = opened.listener
    opened.follow(found.follower, found.subscription, found.seq)
    try:
        async with opened.open(lambda: watch_http(receive, listener)):
            frames = await listener.frames(seconds, listener.source)
            seq = listener.seq
            listener.end(ANSWERED)
            return frames, seq
    except Ended as ended:
        if ended.ending.code in (RESTARTING.code, CLIENT_GONE.code):
            return [], listener.seq
        raise refusal_of(ended.ending.error()) from None
