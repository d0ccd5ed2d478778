"""Decodes a body in chunks (RFC 9112, section 7.1) piece by piece. `http.client` would wait for a whole chunk."""

from __future__ import annotations

import re

from vault.errors import TransportError

LINE_MAX_BYTES = 4096
TRAILER_MAX_BYTES = 16 * 1024

_SIZE_LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,12})[ \t]*(;.*)?")


class ChunkDecoder:
    """Turns the bytes of a chunked body into those of its content. `is_done` after the last chunk."""

    def __init__(self) -> None:
        self.is_done = False
        self._line = bytearray()
        self._left = 0
        self._is_after_data = False
        self._trailer_bytes: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the content that is in `data`. Raises `TransportError` if it is not chunked as it should be."""
        found = bytearray()
        while data and not self.is_done:
            if self._left:
                found += data[: self._left]
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
                self._is_after_data = not self._left
                continue
            line, end, data = data.partition(b"\n")
            self._line += line + end
            if len(self._line) > LINE_MAX_BYTES:
                raise _broken()
            if end:
                self._take_line(bytes(self._line).rstrip(b"\r\n"))
                self._line.clear()
        return bytes(found)

    def _take_line(self, line: bytes) -> None:
        if self._trailer_bytes is not None:
            self._trailer_bytes += len(line) + 2
            self.is_done = not line
            if self._trailer_bytes > TRAILER_MAX_BYTES:
                raise _broken()
        elif self._is_after_data:
            self._is_after_data = False
            if line:
                raise _broken()
        else:
            size = _SIZE_LINE.fullmatch(line)
            if size is None:
                raise _broken()
            self._left = int(size[1], 16)
            self._trailer_bytes = None if self._left else 0


def _broken() -> TransportError:
    return TransportError("The server's answer is not chunked as HTTP demands.")
