"""`client.watch` and `client.changes` against a fake of the feed, on a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.client.fake_feed import FakeClock, FakeFeed, FakeStream, Step, change_of, changed, event, hello
from tests.unit.client.fake_transport import FakeTransport, answer, problem
from tests.unit.client.in_loop import in_loop
from vault.client import Client, Response, Watch
from vault.client.feed import PageReader
from vault.client.following import POLL_SECONDS
from vault.client.latch import Latch
from vault.client.transport import ConnectionLost, Unreachable
from vault.errors import (
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    StrongroomError,
    TransportError,
    Unavailable,
)

VALUES = "/environments/prod/values"
LOST = ConnectionLost("cut")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    monkeypatch.setattr("vault.client.pace.random.uniform", lambda _least, most: most)
    return FakeClock(monkeypatch)


@pytest.fixture
def feed(clock: FakeClock) -> FakeFeed:
    return FakeFeed(clock)


@pytest.fixture(params=["synchronous", "asynchronous"])
def client(request: pytest.FixtureRequest, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Both clients, one after the other: the asynchronous one looks like the other here."""
    monkeypatch.setattr("vault.client.caller.time.sleep", lambda _seconds: None)
    if request.param == "synchronous":
        yield Client("https://vault.test", "srm_t_canary", transport=feed)
        return
    with in_loop(feed, monkeypatch, []) as found:
        yield found


def values(**found: str) -> Response:
    return answer({"values": found, "warnings": [], "revision": 3})


def page(cursor: str, *changes: dict[str, Any]) -> Response:
    return answer({"cursor": cursor, "changes": list(changes), "more": False})


def seen(watch: Watch) -> list[dict[str, str]]:
    """All states until the test's script closes the watch."""
    return [dict(found) for found in watch]


def test_each_different_state_is_yielded_once(client: Client, feed: FakeFeed) -> None:
    watch = client.watch("prod", jitter_seconds=0)
    feed.on("GET", VALUES, values(A="1"), values(A="1"), values(A="2"), values(A="2"), values(A="1"))
    feed.on_stream([hello(), changed("c1"), changed("c2"), changed("c3", revision=2), watch.close])
    # The second answer is that to the beginning of the feed; the fourth is of a write without a difference.
    assert seen(watch) == [{"A": "1"}, {"A": "2"}, {"A": "1"}]
    assert feed.calls == [f"GET {VALUES}"] * 5
    assert feed.asked[0].path == "/api/v1/changes?environment=prod"
    assert feed.asked[0].headers["Authorization"] == "Bearer srm_t_canary"
    assert feed.streams[0].is_closed


def test_what_is_asked_of_values_is_asked_each_time(client: Client, feed: FakeFeed) -> None:
    watch = client.watch("prod", iter(["A"]), resolve=False, globals=False, jitter_seconds=0)
    feed.on("GET", VALUES + "?resolve=false&globals=false&names=A", values(A="1"), values(A="2"))
    feed.on_stream([hello(), watch.close])
    assert seen(watch) == [{"A": "1"}, {"A": "2"}]


def test_a_name_with_slashes_is_one_reference(client: Client, feed: FakeFeed) -> None:
    changes = client.changes(["shop/prod", "a&b"])
    feed.on_stream([hello(), changes.close])
    assert list(changes) == []
    assert feed.asked[0].path == "/api/v1/changes?environment=shop%2Fprod&environment=a%26b"


def test_the_globals_are_followed_beside_environments_and_alone(client: Client, feed: FakeFeed) -> None:
    both, alone = client.changes(["prod"], globals=True), client.changes(globals=True)
    feed.on_stream([hello(), both.close], [hello(), alone.close])
    assert [*both, *alone] == []
    assert [request.path.partition("?")[2] for request in feed.asked] == [
        "environment=prod&globals=true",
        "globals=true",
    ]


def test_many_changes_within_the_jitter_are_read_once(client: Client, feed: FakeFeed, clock: FakeClock) -> None:
    watch = client.watch("prod", jitter_seconds=1)
    feed.on("GET", VALUES, values(A="1"), values(A="1"), values(A="50"))
    storm: list[Step] = [step for number in range(50) for step in (changed(f"c{number}"), 0.015)]
    feed.on_stream([hello(), 5.0, *storm, 5.0, watch.close])
    assert seen(watch) == [{"A": "1"}, {"A": "50"}]
    assert len(feed.requests) == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, "not_authenticated", NotAuthenticated), (403, "forbidden", Forbidden), (404, "not_found", NotFound),
     (503, "unavailable", Unavailable)],
)  # fmt: skip
def test_the_first_state_raises_what_the_vault_says(
    status: int, code: str, kind: type[StrongroomError], client: Client, feed: FakeFeed
) -> None:
    feed.on("GET", VALUES, problem(status, code))
    watch = client.watch("prod")
    with pytest.raises(kind):
        next(watch)
    assert list(watch) == []
    assert feed.asked == []


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(401, "not_authenticated", NotAuthenticated), (403, "forbidden", Forbidden)]
)
def test_a_refusal_by_the_feed_ends_the_watch(
    status: int, code: str, kind: type[StrongroomError], client: Client, feed: FakeFeed
) -> None:
    feed.on("GET", VALUES, values(A="1"))
    feed.on_stream([hello(), event("end", code="credential_ended", message="…")], problem(status, code, "No."))
    watch = client.watch("prod", jitter_seconds=0)
    next(watch)
    with pytest.raises(kind, match=r"^No\.$") as caught:
        next(watch)
    assert caught.value.request == ("GET", "/api/v1/changes?environment=prod")
    assert feed.ways == ["stream", "stream c0"]
    assert list(watch) == []


def test_a_refusal_of_the_values_ends_the_watch(client: Client, feed: FakeFeed) -> None:
    feed.on("GET", VALUES, values(A="1"), values(A="1"), problem(401, "not_authenticated"))
    feed.on_stream([hello(), changed("c1")])
    watch = client.watch("prod", jitter_seconds=0)
    next(watch)
    with pytest.raises(NotAuthenticated):
        next(watch)
    assert feed.streams[0].is_closed


def test_an_environment_that_is_gone_ends_the_watch(client: Client, feed: FakeFeed) -> None:
    feed.on("GET", VALUES, values(A="1"), values(A="1"), problem(404, "not_found"))
    feed.on_stream([hello(), event("gone", "c1", environment={"id": "e1", "name": "prod"})])
    watch = client.watch("prod", jitter_seconds=0)
    next(watch)
    with pytest.raises(NotFound, match=r"^prod was deleted or renamed, or you have no right to it any more\.$"):
        next(watch)
    assert feed.streams[0].is_closed


def test_a_server_without_a_feed_is_named(client: Client, feed: FakeFeed) -> None:
    feed.on("GET", VALUES, values(A="1"))
    feed.on_stream(problem(404, "not_found"))
    watch = client.watch("prod")
    next(watch)
    with pytest.raises(NotFound, match="no feed of changes"):
        next(watch)


def test_a_cut_stream_is_resumed_at_its_cursor(client: Client, feed: FakeFeed, clock: FakeClock) -> None:
    changes = client.changes(["prod"])
    feed.on_stream(
        [hello(), changed("c1"), event("cursor", "c2"), 20.0, 20.0, LOST],
        Unreachable("down"), Unreachable("down"),
        [hello("c2"), changed("c3"), 31.0, changes.close],
    )  # fmt: skip
    assert [change.cursor for change in changes] == ["c1", "c3"]
    assert feed.ways == ["stream"] + ["stream c2"] * 3
    assert clock.pauses == [1, 2, 4]


def test_pauses_double_up_to_a_minute(client: Client, feed: FakeFeed, clock: FakeClock) -> None:
    changes = client.changes()
    feed.on_stream([hello(), changed("c1"), changes.close])
    next(changes)
    again = client.changes(after="c1")
    feed.on_stream([hello("c1"), LOST], *[Unreachable("down")] * 7, [again.close])
    assert list(again) == []
    assert clock.pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("status", "code"), [(429, "too_many_streams"), (503, "vault_locked")])
def test_a_server_says_when_to_come_back(
    status: int, code: str, client: Client, feed: FakeFeed, clock: FakeClock
) -> None:
    changes = client.changes(after="c1")
    feed.on_stream([hello("c1"), LOST], problem(status, code, retry_after=120), [changes.close])
    assert list(changes) == []
    assert clock.pauses == [1, 120 + 2]


def test_a_drain_is_waited_for_and_is_no_interruption(client: Client, feed: FakeFeed, clock: FakeClock) -> None:
    told: list[StrongroomError | None] = []
    changes = client.changes(after="c1", on_interruption=told.append)
    leaving = b"retry: 7000\n\n" + event("end", code="restart", message="…")
    feed.on_stream([hello("c1"), leaving], [hello("c1"), leaving], [hello("c1"), changes.close])
    assert list(changes) == []
    assert (clock.pauses, told) == ([7 + 1, 7 + 2], [])
    assert feed.ways == ["stream c1"] * 3


@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_cursor_that_is_refused_makes_the_feed_begin_anew(status: int, client: Client, feed: FakeFeed) -> None:
    changes = client.changes(after="old")
    feed.on_stream(problem(status, "cursor_expired"), [hello("c5"), changed("c6"), changes.close])
    assert [(change.type, change.cursor) for change in changes] == [("reset", "c5"), ("change", "c6")]
    assert feed.ways == ["stream old", "stream"]


def test_a_watch_reads_the_values_when_the_feed_began_anew(client: Client, feed: FakeFeed) -> None:
    watch = client.watch("prod", jitter_seconds=0)
    feed.on("GET", VALUES, values(A="1"), values(A="1"), values(A="2"))
    feed.on_stream([hello(), 31.0, LOST], problem(410, "cursor_expired"), [hello("c5"), watch.close])
    assert seen(watch) == [{"A": "1"}, {"A": "2"}]


def test_a_malformed_request_is_not_repeated(client: Client, feed: FakeFeed) -> None:
    feed.on_stream(problem(422, "invalid_input"))
    with pytest.raises(InvalidInput):
        next(client.changes([""]))
    assert len(feed.asked) == 1


@pytest.mark.parametrize("second", [LOST, None], ids=["cut", "ended"])
def test_two_cuts_within_half_a_minute_lead_to_long_polls(
    second: Exception | None, client: Client, feed: FakeFeed, clock: FakeClock
) -> None:
    changes = client.changes()
    cut: list[Step] = [] if second is None else [second]
    feed.on_stream([hello(), 1.0, LOST], [hello(), *cut], [hello("c4"), changes.close])
    feed.on("GET", "/changes?all=true&wait=25&after=c0", page("c1", change_of() | {"type": "change"}))
    feed.poll_seconds = POLL_SECONDS
    feed.on("GET", "/changes?all=true&wait=25&after=c1", page("c1"))
    assert [change.environment_name for change in changes] == ["prod"]
    assert feed.ways[:4] == ["stream", "stream c0", "poll c0", "poll c1"]
    # After ten minutes of polls, a stream is tried again.
    assert feed.ways[-1] == "stream c1"
    assert len(feed.ways) == 3 + 600 // POLL_SECONDS


def test_two_cuts_far_apart_lead_to_no_polls(client: Client, feed: FakeFeed) -> None:
    changes = client.changes()
    feed.on_stream([hello(), LOST], [hello(), 40.0, LOST], [hello(), changes.close])
    assert list(changes) == []
    assert feed.ways == ["stream", "stream c0", "stream c0"]


@pytest.mark.parametrize("ping_seconds", [10, 25])
def test_a_stream_that_is_silent_for_two_pings_and_a_half_leads_to_long_polls(
    ping_seconds: int, client: Client, feed: FakeFeed, clock: FakeClock
) -> None:
    changes = client.changes()
    began = clock.now
    feed.on_stream([hello(ping_seconds=ping_seconds), 2.4 * ping_seconds, b":\n\n", 1000.0])
    feed.on("GET", "/changes?all=true&wait=25&after=c0", page("c1", change_of() | {"type": "change"}))
    next(changes)
    assert feed.ways == ["stream", "poll c0"]
    assert clock.now - began == pytest.approx((2.4 + 2.5) * ping_seconds + 1)


def test_a_proxy_that_keeps_the_head_of_a_stream_back_leads_to_long_polls(client: Client, feed: FakeFeed) -> None:
    late = ConnectionLost("late")
    late.__cause__ = TimeoutError()
    changes = client.changes(after="c0")
    # The first stream ends as the server wishes, so the second one is the only one that fails.
    feed.on_stream([hello(), event("end", code="restart", message="…")], late)
    feed.on("GET", "/changes?all=true&wait=25&after=c0", page("c1", change_of() | {"type": "change"}))
    next(changes)
    assert feed.ways == ["stream c0", "stream c0", "poll c0"]


def test_a_stream_that_lasted_makes_the_pauses_short_again(client: Client, feed: FakeFeed, clock: FakeClock) -> None:
    changes = client.changes(after="c0")
    down = [Unreachable("down")] * 3
    feed.on_stream([hello(), 20.0, LOST], *down, [hello(), 20.0, 20.0, LOST], [hello(), changes.close])
    assert list(changes) == []
    assert clock.pauses == [1, 2, 4, 8, 1]


def test_a_transport_without_streams_polls(clock: FakeClock) -> None:
    server = FakeTransport()
    server.on("GET", "/changes?all=true&wait=25", page("c0"))
    server.on("GET", "/changes?all=true&wait=25&after=c0", page("c1", {"type": "gone", **change_of()}))
    assert next(Client("https://vault.test", "t", transport=server).changes()).type == "gone"


def test_empty_answers_that_come_at_once_are_not_asked_for_in_a_loop(clock: FakeClock) -> None:
    server = FakeTransport()
    server.on("GET", "/changes?all=true&wait=25", page("c0"))
    pages = [page("c0")] * 8 + [page("c1", {"type": "change", **change_of()})]
    server.on("GET", "/changes?all=true&wait=25&after=c0", *pages)
    next(Client("https://vault.test", "t", transport=server).changes())
    assert clock.pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {\n\n", b"data: []\n\n", b'data: {"type": 5}\n\n', b"x" * 70_000, b"data: \xff\n\n",
        event("change", "c1"), changed("c 1"), changed("c1\r\nX-Evil: 1"), changed("c1", affects=5),
        event("hello", "c1", ping_seconds="soon"), b"data: " + b"[" * 5000 + b"\n\n",
    ],
)  # fmt: skip
def test_garbage_is_an_interruption_and_the_cursor_stays(
    garbage: bytes, client: Client, feed: FakeFeed, clock: FakeClock
) -> None:
    told: list[StrongroomError | None] = []
    changes = client.changes(on_interruption=told.append)
    feed.on_stream([hello(), garbage], [garbage], [hello(), changes.close])
    assert list(changes) == []
    assert [type(error) for error in told] == [TransportError, type(None)]
    assert feed.ways == ["stream", "stream c0", "stream c0"]


@pytest.mark.parametrize(
    "wrong",
    [
        Response(200, {"content-type": "text/html"}, b"<html>"),
        Response(302, {"location": "https://evil.test/"}, b""),
        Response(200, {"content-type": "application/json"}, b"{}"),
        Response(502, {"content-type": "text/html"}, b"x" * 100_000),
    ],
)
def test_a_feed_that_begins_with_a_wrong_answer_is_refused(wrong: Response, client: Client, feed: FakeFeed) -> None:
    feed.on_stream(wrong)
    with pytest.raises(StrongroomError) as caught:
        next(client.changes())
    assert type(caught.value) in (TransportError, Unavailable)
    assert len(feed.asked) == 1


def test_a_refusal_without_end_is_not_read_to_its_end(feed: FakeFeed, clock: FakeClock, client: Client) -> None:
    script: list[Step] = [b"x" * 1000] * 1000
    feed.on_stream(script, script)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeStream, "status", 502)
        with pytest.raises(Unavailable):
            next(client.changes())
    assert len(script) > 900


def test_changes_of_a_page_can_be_resumed_and_none_is_missed(clock: FakeClock) -> None:
    server = FakeTransport()
    three = [{"type": "change", **change_of(revision=number)} for number in (1, 2, 3)]
    server.on("GET", "/changes?all=true&wait=25&after=c0", page("c3", *three))
    changes = Client("https://vault.test", "t", transport=server).changes(after="c0")
    assert [next(changes).cursor for _ in three] == ["c0", "c0", "c3"]


def test_a_feed_that_does_not_move_on_is_not_asked_in_a_loop(clock: FakeClock) -> None:
    server = FakeTransport()
    server.on("GET", "/changes?all=true&wait=25", page("c0"))
    same, moved = (page(cursor, {"type": "change", **change_of()}) for cursor in ("c0", "c1"))
    server.on("GET", "/changes?all=true&wait=25&after=c0", same, same, same, moved)
    next(Client("https://vault.test", "t", transport=server).changes())
    assert clock.pauses == [1, 2, 4]


def test_a_page_without_end_is_refused() -> None:
    reader = PageReader()
    for _ in range(16):
        reader.feed(b" " * 1024 * 1024)
    with pytest.raises(TransportError, match="more than"):
        reader.feed(b" ")


def test_messages_and_members_of_a_newer_server_are_ignored(client: Client, feed: FakeFeed) -> None:
    changes = client.changes()
    feed.on_stream([hello(), event("weather", "c1", rain=True), changed("c2", sun=1), changes.close])
    assert [change.cursor for change in changes] == ["c2"]


def test_the_globals_have_no_name(client: Client, feed: FakeFeed) -> None:
    changes = client.changes()
    feed.on_stream([hello(), changed("c1", None), changes.close])
    [change] = changes
    assert (change.environment_name, change.affects) == (None, (None,))


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_an_interruption_is_told_once_and_so_is_its_end(failures: int, client: Client, feed: FakeFeed) -> None:
    told: list[StrongroomError | None] = []
    changes = client.changes(on_interruption=told.append)
    down = [Unreachable(f"down {number}") for number in range(failures - 1)]
    feed.on_stream([hello(), 40.0, LOST], *down, [hello(), changes.close])
    assert list(changes) == []
    assert told == ([] if failures == 1 else [down[0], None])


@pytest.mark.parametrize("error", [Unreachable("down"), LOST, problem(500, "internal"), problem(503, "unavailable")])
def test_values_that_cannot_be_read_now_are_read_later(
    error: Exception | Response, client: Client, feed: FakeFeed, clock: FakeClock
) -> None:
    told: list[StrongroomError | None] = []
    watch = client.watch("prod", jitter_seconds=0, on_interruption=told.append)
    tries = 1 if isinstance(error, Response) and error.status == 500 else 4
    feed.on("GET", VALUES, values(A="1"), values(A="1"), *[error] * tries * 3, values(A="2"))
    feed.on_stream([hello(), changed("c1"), watch.close])
    assert seen(watch) == [{"A": "1"}, {"A": "2"}]
    assert len(told) == 2
    assert told[1] is None
    assert len(clock.pauses) == 3


def test_a_watch_is_closed_by_its_block(client: Client, feed: FakeFeed) -> None:
    feed.on("GET", VALUES, values(A="1"), values(A="2"))
    feed.on_stream([hello(), 5.0])
    with client.watch("prod", jitter_seconds=0) as watch:
        assert [next(watch)["A"], next(watch)["A"]] == ["1", "2"]
        assert [stream.is_closed for stream in feed.streams] == [False]
    assert [stream.is_closed for stream in feed.streams] == [True]
    assert list(watch) == []


def test_changes_begin_before_the_first_is_asked_for(client: Client, feed: FakeFeed) -> None:
    changes = client.changes(["prod"])
    feed.on_stream([hello(), changed("c1"), changes.close])
    changes.begin()
    changes.begin()
    assert feed.ways == ["stream"]
    assert [change.cursor for change in changes] == ["c1"]
    assert feed.ways == ["stream"]


def test_changes_that_come_with_the_beginning_are_kept(client: Client, feed: FakeFeed) -> None:
    changes = client.changes()
    feed.on_stream([hello() + changed("c1"), changed("c2"), changes.close])
    changes.begin()
    assert [change.cursor for change in changes] == ["c1", "c2"]


def test_changes_after_a_cursor_need_no_beginning(client: Client, feed: FakeFeed) -> None:
    client.changes(after="c0").begin()
    assert feed.ways == []


@pytest.mark.parametrize("answered", [problem(404, "not_found"), problem(401, "not_authenticated"), Unreachable("No.")])
def test_a_refusal_of_the_beginning_is_raised(answered: Response | Exception, client: Client, feed: FakeFeed) -> None:
    changes = client.changes(["prod"])
    feed.on_stream(answered)
    with pytest.raises(StrongroomError):
        changes.begin()
    assert list(changes) == []


def test_ctrl_c_closes_the_stream(client: Client, feed: FakeFeed) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    feed.on_stream([hello(), interrupt])
    with pytest.raises(KeyboardInterrupt):
        next(client.changes())
    assert feed.streams[0].is_closed


class Interrupted(Exception):
    """Anything that ends a call from outside, such as a limit of the calling program."""


def test_a_change_is_not_lost_when_the_read_after_it_is_interrupted(client: Client, feed: FakeFeed) -> None:
    watch = client.watch("prod", jitter_seconds=0)
    feed.on("GET", VALUES, values(A="1"), values(A="1"), Interrupted(), values(A="2"))
    feed.on_stream([hello(), changed("c1")])
    next(watch)
    with pytest.raises(Interrupted):
        next(watch)
    assert next(watch)["A"] == "2"


def test_a_change_just_before_the_end_is_told(client: Client, feed: FakeFeed) -> None:
    changes = client.changes(after="c0")
    feed.on_stream([hello(), changed("c1") + event("end", code="restart", message="…")], [hello("c1"), changes.close])
    assert [change.cursor for change in changes] == ["c1"]
    assert feed.ways == ["stream c0", "stream c1"]


def test_a_pause_is_ended_by_close() -> None:
    latch = Latch()
    latch.wait(0.01)
    latch.set()
    latch.set()
    latch.wait(1000)
    latch.wait(1000)
