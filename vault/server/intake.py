"""Reads request bodies: whole, before a deadline, and charged to the caller from the first byte."""

from __future__ import annotations

import asyncio

from vault.asgi import ClientGone, Receive, Refusal
from vault.server.callers import Slot
from vault.server.refusal import too_large, too_slow


class Intake:
    """Reads bodies for one worker."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    async def read(self, receive: Receive, slot: Slot, limit_bytes: int, announced_bytes: int = 0) -> bytes:
        """Return the whole body. Its bytes are charged to `slot`.

        `announced_bytes` is the Content-Length. If it is too large, nothing of the body is kept.

        Raises `Refusal` if the body is too large or too slow or the caller has too many calls, and `ClientGone`. A
        refused body is still read to its end within the deadline: a client that gets an answer in the middle of its
        body often does not see it, and may hang over HTTP/2.
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
    """One body that is being received."""

    def __init__(self, slot: Slot, limit_bytes: int) -> None:
        self._slot = slot
        self._limit_bytes = limit_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self._charged = 0
        self._refusal: Refusal | None = None

    async def take(self, receive: Receive) -> bool:
        """Read the next piece. Returns False after the last one."""
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
        """Drop this body. The first refusal is the one that is sent."""
        self._refusal = self._refusal or refusal
        self.drop()

    def drop(self) -> None:
        """Give back the memory that was charged for the body."""
        self._chunks.clear()
        self._slot.give_back(self._charged)
        self._charged = 0

    def finish(self) -> bytes:
        """Return the body, or raise the refusal."""
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
