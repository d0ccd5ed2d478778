"""Callers: who makes a call, and how much each caller may do at once in this worker.

A caller is a person, once this worker has accepted one of their credentials. Before that, and without a credential,
the caller is the network of the call: one IPv4 address, or the first 64 bits of an IPv6 address.

    credential → digest ─┬─ accepted before → the person it belongs to
                         └─ not yet, or none → the network: a stranger

All strangers together have half of a worker's memory and of its places (three quarters for networks with one call),
because a stranger has as many networks as they can pay for. The last places are for callers with no call in progress,
so that a few callers with many calls do not keep all others out. A balancer's probes have a few places of their own, so
that no flood makes them fail.
"""

from __future__ import annotations

import collections
import functools
import secrets
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple
from weakref import WeakValueDictionary

from vault.asgi import Refusal
from vault.model.credential_headers import CREDENTIAL_HEADERS, session_cookie
from vault.model.folding import fold_address
from vault.model.networks import parse_address
from vault.model.rate_limit import RateLimit
from vault.server.memory import MemoryBudget
from vault.server.refusal import busy, too_many

_CALLERS_MOST = 10_000
"""Callers kept in memory, about 400 bytes each. Past this number the oldest idle caller is dropped."""

_CREDENTIALS_MOST = 20_000
"""Credentials kept in memory with their person, about 250 bytes each."""

_BURST_SECONDS = 2.0
"""A caller may make this many seconds' worth of calls at once."""

_RESERVED_SHARE = 8
"""The last eighth of a lane's places is for callers with no call in progress, and half of that for persons only.
Otherwise four persons with many calls could block all others.
"""

_HEADERS = tuple(name.lower().encode() for name in CREDENTIAL_HEADERS if name != "Cookie")

_PERSON = "person:"
_PROBE = "probe:"

PROBES_MOST = 32
"""The most probes in one lane at once, from all networks."""
PROBES_OF_NETWORK_MOST = 4
_PROBES_SHARE = 16
"""Probes may use this part of the worker's memory in addition to it."""


class Limits(NamedTuple):
    """The limits of one lane: in all, for each caller, and for all strangers. `per_second` is calls of one caller."""

    in_flight: int
    in_flight_per_caller: int
    strangers_in_flight: int
    per_second: float


class Memory:
    """The memory of a worker, shared by its callers in all lanes."""

    def __init__(self, worker: MemoryBudget, bytes_per_caller: int) -> None:
        self._worker = worker
        self._bytes_per_caller = bytes_per_caller
        self._strangers = MemoryBudget(worker.limit_bytes // 2)
        self._probes = MemoryBudget(max(worker.limit_bytes // _PROBES_SHARE, 1024 * 1024))
        # A budget exists as long as a lane keeps its caller.
        self._own: WeakValueDictionary[str, MemoryBudget] = WeakValueDictionary()

    def own(self, key: str) -> MemoryBudget:
        """Return the budget of the caller `key`."""
        budget = self._own.get(key)
        if budget is None:
            budget = self._own[key] = MemoryBudget(self._bytes_per_caller)
        return budget

    def common(self, key: str) -> tuple[MemoryBudget, ...]:
        """Return the budget that the caller `key` shares with others."""
        if key.startswith(_PROBE):
            return (self._probes,)
        return (self._worker,) if key.startswith(_PERSON) else (self._worker, self._strangers)


class Group:
    """Callers that share a number of places. A few more places are for callers with no call in progress."""

    def __init__(self, name: str, most: int, per_caller: int, *, for_first_calls: int = 0) -> None:
        self.name = name
        self.per_caller = per_caller
        self.in_flight = 0
        self._most = most
        self._for_first_calls = for_first_calls

    def is_full_for(self, caller: Caller) -> bool:
        """Report whether the group has no room for one more call of this caller."""
        return self.in_flight >= self._most + (0 if caller.in_flight else self._for_first_calls)


class Caller:
    """One caller: its calls in progress, and the memory held for it."""

    __slots__ = ("budget", "group", "in_flight", "key", "rate_limit")

    def __init__(self, key: str, group: Group, budget: MemoryBudget, limits: Limits, now_seconds: float) -> None:
        self.key = key
        self.group = group
        self.in_flight = 0
        self.budget = budget
        self.rate_limit = RateLimit(limits.per_second, limits.per_second * _BURST_SECONDS, now_seconds)

    @property
    def is_idle(self) -> bool:
        """Whether no call is in progress and no memory is held."""
        return not self.in_flight and not self.budget.held_bytes


class Callers:
    """All callers of one lane."""

    def __init__(self, name: str, limits: Limits, memory: Memory, clock: Callable[[], float]) -> None:
        self.name = name
        self.limits = limits
        self.memory = memory
        self._persons = Group(name, limits.in_flight, limits.in_flight_per_caller)
        # Otherwise two networks could block all others.
        first = limits.strangers_in_flight // 2
        self._strangers = Group(
            "strangers", limits.strangers_in_flight, limits.in_flight_per_caller, for_first_calls=first
        )
        self._probes = Group("probes", PROBES_MOST, PROBES_OF_NETWORK_MOST)
        self._clock = clock
        self._callers: collections.OrderedDict[str, Caller] = collections.OrderedDict()

    @property
    def in_flight(self) -> int:
        """Calls in progress, probes included."""
        return self._persons.in_flight + self._strangers.in_flight + self._probes.in_flight

    def slot(self, key: str, connection_budget: MemoryBudget) -> Slot:
        """Return a slot for one call of the caller `key`. It counts as a call in progress after `Slot.admit`."""
        caller = self._callers.get(key)
        if caller is None:
            if len(self._callers) >= _CALLERS_MOST:
                self._forget_one()
            own = self.memory.own(key)
            caller = self._callers[key] = Caller(key, self._group(key), own, self.limits, self._clock())
        self._callers.move_to_end(key)
        return Slot(self, caller, connection_budget)

    def admit(self, caller: Caller) -> None:
        """Count one more call. Raises `Refusal` when the caller, its group or the lane has too many."""
        group = caller.group
        if group is not self._probes and self._persons.in_flight + self._strangers.in_flight >= self._most_for(caller):
            raise busy(f"{self.name}_full")
        if caller.in_flight >= group.per_caller:
            raise too_many("caller_in_flight")
        if group.is_full_for(caller):
            raise busy(f"{group.name}_full")
        if not caller.rate_limit.allows(self._clock()):
            raise too_many("caller_rate")
        caller.in_flight += 1
        group.in_flight += 1

    def _most_for(self, caller: Caller) -> int:
        """Return how many places of the lane may be taken before this caller's next call."""
        most = self.limits.in_flight
        reserve = most // _RESERVED_SHARE
        if caller.in_flight:
            return most - reserve
        return most if caller.group is self._persons else most - reserve // 2

    def _group(self, key: str) -> Group:
        if key.startswith(_PERSON):
            return self._persons
        return self._probes if key.startswith(_PROBE) else self._strangers

    def ended(self, caller: Caller) -> None:
        """Count one call fewer."""
        caller.in_flight -= 1
        caller.group.in_flight -= 1

    def _forget_one(self) -> None:
        # Only callers with a call or a body in progress are busy, so the loop nearly always ends at the first one.
        for key, caller in self._callers.items():
            if caller.is_idle:
                del self._callers[key]
                return


class Slot:
    """One call of a caller, until its thread is done and the last byte of its answer is sent.

    It is counted by its holders: `retain` adds one, `release` removes one, and the last one gives everything back.
    """

    __slots__ = ("_callers", "_common", "_held_bytes", "_holders", "_is_admitted", "_own", "caller")

    def __init__(self, callers: Callers, caller: Caller, connection_budget: MemoryBudget) -> None:
        self.caller = caller
        self._callers = callers
        self._common = callers.memory.common(caller.key)
        self._own = (caller.budget, connection_budget)
        self._holders = 1
        self._held_bytes = 0
        self._is_admitted = False

    def take(self, size: int) -> Refusal | None:
        """Charge `size` bytes of a body. If they do not fit, charges nothing and returns a refusal."""
        if not all(budget.has_room(size) for budget in self._own):
            return too_many("caller_bytes")
        if not all(budget.has_room(size) for budget in self._common):
            return busy("buffers_full")
        self.charge(size)
        return None

    @property
    def is_charged(self) -> bool:
        """Whether anything is charged for this call."""
        return self._held_bytes > 0

    def give_back(self, size: int) -> None:
        """Stop charging for `size` bytes of a body."""
        self.charge(-size)

    def charge(self, size: int) -> None:
        """Charge `size` bytes of a finished answer."""
        self._held_bytes += size
        for budget in (*self._common, *self._own):
            budget.charge(size)

    def admit(self) -> None:
        """Count as a call in progress. Raises `Refusal`."""
        self._callers.admit(self.caller)
        self._is_admitted = True

    def refusal_if_full(self) -> Refusal | None:
        """Return a refusal when too many earlier answers still wait to be sent; otherwise None."""
        if any(budget.is_full for budget in self._own):
            return too_many("caller_bytes")
        return busy("answers_full") if any(budget.is_full for budget in self._common) else None

    def retain(self) -> None:
        """Add a holder."""
        self._holders += 1

    def release(self) -> None:
        """Remove a holder. The last one gives everything back."""
        self._holders -= 1
        if self._holders:
            return
        self.charge(-self._held_bytes)
        if self._is_admitted:
            self._callers.ended(self.caller)


class Credentials:
    """The person of each credential that this worker has seen accepted."""

    def __init__(self) -> None:
        # Keep only digests, made with a key that this process never stores.
        self._key = secrets.token_bytes(32)
        self._people: dict[bytes, str] = {}

    def digest(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Return the digest of the credentials in these headers; empty if there are none."""
        # Other cookies change while the session stays the same.
        parts = [session_cookie(headers.get(b"cookie", b"")), *(headers.get(name, b"") for name in _HEADERS)]
        if not any(parts):
            return b""
        return blake2b(b"\0".join(parts), key=self._key, digest_size=16).digest()

    def caller(self, digest: bytes, address: str) -> str:
        """Return the caller's key, for a call with this credential from `address`."""
        return self._people.get(digest) or network_of(address)

    def learn(self, digest: bytes, person: str) -> None:
        """Note that the application accepted this credential as `person`'s."""
        if not digest or digest in self._people:
            # Without a digest there is no credential here, and all strangers would count as this person.
            return
        if len(self._people) >= _CREDENTIALS_MOST:
            del self._people[next(iter(self._people))]
        self._people[digest] = person_key(person)

    def forget(self, digest: bytes) -> None:
        """Note that the application refused this credential: calls with it must not use up the person's share."""
        self._people.pop(digest, None)


def person_key(person: str) -> str:
    """Return the caller's key of a person who is known by id."""
    return f"{_PERSON}{person}"


def probe_of(address: str) -> str:
    """Return the caller's key, for a probe of the server's health from `address`."""
    return f"{_PROBE}{network_of(address)}"


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network of an address: an IPv4 address itself, or the first 64 bits of an IPv6 address."""
    return "address:unknown" if parse_address(address) is None else f"address:{fold_address(address)}"
