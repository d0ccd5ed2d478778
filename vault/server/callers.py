"""Who is calling, and how much each caller may do at once in this worker.

A caller is a person, once this worker has accepted one of their credentials. Before that, and without a credential,
the caller is the network of the call: one IPv4 address, or the first 64 bits of an IPv6 address.

    credential → digest ─┬─ accepted before → the person it belongs to
                         ├─ not yet         → "new", and the network
                         └─ none            → the network
"""

from __future__ import annotations

import collections
import functools
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from vault.server.memory import MemoryBudget
from vault.server.refusal import Refusal, busy, too_many

_CALLERS_MOST = 10_000
"""Callers kept in memory, about 400 bytes each. Past this number the oldest idle caller is dropped."""

_CREDENTIALS_MOST = 20_000
"""Credentials kept in memory with their person, about 250 bytes each."""

_BURST_SECONDS = 2.0
"""A caller may make this many seconds' worth of calls at once."""

_COOKIE = b"__Host-strongroom"


class Limits(NamedTuple):
    """The limits of one lane: in all, and for each caller. `per_second` is calls per second of one caller."""

    in_flight: int
    in_flight_per_caller: int
    per_second: float
    bytes_per_caller: int


class Caller:
    """One caller: its calls in progress, and the memory held for it."""

    __slots__ = ("budget", "calls_left", "counted_seconds", "in_flight", "key")

    def __init__(self, key: str, limits: Limits, now_seconds: float) -> None:
        self.key = key
        self.in_flight = 0
        self.budget = MemoryBudget(limits.bytes_per_caller)
        self.calls_left = limits.per_second * _BURST_SECONDS
        self.counted_seconds = now_seconds

    @property
    def is_idle(self) -> bool:
        """Whether no call is in progress and no memory is held."""
        return not self.in_flight and not self.budget.held_bytes


class Callers:
    """All callers of one lane."""

    def __init__(self, name: str, limits: Limits, worker_budget: MemoryBudget, clock: Callable[[], float]) -> None:
        self.name = name
        self.limits = limits
        self.worker_budget = worker_budget
        self.in_flight = 0
        self._clock = clock
        self._callers: collections.OrderedDict[str, Caller] = collections.OrderedDict()

    def slot(self, key: str, connection_budget: MemoryBudget) -> Slot:
        """A slot for one call of the caller `key`. It counts as a call in progress after `Slot.admit`."""
        caller = self._callers.get(key)
        if caller is None:
            if len(self._callers) >= _CALLERS_MOST:
                self._forget_one()
            caller = self._callers[key] = Caller(key, self.limits, self._clock())
        self._callers.move_to_end(key)
        return Slot(self, caller, connection_budget)

    def admit(self, caller: Caller) -> None:
        """Count one more call. Raises `Refusal` when the caller or the lane has too many."""
        limits = self.limits
        if self.in_flight >= limits.in_flight:
            raise busy(f"{self.name}_full")
        if caller.in_flight >= limits.in_flight_per_caller:
            raise too_many("caller_in_flight")
        now = self._clock()
        earned = (now - caller.counted_seconds) * limits.per_second
        left = min(caller.calls_left + earned, limits.per_second * _BURST_SECONDS)
        caller.counted_seconds = now
        caller.calls_left = left
        if left < 1.0:
            raise too_many("caller_rate")
        caller.calls_left = left - 1.0
        caller.in_flight += 1
        self.in_flight += 1

    def ended(self, caller: Caller) -> None:
        """Count one call fewer."""
        caller.in_flight -= 1
        self.in_flight -= 1

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

    __slots__ = ("_budgets", "_callers", "_held_bytes", "_holders", "_is_admitted", "caller")

    def __init__(self, callers: Callers, caller: Caller, connection_budget: MemoryBudget) -> None:
        self.caller = caller
        self._callers = callers
        self._budgets = (callers.worker_budget, caller.budget, connection_budget)
        self._holders = 1
        self._held_bytes = 0
        self._is_admitted = False

    def take(self, size: int) -> Refusal | None:
        """Charge `size` bytes of a body. Returns a refusal, and charges nothing, where they do not fit."""
        worker, caller, connection = self._budgets
        if not worker.has_room(size):
            return busy("buffers_full")
        if not (caller.has_room(size) and connection.has_room(size)):
            return too_many("caller_bytes")
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
        for budget in self._budgets:
            budget.charge(size)

    def admit(self) -> None:
        """Count as a call in progress. Raises `Refusal`."""
        self._callers.admit(self.caller)
        self._is_admitted = True

    def refusal_if_full(self) -> Refusal | None:
        """A refusal when too many earlier answers still wait to be sent; otherwise None."""
        worker, caller, connection = self._budgets
        if caller.is_full or connection.is_full:
            return too_many("caller_bytes")
        return busy("answers_full") if worker.is_full else None

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
        # Only digests are kept, under a key that this process never stores.
        self._key = secrets.token_bytes(32)
        self._people: dict[bytes, str] = {}

    def digest(self, headers: Mapping[bytes, bytes]) -> bytes:
        """The digest of the credentials in these headers; empty if there are none."""
        parts = (
            headers.get(b"authorization", b""),
            headers.get(b"x-vault-token", b""),
            headers.get(b"x-api-key", b""),
            _session(headers.get(b"cookie", b"")),
        )
        if not any(parts):
            return b""
        return blake2b(b"\0".join(parts), key=self._key, digest_size=16).digest()

    def caller(self, digest: bytes, address: str) -> str:
        """The caller's key, for a call with this credential from `address`."""
        person = self._people.get(digest)
        if person is not None:
            return person
        return f"new:{network_of(address)}" if digest else network_of(address)

    def learn(self, digest: bytes, person: str) -> None:
        """Note that the application accepted this credential as `person`'s."""
        if not digest or digest in self._people:
            # Without a digest there is no credential here, and all strangers would count as this person.
            return
        if len(self._people) >= _CREDENTIALS_MOST:
            del self._people[next(iter(self._people))]
        self._people[digest] = f"person:{person}"

    def forget(self, digest: bytes) -> None:
        """Note that the application refused this credential: calls with it must not use up the person's share."""
        self._people.pop(digest, None)


def _session(cookies: bytes) -> bytes:
    # The first of this name with blanks around it, as Werkzeug reads it.
    for field in cookies.split(b";"):
        name, _, value = field.partition(b"=")
        if name.strip() == _COOKIE:
            return value.strip()
    return b""


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The network of an address: an IPv4 address itself, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"
    return f"address:{parsed}"
