"""What waits for a slow client: one frame for each environment, in order, and not without a limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vault.model.json_types import Json
from vault.sync.backlog import BACKLOG_MOST, Backlog
from vault.sync.messages import Frame


def frame(environment: str, number: int, affects: tuple[str | None, ...] | None = None) -> Frame:
    body: dict[str, Json] = {"type": "change", "number": number}
    if affects is not None:
        body["affects"] = affects
    return Frame(environment, f"cursor {number}", body)


def numbers(frames: list[Frame]) -> list[Json]:
    return [each.body["number"] for each in frames]


def test_a_newer_change_of_an_environment_replaces_the_one_that_waits() -> None:
    backlog = Backlog()
    for environment, number in (("a", 1), ("b", 2), ("a", 3)):
        assert backlog.put(frame(environment, number))
    assert numbers(backlog.take()) == [2, 3]
    assert not backlog.take()


def test_what_replaces_a_frame_affects_what_any_of_the_two_affects() -> None:
    backlog = Backlog()
    backlog.put(frame("a", 1, ("prod", None)))
    backlog.put(frame("a", 2, ("dev",)))
    (kept,) = backlog.take()
    assert kept.body == {"type": "change", "number": 2, "affects": ("prod", None, "dev")}
    assert kept.cursor == "cursor 2"


def test_a_frame_that_affects_all_that_the_older_one_did_is_shared_by_all_clients() -> None:
    backlog, newer = Backlog(), frame("a", 2, ("dev", "prod"))
    backlog.put(frame("a", 1, ("prod",)))
    backlog.put(newer)
    assert backlog.take() == [newer]


def test_there_is_room_for_256_environments_and_for_newer_changes_of_them() -> None:
    backlog = Backlog()
    assert all(backlog.put(frame(f"e{number}", number)) for number in range(BACKLOG_MOST))
    assert not backlog.put(frame("one more", 500))
    assert backlog.put(frame("e7", 501))
    assert len(backlog) == BACKLOG_MOST == 256


def test_an_ended_stream_keeps_nothing() -> None:
    backlog = Backlog()
    backlog.put(frame("a", 1))
    backlog.clear()
    assert not backlog.take()


@given(st.lists(st.sampled_from("abcde"), max_size=40))
def test_frames_come_in_ascending_order_and_the_newest_of_each_is_there(environments: list[str]) -> None:
    backlog = Backlog()
    for number, environment in enumerate(environments):
        backlog.put(frame(environment, number))
    taken = backlog.take()
    assert numbers(taken) == sorted({environment: number for number, environment in enumerate(environments)}.values())
