"""HTTP/2 from gunicorn and h2, with limits that they lack.

gunicorn 27.0.1 and h2 4.4.1 limit resets (200 in ten seconds), PING, SETTINGS and empty DATA (1,000 in ten seconds),
concurrent streams (100), bad window updates, and header lists. They do not count WINDOW_UPDATE and PRIORITY frames, and
they let an endless header block grow to 1 MiB. tests/integration/server/test_floods.py tests each limit.
"""

from __future__ import annotations

import h2.events
import h2.frame_buffer
from gunicorn.http2 import async_connection
from gunicorn.http2.async_connection import CONTROL_FRAME_RATE_LIMIT, AsyncHTTP2Connection
from gunicorn.http2.errors import HTTP2ErrorCode

HEADER_LIST_BYTES = 32 * 1024
"""The most bytes in all fields of one header, over HTTP/1 and HTTP/2."""

_CUTS_MOST = 8
"""The number of unread answers after which their connection is closed too."""

_BYTES_PER_FRAME = 1024
_FRAMES_PER_REQUEST = 8

# The number of CONTINUATION frames (16 KiB each) that may follow the first frame of a header block.
h2.frame_buffer.CONTINUATION_BACKLOG = 3


class BoundedHttp2(AsyncHTTP2Connection):  # type: ignore[misc, no-any-unimported]  # gunicorn ships no types
    """A connection that limits WINDOW_UPDATE and PRIORITY frames.

    A client sends some of these with each request and each answer, so each request and each KiB sent allows a few.
    Any frame beyond that counts like a PING.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._frames_earned = 0.0
        self._cuts = 0

    def _handle_event(self, event: h2.events.Event) -> object:
        if isinstance(event, h2.events.WindowUpdated | h2.events.PriorityUpdated):
            if self._frames_earned >= 1.0:
                self._frames_earned -= 1.0
            else:
                self._count_control_frame()
        elif isinstance(event, h2.events.RequestReceived):
            self._earn(_FRAMES_PER_REQUEST)
        return super()._handle_event(event)

    def _write_locked(self) -> bool:
        # Nearly all bytes in h2's queue are DATA.
        self._earn(len(self.h2_conn._data_to_send) * 2 / _BYTES_PER_FRAME)
        return bool(super()._write_locked())

    def _earn(self, frames: float) -> None:
        self._frames_earned = min(self._frames_earned + frames, float(CONTROL_FRAME_RATE_LIMIT))

    async def cut(self, stream_id: int) -> None:
        """Reset a stream whose client does not read. Close the connection after `_CUTS_MOST` of these."""
        self._cuts += 1
        await self.abort_stream(stream_id, HTTP2ErrorCode.CANCEL)
        if self._cuts >= _CUTS_MOST:
            await self.close(error_code=HTTP2ErrorCode.ENHANCE_YOUR_CALM)


async_connection.AsyncHTTP2Connection = BoundedHttp2
