"""Slows down guesses at passwords and codes, without ever locking out the owner of an account.

| what is counted                | limit of failures in 15 minutes | above the limit                     |
|--------------------------------|---------------------------------|-------------------------------------|
| one account from one address   | 10                              | refused until the window has passed |
| one account from anywhere      | 20                              | one attempt at a time, ever slower  |
| one address at any account     | 50                              | one attempt at a time, ever slower  |
| all accounts from anywhere     | 1,000                           | each address at most every 2 s      |
| one account's second factor    | 100 in a day                    | refused until the day has passed    |

Only the first limit applies to an address from which the owner has logged in within the last 30 days. An attempt is
counted before its password is checked, and taken back if it was correct, so that many at once are all counted.

Second factors have their own counters for the account. A correct password does not reset them, because somebody who
knows the password could guess for ever. There are a million codes, and three are valid at a time: 100 guesses a day
find one in about ten years.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from vault.errors import TooManyRequests
from vault.model.clock import CLOCKS_DIFFER_US, DAY_US, SECOND_US, Clock
from vault.model.folding import fold_address
from vault.services.own.instance import Instance
from vault.storage import FailureCounter, UnitOfWork

WINDOW_US = 15 * 60 * SECOND_US
PAIR_FAILURES = 10
ACCOUNT_FAILURES = 20
ADDRESS_FAILURES = 50
OVERALL_FAILURES = 1000
DAILY_FACTOR_FAILURES = 100
SLOWEST_SECONDS = 60
OVERALL_SECONDS = 2
COUNTERS_MOST = 100_000
"""The limit of all counters: about 20 MB. Each attempt hashes a password, so filling it takes longer than a counter
lives.
"""
_LOOK_EVERY = 256
REMEMBERED_US = 30 * DAY_US


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login attempt: the counters that it belongs to, as keyed digests."""

    pair: bytes
    account: bytes
    address: bytes
    overall: bytes
    daily: bytes | None = None
    """The counter of an account's failed second factors within a day. None for a password."""

    @property
    def buckets(self) -> list[bytes]:
        """Return all counters. Every transaction locks them in this order."""
        daily = [self.daily] if self.daily else []
        return sorted([self.pair, self.account, self.address, self.overall, *daily])


class Throttle:
    """Counts failures in the database, so the counts are shared by workers and survive restarts and a lost Redis."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def admit(self, unit: UnitOfWork, username_folded: str, address: str, user_id: str | None) -> Attempt:
        """Count an attempt before its password is checked. Raises `TooManyRequests`."""
        address = fold_address(address)
        attempt = Attempt(
            self._bucket("pair", username_folded, address),
            self._bucket("account", username_folded),
            self._bucket("address", address),
            self._bucket("overall"),
        )
        return self._admit(unit, attempt, user_id)

    def admit_factor(self, unit: UnitOfWork, user_id: str, address: str) -> Attempt:
        """Count an attempt before its second factor is checked. Raises `TooManyRequests`."""
        address = fold_address(address)
        attempt = Attempt(
            self._bucket("factor pair", user_id, address),
            self._bucket("factor account", user_id),
            self._bucket("address", address),
            self._bucket("overall"),
            self._bucket("factor daily", user_id),
        )
        return self._admit(unit, attempt, user_id)

    def succeeded(self, unit: UnitOfWork, attempt: Attempt, user_id: str, *, is_whole: bool = True) -> None:
        """Take the attempt back. If the login `is_whole`, remember the address as one of the owner's."""
        for bucket in attempt.buckets:
            if bucket == attempt.pair:
                unit.throttle.clear(bucket)
            else:
                unit.throttle.take_back(bucket)
        if is_whole:
            unit.known_addresses.note(user_id, attempt.address, self._clock())

    def _admit(self, unit: UnitOfWork, attempt: Attempt, user_id: str | None) -> Attempt:
        counters = unit.throttle.read(attempt.buckets)
        now = self._clock()
        # Run the same statement for a user who does not exist. Otherwise the response time would show this.
        known = unit.known_addresses.has(user_id or "", attempt.address, now - REMEMBERED_US)
        wait_us = max(_refusals(attempt, counters, now, known=known))
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

    def _bucket(self, kind: str, *parts: str) -> bytes:
        return self._instance.digest(f"throttle {kind}", *parts)


def _refusals(attempt: Attempt, counters: dict[bytes, FailureCounter], now: int, *, known: bool) -> list[int]:
    """Return how long each limit makes this attempt wait, in microseconds, or 0."""
    # Ignore a counter that starts in the future: a clock was ahead, and it must not refuse logins until then.
    counters = {bucket: row for bucket, row in counters.items() if row.window_us <= now + CLOCKS_DIFFER_US}
    living = {bucket: row for bucket, row in counters.items() if row.window_us > now - WINDOW_US}
    waits: list[int] = [_refused(living.get(attempt.pair), PAIR_FAILURES, WINDOW_US, now)]
    if known:
        return waits
    if attempt.daily:
        waits.append(_refused(counters.get(attempt.daily), DAILY_FACTOR_FAILURES, DAY_US, now))
    waits.append(_slowed(living.get(attempt.account), ACCOUNT_FAILURES, now))
    waits.append(_slowed(living.get(attempt.address), ADDRESS_FAILURES, now))
    overall, address = living.get(attempt.overall), living.get(attempt.address)
    if overall and address and overall.failures >= OVERALL_FAILURES:
        waits.append(min(int(address.last_us) - now, 0) + OVERALL_SECONDS * SECOND_US)
    return waits


def _refused(row: FailureCounter | None, threshold: int, window_us: int, now: int) -> int:
    if row is None or row.failures < threshold:
        return 0
    return max(0, int(row.window_us) + window_us - now)


def _slowed(row: FailureCounter | None, threshold: int, now: int) -> int:
    if row is None or row.failures < threshold:
        return 0
    seconds = min(SLOWEST_SECONDS, 2 ** min(row.failures - threshold, 10))
    return min(int(row.last_us) - now, 0) + int(seconds) * SECOND_US
