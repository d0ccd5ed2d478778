"""How many streams there may be in this worker: in all, for each person, and for each credential."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from vault.asgi import ClientGone
from vault.errors import TooManyStreams

_RETRY_SECONDS = 10
"""Streams last long, so a seat is free later rather than sooner."""


@dataclass(frozen=True, slots=True)
class Most:
    """The most streams in all, of one person, and with one credential."""

    in_all: int
    per_person: int
    per_credential: int


class Seats:
    """Counts the streams of this worker. Thread-safe: a seat is taken in a pool thread and given back in the loop."""

    def __init__(self, most: Most) -> None:
        self._most = most
        self._mutex = threading.Lock()
        self._taken = 0
        self._by_person: Counter[str] = Counter()
        self._by_credential: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """The number of streams."""
        return self._taken

    def seat(self) -> Seat:
        """Return a seat for one stream, which it must still take."""
        return Seat(self)

    def take(self, seat: Seat, person: str, credential: str) -> None:
        """Count one more stream. Raises `TooManyStreams`, and `ClientGone` if the seat was left meanwhile."""
        most = self._most
        with self._mutex:
            if seat.is_left:
                # The client left while its credential was checked.
                raise ClientGone()
            if self._taken >= most.in_all:
                raise _too_many("This server has as many streams as it can hold. Try again later.")
            if self._by_person[person] >= most.per_person:
                raise _too_many(
                    f"You have {most.per_person} streams on this server already. Close one, or try again later."
                )
            if self._by_credential[credential] >= most.per_credential:
                raise _too_many(
                    f"This credential has {most.per_credential} streams on this server already. Close one, use another "
                    "credential, or try again later."
                )
            self._taken += 1
            self._by_person[person] += 1
            self._by_credential[credential] += 1
            seat.holder = (person, credential)

    def give_back(self, seat: Seat) -> None:
        """Count one stream fewer, if this seat was taken. It cannot be taken again."""
        with self._mutex:
            seat.is_left = True
            holder, seat.holder = seat.holder, None
            if holder is None:
                return
            self._taken -= 1
            for counts, key in ((self._by_person, holder[0]), (self._by_credential, holder[1])):
                counts[key] -= 1
                if not counts[key]:
                    del counts[key]


class Seat:
    """The seat of one stream: free, then taken, then left for good."""

    __slots__ = ("_seats", "holder", "is_left")

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self.holder: tuple[str, str] | None = None
        self.is_left = False

    def take(self, person: str, credential: str) -> None:
        """Count this stream. Raises `TooManyStreams`."""
        self._seats.take(self, person, credential)

    def leave(self) -> None:
        """Count this stream no more. Calling it again does nothing."""
        self._seats.give_back(self)


def _too_many(sentence: str) -> TooManyStreams:
    return TooManyStreams(sentence, retry_after_seconds=_RETRY_SECONDS)
