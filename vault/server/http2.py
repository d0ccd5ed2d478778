"""HTTP/2 as gunicorn and h2 speak it, with bounds on what a client may make them do.

What they bound themselves (gunicorn 27.0.1, h2 4.4.1), each with a test in tests/integration/server/test_floods.py:
resets (200 in ten seconds), PING, SETTINGS and empty DATA (1,000 in ten seconds), streams at once (100), windows that
overflow or grow by nothing, header lists. They count neither WINDOW_UPDATE nor PRIORITY, and let a header block that
never ends grow to a mebibyte.
"""

from __future__ import annotations

from typing import Any

import h2.events
import h2.frame_buffer
from gunicorn.http2 import async_connection
from gunicorn.http2.async_connection import CONTROL_FRAME_RATE_LIMIT, AsyncHTTP2Connection
from gunicorn.http2.errors import HTTP2ErrorCode

HEADER_LIST_BYTES = 32 * 1024
"""The most that all fields of one header may have, over HTTP/1 and HTTP/2."""

_CUTS_MOST = 8
"""Answers that a client may leave unread on one connection before the connection is ended too."""

_BYTES_PER_FRAME = 1024
_FRAMES_PER_REQUEST = 8

# A header block comes in one frame and, at 16 KiB a frame, this many that continue it.
h2.frame_buffer.CONTINUATION_BACKLOG = 3


class BoundedHttp2(AsyncHTTP2Connection):  # type: ignore[misc]  # gunicorn ships no types
    """A connection that counts every frame that carries no request.

    WINDOW_UPDATE and PRIORITY come with what a client asks for and receives, so each request and each kibibyte that
    was sent earns some; the rest counts as gunicorn counts PING.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._frames_earned = 0.0
        self._cuts = 0

    def _handle_event(self, event: Any) -> Any:
        if isinstance(event, h2.events.WindowUpdated | h2.events.PriorityUpdated):
            if self._frames_earned >= 1.0:
                self._frames_earned -= 1.0
            else:
                self._count_control_frame()
        elif isinstance(event, h2.events.RequestReceived):
            self._earn(_FRAMES_PER_REQUEST)
        return super()._handle_event(event)

    def _write_locked(self) -> bool:
        # What h2 has queued is nearly all DATA.
        self._earn(len(self.h2_conn._data_to_send) * 2 / _BYTES_PER_FRAME)
        return bool(super()._write_locked())

    def _earn(self, frames: float) -> None:
        self._frames_earned = min(self._frames_earned + frames, float(CONTROL_FRAME_RATE_LIMIT))

    async def cut(self, stream_id: int) -> None:
        """Reset a stream whose client does not read; end the connection where that happens again and again."""
        self._cuts += 1
        await self.abort_stream(stream_id, HTTP2ErrorCode.CANCEL)
        if self._cuts >= _CUTS_MOST:
            await self.close(error_code=HTTP2ErrorCode.ENHANCE_YOUR_CALM)


async_connection.AsyncHTTP2Connection = BoundedHttp2
