"""Who calls, and how much each caller may have under way in this worker at once.

A caller is a person, once a credential of theirs has been accepted by this worker. Before that, and without a
credential, it is the network that the call comes from: one IPv4 address, or the first 64 bits of an IPv6 address.

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

from vault.server.budget import Budget
from vault.server.refusal import Refusal, busy, too_many

_CALLERS_MOST = 10_000
"""Callers that are remembered, about 400 bytes each. Those with nothing under way are forgotten, the oldest first."""

_CREDENTIALS_MOST = 20_000
"""Credentials whose person is remembered, about 250 bytes each."""

_BURST_SECONDS = 2.0
"""How many seconds' worth of calls a caller may make at once."""

_COOKIE = b"__Host-strongroom"


class Limits(NamedTuple):
    """What one lane allows: in all, and to each caller. `per_second` is the rate of calls of one caller."""

    in_flight: int
    in_flight_per_caller: int
    per_second: float
    bytes_per_caller: int


class Caller:
    """What one caller has under way."""

    __slots__ = ("budget", "calls_left", "counted_seconds", "in_flight", "key")

    def __init__(self, key: str, limits: Limits, now_seconds: float) -> None:
        self.key = key
        self.in_flight = 0
        self.budget = Budget(limits.bytes_per_caller)
        self.calls_left = limits.per_second * _BURST_SECONDS
        self.counted_seconds = now_seconds

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self.in_flight and not self.budget.held_bytes


class Callers:
    """All callers of one lane."""

    def __init__(self, name: str, limits: Limits, worker_budget: Budget, clock: Callable[[], float]) -> None:
        self.name = name
        self.limits = limits
        self.worker_budget = worker_budget
        self.in_flight = 0
        self._clock = clock
        self._callers: collections.OrderedDict[str, Caller] = collections.OrderedDict()

    def place(self, key: str, connection_budget: Budget) -> Place:
        """A place for one call of the caller `key`; it counts from `Place.admit` on."""
        caller = self._callers.get(key)
        if caller is None:
            if len(self._callers) >= _CALLERS_MOST:
                self._forget_one()
            caller = self._callers[key] = Caller(key, self.limits, self._clock())
        self._callers.move_to_end(key)
        return Place(self, caller, connection_budget)

    def admit(self, caller: Caller) -> None:
        """Count one call more. Raises `Refusal` when the caller, or the lane, has no place."""
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

    def left(self, caller: Caller) -> None:
        """One call has ended."""
        caller.in_flight -= 1
        self.in_flight -= 1

    def _forget_one(self) -> None:
        # At most `in_flight` callers are busy, and those who hold a body besides; nearly always it is the first.
        for key, caller in self._callers.items():
            if caller.is_idle:
                del self._callers[key]
                return


class Place:
    """The place of one call: it lasts until its thread is done and the last byte of its answer has gone."""

    __slots__ = ("_budgets", "_callers", "_held_bytes", "_holders", "_is_admitted", "caller")

    def __init__(self, callers: Callers, caller: Caller, connection_budget: Budget) -> None:
        self.caller = caller
        self._callers = callers
        self._budgets = (callers.worker_budget, caller.budget, connection_budget)
        self._holders = 1
        self._held_bytes = 0
        self._is_admitted = False

    def take(self, size: int) -> Refusal | None:
        """Charge `size` bytes of a body, or tell why there is no room for them."""
        worker, caller, connection = self._budgets
        if not worker.has_room(size):
            return busy("buffers_full")
        if not (caller.has_room(size) and connection.has_room(size)):
            return too_many("caller_bytes")
        self.charge(size)
        return None

    def give_back(self, size: int) -> None:
        """Hold `size` bytes of the body no more."""
        self.charge(-size)

    def charge(self, size: int) -> None:
        """Charge an answer of `size` bytes that has been made."""
        self._held_bytes += size
        for budget in self._budgets:
            budget.charge(size)

    def admit(self) -> None:
        """Count as a call under way. Raises `Refusal`."""
        self._callers.admit(self.caller)
        self._is_admitted = True

    def why_not_now(self) -> Refusal | None:
        """Why no further answer may be made for this caller: too many of the earlier ones wait to be sent."""
        worker, caller, connection = self._budgets
        if caller.is_full or connection.is_full:
            return too_many("caller_bytes")
        return busy("answers_full") if worker.is_full else None

    def hold(self) -> None:
        """Somebody more needs the place."""
        self._holders += 1

    def leave(self) -> None:
        """Somebody needs the place no more; the last one gives everything back."""
        self._holders -= 1
        if self._holders:
            return
        self.charge(-self._held_bytes)
        if self._is_admitted:
            self._callers.left(self.caller)


class Credentials:
    """Which person each credential belongs to, as far as this worker has seen it accepted."""

    def __init__(self) -> None:
        # Only digests are kept, under a key that ends with this process.
        self._key = secrets.token_bytes(32)
        self._people: dict[bytes, str] = {}

    def digest(self, headers: Mapping[bytes, bytes]) -> bytes:
        """The digest of what these headers present, or nothing."""
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
        """The key of the caller that presents this credential from `address`."""
        person = self._people.get(digest)
        if person is not None:
            return person
        return f"new:{network_of(address)}" if digest else network_of(address)

    def learn(self, digest: bytes, person: str) -> None:
        """The application has accepted this credential as `person`'s."""
        if not digest or digest in self._people:
            # What has no digest is no credential that this class knows: all strangers would count as this person.
            return
        if len(self._people) >= _CREDENTIALS_MOST:
            del self._people[next(iter(self._people))]
        self._people[digest] = f"person:{person}"

    def forget(self, digest: bytes) -> None:
        """The application has not accepted this credential: who presents it must not use up the person's share."""
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
    """The network that an address stands for: itself, or for IPv6 its first 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"
    return f"address:{parsed}"
