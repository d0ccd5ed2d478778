"""Who a call counts for, and what one caller may have under way."""

from __future__ import annotations

import contextlib

import pytest
from werkzeug.sansio.http import parse_cookie

from tests.unit.server.lanes import MUCH
from vault.asgi import Refusal
from vault.model.credential_headers import CREDENTIAL_HEADERS
from vault.server.callers import (
    PROBES_MOST,
    PROBES_OF_NETWORK_MOST,
    Callers,
    Credentials,
    Limits,
    Memory,
    Slot,
    network_of,
    probe_of,
)
from vault.server.memory import MemoryBudget


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(
    in_flight: int = 100,
    per_caller: int = 100,
    per_second: float = 1e6,
    caller_bytes: int = MUCH,
    worker_bytes: int = MUCH,
) -> tuple[Callers, Clock]:
    clock = Clock()
    limits = Limits(in_flight, per_caller, in_flight, per_second)
    return Callers("calls", limits, Memory(MemoryBudget(worker_bytes), caller_bytes), clock), clock


def enter(callers: Callers, key: str, connection_bytes: int = MUCH) -> Slot:
    slot = callers.slot(key, MemoryBudget(connection_bytes))
    slot.admit()
    return slot


def refused(callers: Callers, key: str) -> tuple[int, str, int]:
    with pytest.raises(Refusal) as raised:
        enter(callers, key)
    return raised.value.status, raised.value.cause, raised.value.retry_after_seconds


def test_one_caller_may_have_so_many_calls_under_way_and_others_are_served() -> None:
    callers, _ = make(per_caller=2)
    first, _second = enter(callers, "a"), enter(callers, "a")
    assert refused(callers, "a") == (429, "caller_in_flight", 1)
    enter(callers, "b").release()
    first.release()
    enter(callers, "a")


def test_all_callers_together_may_have_so_many_calls_under_way() -> None:
    callers, _ = make(in_flight=2)
    for key in "ab":
        enter(callers, key)
    assert refused(callers, "c") == (503, "calls_full", 1)


def fill(callers: Callers, prefix: str, calls: int = 32) -> int:
    """Let callers of one kind have as many calls under way as they may, each up to `calls`. Returns how many came."""
    for number in range(200):
        admitted = 0
        for _ in range(calls):
            try:
                enter(callers, f"{prefix}{number}")
            except Refusal:
                break
            admitted += 1
        if not admitted:
            return number
    raise AssertionError("The lane never gets full.")


def default_lane() -> Callers:
    limits = Limits(in_flight=128, in_flight_per_caller=32, strangers_in_flight=64, per_second=1e6)
    return Callers("calls", limits, Memory(MemoryBudget(MUCH), MUCH), Clock())


@pytest.mark.parametrize("first", ["person:", "address:"])
def test_four_accounts_and_an_address_with_all_their_calls_keep_no_other_caller_out(first: str) -> None:
    callers = default_lane()
    greedy = [f"person:{number}" for number in range(4)]
    for key in [*greedy, "address:0"] if first == "person:" else ["address:0", *greedy]:
        for _ in range(32):
            with contextlib.suppress(Refusal):
                enter(callers, key)
    assert refused(callers, "person:0")[0] in (429, 503)
    for number in range(5, 10):
        enter(callers, f"person:{number}").release()
        enter(callers, f"address:{number}").release()


def test_it_takes_twenty_accounts_to_fill_a_lane() -> None:
    assert fill(default_lane(), "person:") == 20


def test_strangers_cannot_fill_what_people_left() -> None:
    callers = default_lane()
    for number in range(4):
        for _ in range(32):
            with contextlib.suppress(Refusal):
                enter(callers, f"person:{number}")
    assert fill(callers, "address:") == 8
    enter(callers, "person:5")


def test_a_place_is_free_when_all_who_hold_it_have_left() -> None:
    callers, _ = make(per_caller=1)
    slot = enter(callers, "a")
    slot.retain()
    slot.release()
    assert refused(callers, "a")[0] == 429
    slot.release()
    assert callers.in_flight == 0
    enter(callers, "a")


def test_a_caller_makes_two_seconds_worth_of_calls_at_once_and_then_so_many_a_second() -> None:
    callers, clock = make(per_second=10)
    for _ in range(20):
        enter(callers, "a").release()
    assert refused(callers, "a") == (429, "caller_rate", 1)
    enter(callers, "b").release()
    clock.now += 0.35
    for _ in range(3):
        enter(callers, "a").release()
    assert refused(callers, "a")[1] == "caller_rate"
    clock.now += 3600
    for _ in range(20):
        enter(callers, "a").release()
    assert refused(callers, "a")[1] == "caller_rate"


def test_unsent_answers_keep_a_caller_from_making_more_and_not_others() -> None:
    callers, _ = make(caller_bytes=100)
    first = enter(callers, "a")
    first.charge(100)
    why = enter(callers, "a").refusal_if_full()
    assert why is not None
    assert (why.status, why.cause) == (429, "caller_bytes")
    assert enter(callers, "b").refusal_if_full() is None
    first.release()
    assert enter(callers, "a").refusal_if_full() is None


def test_unsent_answers_of_all_callers_are_bounded_too_and_refused_with_503() -> None:
    callers, _ = make(worker_bytes=100)
    enter(callers, "a").charge(60)
    enter(callers, "b").charge(60)
    why = enter(callers, "c").refusal_if_full()
    assert why is not None
    assert (why.status, why.cause, why.retry_after_seconds) == (503, "answers_full", 1)


def test_one_connection_holds_so_many_bytes_whoever_calls_on_it() -> None:
    callers, _ = make()
    connection = MemoryBudget(100)
    callers.slot("a", connection).charge(100)
    assert callers.slot("b", connection).refusal_if_full() is not None
    assert callers.slot("b", MemoryBudget(100)).refusal_if_full() is None


def test_everything_that_a_place_was_charged_comes_back() -> None:
    callers, _ = make()
    connection = MemoryBudget(MUCH)
    slot = callers.slot("a", connection)
    assert slot.take(10) is None
    slot.charge(90)
    slot.give_back(4)
    charged = (*callers.memory.common("a"), slot.caller.budget, connection)
    assert [budget.held_bytes for budget in charged] == [96] * 4
    slot.release()
    assert [budget.held_bytes for budget in charged] == [0] * 4


def test_callers_with_nothing_under_way_are_forgotten_and_busy_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server.callers._CALLERS_MOST", 3)
    callers, _ = make(per_caller=1)
    enter(callers, "busy")
    for number in range(50):
        enter(callers, f"idle-{number}").release()
    assert len(callers._callers) == 3
    assert refused(callers, "busy")[1] == "caller_in_flight"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::9", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "not an address", True),
    ],
)
def test_an_ipv6_address_counts_by_its_first_64_bits(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


@pytest.mark.parametrize(
    "headers",
    [
        *({name.lower().encode(): b"srm_t_x"} for name in CREDENTIAL_HEADERS if name != "Cookie"),
        {b"cookie": b"a=b; __Host-strongroom=srm_s_x; c=d"},
    ],
)
def test_a_credential_counts_for_its_person_once_it_was_accepted(headers: dict[bytes, bytes]) -> None:
    credentials = Credentials()
    digest = credentials.digest(headers)
    assert credentials.caller(digest, "192.0.2.1") == "address:192.0.2.1"
    credentials.learn(digest, "ada")
    assert credentials.caller(digest, "198.51.100.7") == "person:ada"
    credentials.forget(digest)
    assert credentials.caller(digest, "192.0.2.1") == "address:192.0.2.1"


def test_without_a_credential_a_call_counts_for_its_address() -> None:
    credentials = Credentials()
    for headers in ({}, {b"cookie": b"a=b"}):
        assert credentials.caller(credentials.digest(headers), "192.0.2.1") == "address:192.0.2.1"


def test_other_cookies_do_not_change_whose_a_call_is() -> None:
    digest = Credentials().digest
    keep = Credentials()
    one = keep.digest({b"cookie": b"__Host-strongroom=x"})
    assert keep.digest({b"cookie": b"lang=de; __Host-strongroom=x; y=z"}) == one
    assert digest({b"cookie": b"__Host-strongroom=x"}) != one


def test_only_so_many_credentials_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server.callers._CREDENTIALS_MOST", 2)
    credentials = Credentials()
    digests = [credentials.digest({b"authorization": b"%d" % number}) for number in range(3)]
    for digest in digests:
        credentials.learn(digest, "ada")
    assert [credentials.caller(digest, "x")[:6] for digest in digests] == ["addres", "person", "person"]


@pytest.mark.parametrize(
    "cookies",
    [
        b"__Host-strongroom =x",
        b"\t__Host-strongroom\t=\tx",
        b"a=b;__Host-strongroom= x ",
        b"x__Host-strongroom=y; __Host-strongroom=x",
        b"__Host-strongroom=x; __Host-strongroom=y",
    ],
)
def test_the_session_is_the_one_that_the_application_reads(cookies: bytes) -> None:
    assert parse_cookie(cookies.decode())["__Host-strongroom"].strip() == "x"
    credentials = Credentials()
    credentials.learn(credentials.digest({b"cookie": b"__Host-strongroom=x"}), "ada")
    assert credentials.caller(credentials.digest({b"cookie": cookies}), "192.0.2.1") == "person:ada"


def test_nobody_without_a_credential_ever_counts_as_a_person() -> None:
    credentials = Credentials()
    credentials.learn(credentials.digest({b"cookie": b"other=x"}), "mallory")
    assert credentials.caller(credentials.digest({}), "192.0.2.1") == "address:192.0.2.1"


# -- Strangers --


def lanes(in_flight: int = 8, per_caller: int = 4, worker_bytes: int = 1000) -> tuple[Callers, Callers]:
    """A lane of calls and one of logins, over the memory of one worker, of which each caller may have a quarter."""
    memory = Memory(MemoryBudget(worker_bytes), worker_bytes // 4)
    calls = Limits(in_flight, per_caller, in_flight // 2, 1e6)
    logins = Limits(in_flight, per_caller, in_flight, 1e6)
    return Callers("calls", calls, memory, Clock()), Callers("login", logins, memory, Clock())


def keys_of(address: str) -> set[str]:
    """Every key under which a stranger at one address can be known, without a credential and with made-up ones."""
    credentials = Credentials()
    headers: list[dict[bytes, bytes]] = [{}, {b"authorization": b"Bearer x"}, {b"cookie": b"__Host-strongroom=x"}]
    return {credentials.caller(credentials.digest(each), address) for each in headers}


def test_one_address_has_one_share_whatever_it_presents_and_in_whichever_lane() -> None:
    calls, logins = lanes()
    for key in keys_of("192.0.2.1") | keys_of("::ffff:192.0.2.1"):
        for lane in (calls, logins):
            lane.slot(key, MemoryBudget(MUCH)).take(100)
    why = calls.slot("address:192.0.2.1", MemoryBudget(MUCH)).take(100)
    assert why is not None
    assert why.cause == "caller_bytes"
    assert calls.slot("address:192.0.2.2", MemoryBudget(MUCH)).take(100) is None


def test_strangers_of_any_number_of_addresses_leave_half_of_the_memory_to_people() -> None:
    calls, logins = lanes()
    refusals = [
        lane.slot(f"address:192.0.2.{number}", MemoryBudget(MUCH)).take(50)
        for number in range(20)
        for lane in (calls, logins)
    ]
    assert sum(refusal is None for refusal in refusals) == 10
    assert all(calls.slot(f"person:{name}", MemoryBudget(MUCH)).take(200) is None for name in ("ada", "bob"))


def test_strangers_of_any_number_of_addresses_leave_half_of_the_places_to_people() -> None:
    calls, _ = lanes()
    for _ in range(4):
        enter(calls, "address:192.0.2.1")
    assert refused(calls, "address:192.0.2.1")[:2] == (429, "caller_in_flight")
    # Half is gone, and the first call of a network has a place all the same.
    for number in (2, 3):
        enter(calls, f"address:192.0.2.{number}")
        assert refused(calls, f"address:192.0.2.{number}")[:2] == (503, "strangers_full")
    assert refused(calls, "address:192.0.2.4")[:2] == (503, "strangers_full")
    for name in ("ada", "bob"):
        enter(calls, f"person:{name}")


def test_no_flood_takes_the_places_of_probes_and_no_flood_of_probes_takes_others() -> None:
    calls, _ = lanes()
    for number in range(8):
        enter(calls, f"person:{number}")
    assert refused(calls, "person:ada")[1] == "calls_full"
    for _ in range(PROBES_OF_NETWORK_MOST):
        assert enter(calls, probe_of("192.0.2.1")).take(50) is None
    assert refused(calls, probe_of("192.0.2.1"))[1] == "caller_in_flight"
    calls, _ = lanes()
    for number in range(PROBES_MOST):
        enter(calls, probe_of(f"192.0.2.{number}"))
    assert refused(calls, probe_of("192.0.2.99"))[1] == "probes_full"
    enter(calls, "address:192.0.2.99")
