"""Reads request bodies: whole, before a deadline, and charged to the caller from the first byte."""

from __future__ import annotations

import asyncio

from vault.server.asgi import Receive
from vault.server.callers import Slot
from vault.server.refusal import ClientGone, Refusal, too_large, too_slow


class Intake:
    """Reads bodies for one worker."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, receive: Receive, slot: Slot, limit_bytes: int, announced_bytes: int = 0) -> bytes:
        """The whole body. Its bytes are charged to `slot`.

        `announced_bytes` is the Content-Length. If it is too large, nothing of the body is kept.

        Raises `Refusal` when it is too large, too slow, or one too many, and `ClientGone`. What cannot be kept is
        still read to its end within the deadline: a client that is answered in the middle of its body often never
        sees the answer, and over HTTP/2 may hang.
        """
        upload = _Upload(slot, limit_bytes)
        if announced_bytes > limit_bytes:
            upload.refuse(too_large(limit_bytes))
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while await upload.take(receive):
                    pass
        except TimeoutError:
            upload.refuse(too_slow(self._timeout_seconds))
        except BaseException:
            upload.drop()
            raise
        return upload.finish()


class _Upload:
    """One body on its way in."""

    def __init__(self, slot: Slot, limit_bytes: int) -> None:
        self._slot = slot
        self._limit_bytes = limit_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self._charged = 0
        self._refusal: Refusal | None = None

    async def take(self, receive: Receive) -> bool:
        """Take the next piece; false after the last one."""
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        self._size += len(chunk)
        if self._size > self._limit_bytes:
            self.refuse(too_large(self._limit_bytes))
        if chunk and self._refusal is None and self._charge(len(chunk)):
            self._chunks.append(chunk)
        return bool(message.get("more_body", False))

    def refuse(self, refusal: Refusal) -> None:
        """Keep nothing of this body; the first reason is the one that is told."""
        self._refusal = self._refusal or refusal
        self.drop()

    def drop(self) -> None:
        """Hand back what the body was charged with."""
        self._chunks.clear()
        self._slot.give_back(self._charged)
        self._charged = 0

    def finish(self) -> bytes:
        """The body, or the reason why there is none."""
        if self._refusal is not None:
            raise self._refusal
        return b"".join(self._chunks)

    def _charge(self, size: int) -> bool:
        refusal = self._slot.take(size)
        if refusal is not None:
            self.refuse(refusal)
            return False
        self._charged += size
        return True
