# Made from aio/following.py by `make reference`. Change that file.

"""Follows the feed of changes: by a stream or by long polls, over one connection after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from vault.client.caller import Caller
from vault.client.feed import PING_SECONDS, End, FeedChange, Hello, Message, PageReader, StreamReader, Subscription
from vault.client.latch import Latch
from vault.client.pace import Backoff, Course, Interruptions, is_temporary
from vault.client.problems import error_from
from vault.client.reading import not_ours
from vault.client.streaming import Stream, StreamingTransport, open_stream
from vault.client.transport import ConnectionLost, Request, Response
from vault.errors import StrongroomError, TransportError

POLL_SECONDS = 25
POLL_MAX_SECONDS = 90.0
"""The limit for a whole page, the wait for its first change included."""

SILENT_PINGS = 2.5
"""A stream is given up when this many times the pause between two pings brought nothing."""

STEADY_SECONDS = 10.0
"""A stream that has lasted so long was no failure."""

_REFUSAL_MAX_BYTES = 64 * 1024
_REFUSAL_MAX_SECONDS = 10.0
_CURSOR_REFUSED = frozenset({400, 410, 422})


class _Attempt:
    """One answer of the feed: a stream or a page, and the time when it is given up."""

    def __init__(self, stream: Stream, reader: StreamReader | PageReader, cursor: str, began: float) -> None:
        self.stream = stream
        self.reader = reader
        self.cursor = cursor
        self.began = began
        self.is_over = False
        self._silence_seconds = SILENT_PINGS * PING_SECONDS
        self.ends = self.began + (POLL_MAX_SECONDS if isinstance(reader, PageReader) else self._silence_seconds)

    def heard(self) -> None:
        """Note that something came. A page does not get more time by it."""
        if isinstance(self.reader, StreamReader):
            self.ends = time.monotonic() + self._silence_seconds

    def expect(self, ping_seconds: float) -> None:
        """Take the server's word for how often something comes."""
        self._silence_seconds = SILENT_PINGS * ping_seconds
        self.heard()

    @property
    def is_steady(self) -> bool:
        """Whether it has lasted long enough to be no failure."""
        return time.monotonic() - self.began >= STEADY_SECONDS


class Follower:
    """What the feed tells of a subscription, after a cursor or from now on.

    Connects again by itself, and resumes at its cursor. With `must_begin`, it does so only after it was connected once.
    One thread reads; `close` may be called by any.
    """

    def __init__(
        self,
        caller: Caller,
        wanted: Subscription,
        after: str,
        interruptions: Interruptions,
        latch: Latch,
        *,
        must_begin: bool,
    ) -> None:
        self._caller = caller
        self._wanted = wanted
        self._cursor = after
        self._interruptions = interruptions
        self._latch = latch
        self._backoff = Backoff()
        self._course = Course(can_stream=isinstance(caller.transport, StreamingTransport))
        self._attempt: _Attempt | None = None
        self._not_before = 0.0
        self._is_reading = False
        self._has_begun = not must_begin

    def read(self, seconds: float = math.inf) -> list[FeedChange]:
        """Return what the feed tells next: nothing if that takes more than `seconds`, or after `close`.

        Raises the vault's refusal. Tries again after an error that is temporary.
        """
        ends = time.monotonic() + seconds
        self._is_reading = True
        try:
            while not self._latch.is_set and time.monotonic() < ends:
                found = self._step(ends)
                if found:
                    return found
            return []
        finally:
            self._is_reading = False
            # `close` leaves it to the reader.
            if self._latch.is_set:
                self._disconnect()

    def gather(self, seconds: float) -> None:
        """Take all that the feed tells within `seconds`, and drop it."""
        ends = time.monotonic() + seconds
        while not self._latch.is_set and time.monotonic() < ends:
            self.read(ends - time.monotonic())

    def close(self) -> None:
        """End a `read` in another thread, and disconnect."""
        self._latch.set()
        attempt = self._attempt
        if attempt is not None and self._is_reading:
            attempt.stream.interrupt()
        else:
            self._disconnect()

    def _step(self, ends: float) -> list[FeedChange]:
        try:
            if self._attempt is None and not self._pause(ends):
                return []
            if self._attempt is None:
                self._connect()
            return self._receive(ends)
        except StrongroomError as error:
            if not self._latch.is_set:
                self._fail(error)
            return []
        except BaseException:
            # After Ctrl-C, nobody may read on in the middle of a message.
            self._disconnect()
            raise

    def _pause(self, ends: float) -> bool:
        """Wait until the next attempt is due. Report whether it is."""
        left = min(self._not_before, ends) - time.monotonic()
        if left > 0:
            self._latch.wait(left)
        return time.monotonic() >= self._not_before and not self._latch.is_set

    def _connect(self) -> None:
        reader = StreamReader() if self._course.is_stream else PageReader()
        request = self._request(reader)
        began = time.monotonic()
        # A server may begin the answer of a long poll at its end.
        wait_seconds = POLL_SECONDS if isinstance(reader, PageReader) else 0
        stream = open_stream(self._caller.transport, request, wait_seconds)
        self._attempt = _Attempt(stream, reader, self._cursor, began)
        if stream.status in _CURSOR_REFUSED and self._cursor:
            # The cursor is too old, or of another time of the vault.
            self._cursor = ""
            self._disconnect()
        elif stream.status != 200:
            raise error_from(request, self._read_refusal(stream))
        elif stream.headers.get("content-type", "").partition(";")[0].strip() != reader.media_type:
            raise not_ours()

    def _request(self, reader: StreamReader | PageReader) -> Request:
        query, headers = list(self._wanted), {"Accept": f"{reader.media_type}, application/problem+json"}
        if isinstance(reader, PageReader):
            query.append(("wait", str(POLL_SECONDS)))
            if self._cursor:
                query.append(("after", self._cursor))
        elif self._cursor:
            headers["Last-Event-ID"] = self._cursor
        return self._caller.make_get("/changes?" + urlencode(query, quote_via=quote), headers)

    def _read_refusal(self, stream: Stream) -> Response:
        body, ends = b"", time.monotonic() + _REFUSAL_MAX_SECONDS
        while len(body) < _REFUSAL_MAX_BYTES and time.monotonic() < ends:
            data = stream.read(ends - time.monotonic())
            if data is None:
                break
            body += data
        return Response(stream.status, stream.headers, body)

    def _receive(self, ends: float) -> list[FeedChange]:
        attempt = self._attempt
        # `close` may have come before the attempt was there to be interrupted.
        if attempt is None or self._latch.is_set:
            return []
        if attempt.is_over:
            self._leave(attempt)
            return []
        data = attempt.stream.read(min(ends, attempt.ends) - time.monotonic())
        if data is None:
            return self._take_end(attempt)
        if data:
            attempt.heard()
            return self._take(attempt, attempt.reader.feed(data) or [])
        if time.monotonic() >= attempt.ends:
            self._course.note_silence()
            raise TransportError("The feed of changes sends nothing. A proxy on the way may be buffering it.")
        return []

    def _take_end(self, attempt: _Attempt) -> list[FeedChange]:
        if isinstance(attempt.reader, StreamReader):
            raise ConnectionLost("The server closed the feed of changes.")
        self._disconnect()
        found = self._take(attempt, attempt.reader.end(attempt.cursor))
        # An answer without a change comes late, unless the server is about to stop.
        if found or time.monotonic() - attempt.began >= POLL_SECONDS / 2:
            self._backoff.reset()
        else:
            self._not_before = time.monotonic() + self._backoff.next_seconds()
        return found

    def _take(self, attempt: _Attempt, messages: Sequence[Message]) -> list[FeedChange]:
        found = []
        for message in messages:
            if isinstance(message, End):
                # What came before it is returned first: nothing may be lost if a caller is interrupted.
                attempt.is_over = True
                break
            if isinstance(message, Hello):
                attempt.expect(message.ping_seconds)
                if not attempt.cursor:
                    found.append(FeedChange("reset", cursor=message.cursor))
            elif isinstance(message, FeedChange):
                found.append(message)
            self._cursor = message.cursor or self._cursor
            self._has_begun = True
            self._interruptions.ended()
        return found

    def _leave(self, attempt: _Attempt) -> None:
        """Follow the server's wish to come back later."""
        if attempt.is_steady:
            self._backoff.reset()
        retry_seconds = attempt.reader.retry_seconds if isinstance(attempt.reader, StreamReader) else 0.0
        self._disconnect()
        self._not_before = time.monotonic() + self._backoff.next_seconds(retry_seconds)

    def _fail(self, error: StrongroomError) -> None:
        """Prepare the next attempt. Raises `error` if there is none."""
        attempt = self._attempt
        was_stream = self._course.is_stream if attempt is None else isinstance(attempt.reader, StreamReader)
        self._disconnect()
        if not self._has_begun or not is_temporary(error):
            raise error
        if was_stream and isinstance(error.__cause__, TimeoutError):
            self._course.note_silence()
        elif was_stream and isinstance(error, ConnectionLost):
            self._course.note_cut()
        if attempt is not None and attempt.is_steady:
            self._backoff.reset()
        self._not_before = time.monotonic() + self._backoff.next_seconds(error.retry_after_seconds)
        self._interruptions.failed(error)

    def _disconnect(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.stream.close()
