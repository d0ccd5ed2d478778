"""Reads Server-Sent Events (the HTML standard, section 9.2) from bytes, within bounds."""

from __future__ import annotations

import re

from vault.errors import TransportError

EVENT_MAX_BYTES = 64 * 1024
"""The limit between two events, comments included. A server sends three bytes each 25 s, and an event in 10 minutes."""

RETRY_MAX_SECONDS = 60.0

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DIGITS = re.compile(r"[0-9]{1,9}")


class EventReader:
    """Turns the bytes of a stream into the data of its events. `retry_seconds` is the server's latest hint."""

    def __init__(self) -> None:
        self.retry_seconds = 0.0
        self._rest = bytearray()
        self._data: list[str] = []
        self._bytes_since_event = 0
        self._is_after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """Return the data of each event that is complete now. Raises `TransportError` if the stream is not one of
        events.
        """
        if self._is_after_cr:
            data = data.removeprefix(b"\n")
        self._is_after_cr = data.endswith(b"\r")
        first, *others = _LINE_END.split(data)
        # Bytes that come one by one are not searched again for the end of their line.
        self._rest += first
        lines: list[bytes] = []
        if others:
            lines = [bytes(self._rest), *others[:-1]]
            self._rest = bytearray(others[-1])
        found = [event for line in lines if (event := self._take(line)) is not None]
        self._require_bounds(len(self._rest))
        return found

    def _take(self, line: bytes) -> str | None:
        """Take one line, and return the data of the event that it ends."""
        if not line:
            data, self._data = "\n".join(self._data), []
            self._bytes_since_event = 0 if data else self._bytes_since_event + 1
            return data or None
        self._bytes_since_event += len(line) + 1
        self._require_bounds(0)
        try:
            field, _, value = line.decode().removeprefix("\ufeff").partition(":")
        except ValueError as error:
            raise TransportError("The server's feed is not UTF-8.") from error
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "retry" and _DIGITS.fullmatch(value):
            self.retry_seconds = min(int(value) / 1000, RETRY_MAX_SECONDS)
        return None

    def _require_bounds(self, more_bytes: int) -> None:
        if self._bytes_since_event + more_bytes > EVENT_MAX_BYTES:
            raise TransportError(
                f"The server's feed has more than {EVENT_MAX_BYTES} bytes without an event. A Strongroom server never "
                "sends that."
            )
