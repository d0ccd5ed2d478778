"""The checker of the live feed finds a message that is lost, doubled, out of order, invented or leaked."""

from __future__ import annotations

import pytest

from tests.support.feed_checker import Delivery, Row, faults

ROWS = [Row(11, "prod"), Row(12, "secret"), Row(14, "prod"), Row(15, "globals"), Row(19, "made")]
VISIBLE = {"prod", "globals", "made"}
START = 10


def one(seq: int, environment: str) -> Delivery:
    """A message of a stream."""
    return Delivery(seq - 1, seq, (environment,))


STREAM = [one(11, "prod"), one(14, "prod"), one(15, "globals"), one(19, "made")]


@pytest.mark.parametrize(
    "deliveries",
    [
        STREAM,
        # A newer change has replaced an older one of the same environment.
        STREAM[1:],
        [Delivery(10, 15, ("prod", "globals")), Delivery(15, 15, ()), Delivery(15, 19, ("made",))],
        [Delivery(10, 15, ("prod", "prod", "globals")), Delivery(15, 30, ("made",))],
    ],
    ids=["each", "replaced", "polls", "a poll with each change"],
)
def test_what_is_right_has_no_faults(deliveries: list[Delivery]) -> None:
    assert faults(ROWS, deliveries, VISIBLE, START) == []


def test_what_happened_before_the_start_need_not_be_told() -> None:
    assert faults(ROWS, STREAM[3:], VISIBLE, start=15) == []


@pytest.mark.parametrize("lost", range(1, len(STREAM)))
def test_a_lost_message_is_found(lost: int) -> None:
    found = faults(ROWS, STREAM[:lost] + STREAM[lost + 1 :], VISIBLE, START)
    assert found == [
        f"Number {STREAM[lost].high} of {STREAM[lost].environments[0]} was not told, and nothing later of it either."
    ]


def test_a_client_that_was_told_nothing_has_lost_everything() -> None:
    assert len(faults(ROWS, [], VISIBLE, START)) == 4


@pytest.mark.parametrize("doubled", range(len(STREAM)))
def test_a_doubled_message_is_found(doubled: int) -> None:
    told = [*STREAM[: doubled + 1], STREAM[doubled], *STREAM[doubled + 1 :]]
    found = faults(ROWS, told, VISIBLE, START)
    assert len(found) == 1
    assert f"{STREAM[doubled].high} was reached before" in found[0]


def test_a_message_that_is_told_again_after_a_break_is_found() -> None:
    assert len(faults(ROWS, [*STREAM, STREAM[1], STREAM[2]], VISIBLE, START)) == 2


def test_a_poll_that_goes_back_is_found() -> None:
    told = [Delivery(10, 15, ("prod", "globals")), Delivery(14, 19, ("globals", "made"))]
    assert len(faults(ROWS, told, VISIBLE, START)) == 1


def test_a_cursor_that_goes_back_is_found() -> None:
    assert faults(ROWS, [*STREAM, Delivery(19, 12, ())], VISIBLE, START) == ["The cursor went back from 19 to 12."]


def test_messages_out_of_order_are_found() -> None:
    assert faults(ROWS, [STREAM[1], STREAM[0], *STREAM[2:]], VISIBLE, START)


@pytest.mark.parametrize("environment", ["secret", "nothing"])
def test_what_the_client_may_not_see_and_what_did_not_happen_is_found(environment: str) -> None:
    found = faults(ROWS, [STREAM[0], one(12, environment), *STREAM[1:]], VISIBLE, START)
    assert len(found) == 1
    assert found[0].startswith(f"{environment} was told 1 times")


def test_the_right_environment_at_the_wrong_number_is_found() -> None:
    assert faults(ROWS, [STREAM[0], one(13, "prod"), *STREAM[1:]], VISIBLE, START)


def test_a_poll_that_tells_more_often_than_it_changed_is_found() -> None:
    told = [Delivery(10, 15, ("prod", "globals", "globals")), Delivery(15, 19, ("made",))]
    assert len(faults(ROWS, told, VISIBLE, START)) == 1
