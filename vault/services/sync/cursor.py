"""Cursors: a person's place in the feed, as sealed text that the client gives back.

    epoch (16) ‖ timeline (4) ‖ change number (8) ‖ time (8), sealed under the system key for one person

It is sealed because change numbers have gaps: they would show a token with few rights how much else happens. All
cursors have one length, and all causes of refusal look the same: the client reads the present state and starts again.
"""

from __future__ import annotations

import base64
import binascii
import struct

from vault.crypto import context, key_id_of
from vault.crypto.envelope import uuid_bytes
from vault.errors import BlobError, CursorExpired, InvalidInput
from vault.model.clock import CLOCKS_DIFFER_US, DAY_US, Clock
from vault.services.own.instance import Instance
from vault.storage import FeedEpoch, is_kept

CURSOR_CHARACTERS = 176
"""The length of every cursor."""

_LAYOUT = struct.Struct(">16sIQQ")


class Cursors:
    """Makes cursors, and reads those that clients give back."""

    def __init__(self, instance: Instance, clock: Clock, *, keep_days: int) -> None:
        """`keep_days` is how long a cursor is accepted."""
        self._instance = instance
        self._clock = clock
        self._keep_us = keep_days * DAY_US

    def seal(self, user_id: str, epoch: FeedEpoch, seq: int, at_us: int | None = None) -> str:
        """Return the cursor of the place after the change `seq`.

        If more changes are stored after it, `at_us` must be the time of the change `seq`: the cursor ages from there.
        """
        issued_us = self._clock() if at_us is None else at_us
        plaintext = _LAYOUT.pack(uuid_bytes(epoch.epoch), epoch.timeline, seq, issued_us)
        blob = self._instance.seal(context.cursor(self._instance.id, user_id), plaintext)
        return base64.urlsafe_b64encode(blob).decode()

    def open(self, user_id: str, epoch: FeedEpoch, text: str, newest: int) -> int:
        """Return the change number in a cursor. `newest` is the person's newest change.

        Raises `InvalidInput` for a text that no cursor can be, and `CursorExpired` for any other that is not accepted.
        """
        blob = _bytes_of(text)
        try:
            place = context.cursor(self._instance.id, user_id)
            plaintext = self._instance.open_blob(place, key_id_of(blob), blob)
        except BlobError:
            raise CursorExpired() from None
        raw_epoch, timeline, seq, issued_us = _LAYOUT.unpack(plaintext)
        age_us = self._clock() - issued_us
        is_young = -CLOCKS_DIFFER_US <= age_us <= self._keep_us
        is_of_epoch = (raw_epoch, timeline) == (uuid_bytes(epoch.epoch), epoch.timeline)
        if not (is_of_epoch and is_young and is_kept(seq, newest)):
            raise CursorExpired()
        return int(seq)


def _bytes_of(text: str) -> bytes:
    if len(text) == CURSOR_CHARACTERS and text.isascii() and not set(text) & set("+/="):
        try:
            return binascii.a2b_base64(text.replace("-", "+").replace("_", "/"), strict_mode=True)
        except binascii.Error:
            pass
    raise InvalidInput("This is not a cursor. Send one exactly as the vault gave it.", path="after")
