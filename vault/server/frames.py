"""The frames of a WebSocket (RFC 6455, 5): bytes in, messages and control frames out, without a connection.

Each message has a limit, no extension is spoken, and each text is checked fragment by fragment.
"""

from __future__ import annotations

import codecs
from enum import IntEnum
from typing import NamedTuple


class Opcode(IntEnum):
    """The kinds of frames."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """The close codes that the server itself uses (RFC 6455, 7.4.1, and its registry)."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    NO_STATUS = 1005
    """Never sent: the close frame had no code."""
    ABNORMAL = 1006
    """Never sent: the connection was lost."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_LARGE = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012


MESSAGE_BYTES = 4 * 1024
"""The most bytes of one message, in all its fragments."""

_CONTROL_BYTES = 125
_FIN = 0x80
_RESERVED = 0x70
_MASKED = 0x80
_MASK_BYTES = 4
_SHORT_LENGTH = 126
_LONG_LENGTH = 127
_LONG = 1 << 16
_OPCODES = frozenset(Opcode)
_SENT_BY_PEERS = frozenset((*range(1000, 1004), *range(1007, 1015)))
"""The close codes below 3000 that a client may send."""


class FrameError(Exception):
    """The client broke the protocol. The socket is closed with `code`."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Frame(NamedTuple):
    """A whole message (TEXT or BINARY), a control frame, or a fragment that completes nothing (CONTINUATION)."""

    opcode: Opcode
    payload: bytes


class _Head(NamedTuple):
    is_last: bool
    flags: int
    opcode: int
    is_masked: bool
    size: int
    head_size: int


class Frames:
    """The frames that one client sends."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._message: Opcode | None = None
        self._fragments = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._skipping = False
        self._left_to_skip = 0

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._received += data

    @property
    def waiting_bytes(self) -> int:
        """Received bytes that are no whole frame yet, or that nobody has asked for."""
        return len(self._received)

    def skip_to_close(self) -> None:
        """From now on, drop all frames before a close frame, and check nothing: the server has closed already."""
        self._skipping = True

    def next(self) -> Frame | None:
        """Return the next frame, or None if it has not arrived yet. Raises `FrameError`."""
        if self._skipping:
            return self._skip()
        head = _head_of(self._received)
        if head is None:
            return None
        opcode = self._check(head)
        start = head.head_size + _MASK_BYTES
        if len(self._received) < start + head.size:
            return None
        mask, payload = self._received[head.head_size : start], self._received[start : start + head.size]
        del self._received[: start + head.size]
        data = _unmasked(payload, mask)
        if opcode >= Opcode.CLOSE:
            return Frame(opcode, data)
        return self._join(opcode, data, head.is_last)

    def _check(self, head: _Head) -> Opcode:
        """Raise `FrameError` for a header that this server must not accept, before its payload arrives."""
        if head.flags:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        if head.opcode not in _OPCODES:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "reserved opcode")
        if not head.is_masked:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "frame without a mask")
        opcode = Opcode(head.opcode)
        if opcode >= Opcode.CLOSE:
            if not head.is_last or head.size > _CONTROL_BYTES:
                raise FrameError(CloseCode.PROTOCOL_ERROR, "fragmented or long control frame")
            return opcode
        if (opcode is Opcode.CONTINUATION) != (self._message is not None):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "fragment out of order")
        if head.size < _least_size(head.head_size):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "length not in its shortest form")
        if len(self._fragments) + head.size > MESSAGE_BYTES:
            raise FrameError(CloseCode.TOO_LARGE, f"messages have at most {MESSAGE_BYTES} bytes")
        return opcode

    def _join(self, opcode: Opcode, data: bytes, is_last: bool) -> Frame:
        kind = opcode if self._message is None else self._message
        if kind is Opcode.TEXT:
            self._require_utf8(data, is_last)
        if is_last:
            whole = bytes(self._fragments) + data
            self._message = self._decoder = None
            self._fragments.clear()
            return Frame(kind, whole)
        self._message = kind
        self._fragments += data
        return Frame(Opcode.CONTINUATION, b"")

    def _require_utf8(self, data: bytes, is_last: bool) -> None:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            self._decoder.decode(data, final=is_last)
        except UnicodeDecodeError:
            raise FrameError(CloseCode.INVALID_DATA, "text that is not UTF-8") from None

    def _skip(self) -> Frame | None:
        while True:
            dropped = min(self._left_to_skip, len(self._received))
            del self._received[:dropped]
            self._left_to_skip -= dropped
            head = _head_of(self._received)
            if self._left_to_skip or head is None:
                return None
            if head.opcode == Opcode.CLOSE:
                return Frame(Opcode.CLOSE, b"")
            self._left_to_skip = head.head_size + (_MASK_BYTES if head.is_masked else 0) + head.size


def close_code(payload: bytes) -> int:
    """Return the code of the client's close frame. Raises `FrameError` if its payload is malformed."""
    if not payload:
        return CloseCode.NO_STATUS
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or not (code in _SENT_BY_PEERS or 3000 <= code <= 4999):
        raise FrameError(CloseCode.PROTOCOL_ERROR, "malformed close frame")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(CloseCode.INVALID_DATA, "text that is not UTF-8") from None
    return code


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """Return one whole frame of the server, which is not masked."""
    size = len(payload)
    if size < _SHORT_LENGTH:
        return bytes((_FIN | opcode, size)) + payload
    if size < _LONG:
        return bytes((_FIN | opcode, _SHORT_LENGTH)) + size.to_bytes(2) + payload
    return bytes((_FIN | opcode, _LONG_LENGTH)) + size.to_bytes(8) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame. `reason` is cut to what fits."""
    text = reason.encode()[: _CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return frame(Opcode.CLOSE, code.to_bytes(2) + text)


def _head_of(received: bytearray) -> _Head | None:
    if len(received) < 2:
        return None
    size, head_size = received[1] & ~_MASKED, 2
    if size >= _SHORT_LENGTH:
        head_size = 4 if size == _SHORT_LENGTH else 10
        if len(received) < head_size:
            return None
        size = int.from_bytes(received[2:head_size])
    first = received[0]
    return _Head(bool(first & _FIN), first & _RESERVED, first & 0x0F, bool(received[1] & _MASKED), size, head_size)


def _least_size(head_size: int) -> int:
    return {2: 0, 4: _SHORT_LENGTH, 10: _LONG}[head_size]


def _unmasked(payload: bytearray, mask: bytearray) -> bytes:
    size = len(payload)
    repeated = (mask * (size // _MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(size)
