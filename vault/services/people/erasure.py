"""Erases a person for good. Data is deleted, and rows that must stay are stripped of personal data.

    keys ─ deleted, each with a record ─► nothing that they sealed can be opened again, not even from an older backup
    sessions, tokens, environments ─────► deleted with the person's row
    audit events ───────────────────────► stay, without addresses and digests of names; their commitments stay

All of it is one transaction. The report says what was deleted, and where copies remain that it cannot reach.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from vault.errors import InvalidInput
from vault.keys import JITTER
from vault.model.action import Action
from vault.model.clock import SECOND_US, Clock
from vault.model.folding import fold_username
from vault.model.principal import Principal
from vault.services import audit
from vault.services.people.finding import find_person, held_as_found, keep_an_operator
from vault.services.people.proven import Proven, hold
from vault.services.people.sessions import Sessions
from vault.services.still_valid import require_still_valid
from vault.storage import Storage, UnitOfWork, User

LOG_EMPTIED_US = 900 * SECOND_US
"""The time after which SQLite's log is certainly empty. If readers prevent it now, the purge does it every ten
minutes.
"""


@dataclass(frozen=True, slots=True)
class Remains:
    """A place that still has some of the data, until when (None if this vault cannot know it), and what to do or to
    know.
    """

    place: str
    until_us: int | None
    sentence: str


class Archives(Protocol):
    """Knows which backups of this vault exist."""

    def remains(self, erased_us: int) -> tuple[Remains, ...]:
        """Return the backups that contain what is erased now."""


class UnknownArchives:
    """The answer of a vault that makes no backups itself."""

    def remains(self, erased_us: int) -> tuple[Remains, ...]:
        """Return one place, because no backup is known."""
        told = "Older copies of the database still contain the data. A person needs the master key too to read it."
        return (Remains("backups", None, told),)


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What was erased, in numbers, and what remains where. It contains no names of environments or variables."""

    user_id: str
    erased_us: int
    environments: int
    revisions: int
    user_keys: int
    data_keys: int
    sessions: int
    tokens: int
    audit_events: int
    remains: tuple[Remains, ...] = field(default=())


class Erasure:
    """Erases people."""

    def __init__(
        self, storage: Storage, sessions: Sessions, archives: Archives, clock: Clock, *, key_cache_seconds: int
    ) -> None:
        self._key_cache_seconds = key_cache_seconds
        self._storage = storage
        self._sessions = sessions
        self._archives = archives
        self._clock = clock

    def own(self, unit: UnitOfWork, principal: Principal, proven: Proven) -> ErasureReport:
        """Erase the caller. `proven` is the account that `accounts.prove` returned.

        Raises `BadLogin` if the account has changed since, and `Conflict` for the last operator.
        """
        principal.require_person()
        keep_an_operator(unit, principal, proven.look_up(unit))
        user = hold(unit, proven)
        # Leave the address out of this event: the erasure has just removed it from all others.
        return self._erase(unit, replace(principal, address=""), user)

    def person(self, unit: UnitOfWork, principal: Principal, reference: str, confirmed_name: str) -> ErasureReport:
        """Erase a person by name or id. `confirmed_name` must be the username. For operators.

        Raises `NotFound`, `InvalidInput` for another name, and what `keep_an_operator` raises.
        """
        principal.require_operator()
        user = find_person(unit, reference)
        if fold_username(confirmed_name) != user.name_folded:
            raise InvalidInput("To erase an account for good, repeat its username.", path="confirm")
        keep_an_operator(unit, principal, user, may_be_oneself=False)
        return self._erase(unit, principal, held_as_found(unit, user))

    def _erase(self, unit: UnitOfWork, principal: Principal, user: User) -> ErasureReport:
        require_still_valid(unit, principal)
        now = self._clock()
        tokens = unit.tokens.count(user.id, now)
        sessions = self._sessions.revoke_all(unit, user.id)
        shredded = unit.shredding.person(user.id, now)
        unit.users.remove(user)
        forgotten = audit.forget(unit, user.id)
        counts = {"data_keys": shredded.data_keys, "user_keys": shredded.user_keys}
        audit.record(unit, principal, Action.USER_ERASE, user_id=user.id, details=counts)
        # SQLite's log has the deleted rows until it is emptied. If this process dies before, the purge empties it.
        unit.after_commit(self._storage.empty_log)
        return ErasureReport(
            user_id=user.id,
            erased_us=now,
            environments=shredded.environments,
            revisions=shredded.revisions,
            user_keys=shredded.user_keys,
            data_keys=shredded.data_keys,
            sessions=sessions,
            tokens=tokens,
            audit_events=forgotten,
            remains=(*self._archives.remains(now), *self._near(now)),
        )

    def _near(self, now_us: int) -> tuple[Remains, ...]:
        """Return what remains for a while on the vault's own machines."""
        cached_us = int(self._key_cache_seconds * (1 + JITTER)) * SECOND_US
        database = Remains("database", now_us + LOG_EMPTIED_US, _SQLITE_LOG)
        if not self._storage.is_sqlite:
            database = Remains("database", None, _POSTGRESQL)
        return database, Remains("memory", now_us + cached_us, _MEMORY), Remains("audit", None, _AUDIT)


_SQLITE_LOG = "SQLite overwrites deleted data. Its write-ahead log may contain old pages until it is emptied."
_POSTGRESQL = (
    "PostgreSQL keeps deleted rows in its files until VACUUM FULL has rewritten the tables, and in its write-ahead log "
    "until that is recycled. Somebody who copies them and has the master key can read them."
)
_MEMORY = "Workers may have unwrapped keys in memory. They do not use them for answers."
_AUDIT = "Audit events remain with ids, times and results, but without addresses and names of variables."
