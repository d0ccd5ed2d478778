"""Slows down guesses at passwords and codes, without ever locking out the owner of an account.

| what is counted                | limit of failures in 15 minutes | above the limit                     |
|--------------------------------|---------------------------------|-------------------------------------|
| one account from one address   | 10                              | refused until the window has passed |
| one account from anywhere      | 20                              | one attempt at a time, ever slower  |
| one address at any account     | 50                              | one attempt at a time, ever slower  |
| all accounts from anywhere     | 1,000                           | each address at most every 2 s      |
| one account's second factor    | 100 in a day                    | refused until the day has passed    |
| what vouches for the person    | 5                               | one attempt at a time, ever slower  |
| the same                       | 20                              | it does not vouch until the window  |
|                                |                                 | has passed                          |

Only the first limit, and the limit of a day, apply to an address from which the owner has logged in within the last 30
days. What vouches for the person (see `devices.py`) replaces the limits above it: strangers at the owner's address
cannot use it up. An attempt is counted before its password is checked, and taken back if it was correct, so that many
at once are all counted.

Second factors have their own counters for the account. A correct password does not reset them, because somebody who
knows the password could guess for ever. There are a million codes, and three are valid at a time: 100 guesses a day
find one in about ten years. The addresses from which the owner has never logged in share the count of a day. Each
known address, and what vouches, has a count of its own, so that guesses from elsewhere do not lock out the owner.

A client whose address is unknown shares it with strangers. Such an address is never remembered as the owner's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import Enum, auto

from vault.errors import TooManyRequests
from vault.model.clock import CLOCKS_DIFFER_US, DAY_US, SECOND_US, Clock
from vault.model.folding import fold_address
from vault.model.networks import parse_address
from vault.services.own.instance import Instance
from vault.storage import FailureCounter, UnitOfWork

WINDOW_US = 15 * 60 * SECOND_US
PAIR_FAILURES = 10
ACCOUNT_FAILURES = 20
ADDRESS_FAILURES = 50
OVERALL_FAILURES = 1000
DAILY_FACTOR_FAILURES = 100
SLOWEST_SECONDS = 60
VOUCHED_FAILURES = 5
VOUCHED_SLOWEST_SECONDS = 30
VOUCHED_MOST = 20
OVERALL_SECONDS = 2
COUNTERS_MOST = 100_000
"""The limit of all counters: about 20 MB. Each attempt hashes a password, so filling it takes longer than a counter
lives.
"""
_LOOK_EVERY = 256
REMEMBERED_US = 30 * DAY_US


class Trust(Enum):
    """Why an attempt may be the owner's."""

    NONE = auto()
    ADDRESS = auto()
    """The owner has logged in from this address."""
    VOUCHED = auto()
    """A cookie or a session vouches for the owner."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login attempt: the counters that it belongs to, as keyed digests."""

    near: bytes
    """The counter of this account at this address, or of what vouches for the person."""
    account: bytes
    address: bytes
    overall: bytes
    daily: bytes | None = None
    """The counter of an account's failed second factors within a day. None for a password."""
    trust: Trust = Trust.NONE

    @property
    def buckets(self) -> list[bytes]:
        """Return all counters. Every transaction locks them in this order."""
        daily = [self.daily] if self.daily else []
        return sorted([self.near, self.account, self.address, self.overall, *daily])


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is guessed: the password of a name, or a second factor of an account."""

    kind: str
    name: str
    user_id: str


class Throttle:
    """Counts failures in the database, so the counts are shared by workers and survive restarts and a lost Redis."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def admit(
        self, unit: UnitOfWork, username_folded: str, address: str, user_id: str | None, voucher: str = ""
    ) -> Attempt:
        """Count an attempt before its password is checked. Raises `TooManyRequests`."""
        return self._admit(unit, _Subject("", username_folded, user_id or ""), address, voucher)

    def admit_factor(self, unit: UnitOfWork, user_id: str, address: str, voucher: str = "") -> Attempt:
        """Count an attempt before its second factor is checked. Raises `TooManyRequests`."""
        return self._admit(unit, _Subject("factor ", user_id, user_id), address, voucher)

    def succeeded(
        self, unit: UnitOfWork, attempt: Attempt, user_id: str, address: str, *, is_whole: bool = True
    ) -> None:
        """Take the attempt back. If the login `is_whole`, remember the address as one of the owner's."""
        for bucket in attempt.buckets:
            if bucket == attempt.near:
                unit.throttle.clear(bucket)
            else:
                unit.throttle.take_back(bucket)
        if is_whole:
            self.remember(unit, user_id, address)

    def remember(self, unit: UnitOfWork, user_id: str, address: str) -> None:
        """Remember the address of a login as one of the owner's."""
        if parse_address(address) is not None:
            unit.known_addresses.note(user_id, self._address(address), self._clock())

    def _admit(self, unit: UnitOfWork, subject: _Subject, address: str, voucher: str) -> Attempt:
        now = self._clock()
        # Run the same statement for a user who does not exist. Otherwise the response time would show this.
        known = unit.known_addresses.has(subject.user_id, self._address(address), now - REMEMBERED_US)
        known = known and parse_address(address) is not None
        plain = self._from_address(subject, address, Trust.ADDRESS if known else Trust.NONE)
        vouched = self._vouched(subject, address, voucher) if voucher else plain
        counters = unit.throttle.read(sorted({*plain.buckets, *vouched.buckets}))
        attempt = plain if _is_used_up(vouched, counters, now) else vouched
        wait_us = max(_refusals(attempt, counters, now))
        if wait_us > 0:
            raise TooManyRequests(
                "There were too many failed attempts. Wait before you try again.",
                retry_after_seconds=-(-wait_us // SECOND_US),
            )
        for bucket in attempt.buckets:
            unit.throttle.fail(bucket, now, DAY_US if bucket == attempt.daily else WINDOW_US)
        if secrets.randbelow(_LOOK_EVERY) == 0:
            unit.throttle.trim(COUNTERS_MOST)
        return attempt

    def _from_address(self, subject: _Subject, address: str, trust: Trust) -> Attempt:
        place = fold_address(address)
        pair = self._bucket(f"{subject.kind}pair", subject.name, place)
        return self._attempt(subject, address, pair, (place,) if trust is Trust.ADDRESS else (), trust)

    def _vouched(self, subject: _Subject, address: str, voucher: str) -> Attempt:
        near = self._bucket(f"{subject.kind}vouched", subject.user_id, voucher)
        return self._attempt(subject, address, near, (voucher,), Trust.VOUCHED)

    def _attempt(self, subject: _Subject, address: str, near: bytes, whence: tuple[str, ...], trust: Trust) -> Attempt:
        return Attempt(
            near,
            self._bucket(f"{subject.kind}account", subject.name),
            self._address(address),
            self._bucket("overall"),
            self._bucket("factor daily", subject.user_id, *whence) if subject.kind else None,
            trust,
        )

    def _address(self, address: str) -> bytes:
        return self._bucket("address", fold_address(address))

    def _bucket(self, kind: str, *parts: str) -> bytes:
        return self._instance.digest(f"throttle {kind}", *parts)


def _refusals(attempt: Attempt, counters: dict[bytes, FailureCounter], now: int) -> list[int]:
    """Return how long each limit makes this attempt wait, in microseconds, or 0."""
    near, daily = _counter(attempt.near, counters, WINDOW_US, now), _counter(attempt.daily, counters, DAY_US, now)
    waits = [_refused(daily, DAILY_FACTOR_FAILURES, DAY_US, now)]
    if attempt.trust is Trust.VOUCHED:
        return [*waits, _slowed(near, VOUCHED_FAILURES, VOUCHED_SLOWEST_SECONDS, now)]
    waits.append(_refused(near, PAIR_FAILURES, WINDOW_US, now))
    if attempt.trust is Trust.ADDRESS:
        return waits
    account, address, overall = (
        _counter(bucket, counters, WINDOW_US, now) for bucket in (attempt.account, attempt.address, attempt.overall)
    )
    waits.append(_slowed(account, ACCOUNT_FAILURES, SLOWEST_SECONDS, now))
    waits.append(_slowed(address, ADDRESS_FAILURES, SLOWEST_SECONDS, now))
    if overall and address and overall.failures >= OVERALL_FAILURES:
        waits.append(min(int(address.last_us) - now, 0) + OVERALL_SECONDS * SECOND_US)
    return waits


def _is_used_up(attempt: Attempt, counters: dict[bytes, FailureCounter], now: int) -> bool:
    """Report whether what vouches has failed too often. It may be stolen, so it is ignored for a while."""
    near, daily = _counter(attempt.near, counters, WINDOW_US, now), _counter(attempt.daily, counters, DAY_US, now)
    return bool(near and near.failures >= VOUCHED_MOST) or bool(daily and daily.failures >= DAILY_FACTOR_FAILURES)


def _counter(
    bucket: bytes | None, counters: dict[bytes, FailureCounter], window_us: int, now: int
) -> FailureCounter | None:
    """Return a counter whose window has not passed."""
    row = counters.get(bucket) if bucket else None
    # Ignore a counter that starts in the future: a clock was ahead, and it must not refuse logins until then.
    return row if row is not None and now - window_us < row.window_us <= now + CLOCKS_DIFFER_US else None


def _refused(row: FailureCounter | None, threshold: int, window_us: int, now: int) -> int:
    if row is None or row.failures < threshold:
        return 0
    return max(0, int(row.window_us) + window_us - now)


def _slowed(row: FailureCounter | None, threshold: int, slowest_seconds: int, now: int) -> int:
    if row is None or row.failures < threshold:
        return 0
    seconds = min(slowest_seconds, 2 ** min(row.failures - threshold, 10))
    return min(int(row.last_us) - now, 0) + int(seconds) * SECOND_US
