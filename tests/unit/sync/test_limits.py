"""How many streams there may be: in all, of one person, and with one credential."""

from __future__ import annotations

import threading

import pytest

from vault.asgi import ClientGone
from vault.errors import TooManyStreams
from vault.sync.limits import Most, Seat, Seats


def taken(seats: Seats, person: str, credential: str) -> Seat:
    seat = seats.seat()
    seat.take(person, credential)
    return seat


@pytest.mark.parametrize(
    ("most", "word"),
    [(Most(2, 9, 9), "server"), (Most(9, 2, 9), "You have 2"), (Most(9, 9, 2), "This credential has 2")],
)
def test_the_third_is_refused_with_the_reason_and_when_to_try_again(most: Most, word: str) -> None:
    seats = Seats(most)
    first = taken(seats, "ada", "token:1")
    taken(seats, "ada", "token:1")
    with pytest.raises(TooManyStreams, match=word) as refused:
        taken(seats, "ada", "token:1")
    assert refused.value.retry_after_seconds
    first.leave()
    taken(seats, "ada", "token:1")


def test_other_people_and_other_credentials_have_their_own_seats() -> None:
    seats = Seats(Most(9, 2, 1))
    taken(seats, "ada", "token:1")
    taken(seats, "ada", "token:2")
    taken(seats, "eve", "token:3")
    assert seats.taken == 3


def test_a_refused_place_counts_nowhere() -> None:
    seats = Seats(Most(9, 9, 1))
    first = taken(seats, "ada", "token:1")
    with pytest.raises(TooManyStreams):
        taken(seats, "ada", "token:1")
    first.leave()
    first.leave()
    assert seats.taken == 0
    taken(seats, "ada", "token:1")


def test_a_place_whose_client_has_left_cannot_be_taken_any_more() -> None:
    seats = Seats(Most(9, 9, 9))
    seat = seats.seat()
    seat.leave()
    with pytest.raises(ClientGone):
        seat.take("ada", "token:1")
    assert seats.taken == 0


def test_many_threads_never_take_more_than_there_are() -> None:
    seats, refused = Seats(Most(50, 99, 99)), []

    def take() -> None:
        for _ in range(10):
            try:
                taken(seats, "ada", "token:1")
            except TooManyStreams:
                refused.append(1)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seats.taken, len(refused)) == (50, 30)
