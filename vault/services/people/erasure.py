"""Erasure of a person for good: what is theirs is deleted, and what cannot be deleted loses what tells of them.

    keys ─ deleted, each with a record ─► nothing that they sealed opens again, and no older backup brings it back
    sessions, tokens, environments ─────► deleted with the person's row
    events of the audit ────────────────► stay; addresses and digests of names go, their commitments keep the tree whole

All of it is one transaction. The report tells what went, and where copies lie that no transaction reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from vault.errors import InvalidInput
from vault.keys import JITTER
from vault.model.action import Action
from vault.model.folding import fold_username
from vault.model.principal import Principal
from vault.services import audit
from vault.services.clock import SECOND_US, Clock
from vault.services.people.finding import find_person, held_as_found, keep_an_operator
from vault.services.people.sessions import Sessions, hold
from vault.settings import Settings
from vault.storage import Storage, UnitOfWork, User

LOG_EMPTIED_US = 900 * SECOND_US
"""Within which SQLite's log is surely emptied: the purge does so every ten minutes, if readers kept us from it."""


@dataclass(frozen=True, slots=True)
class Remains:
    """A place that still holds some of it, up to when (None: nobody here can tell), and what to do or to know."""

    place: str
    until_us: int | None
    sentence: str


class Archives(Protocol):
    """Whoever knows which backups of this vault there are."""

    def remains(self, unit: UnitOfWork, erased_us: int) -> tuple[Remains, ...]:
        """The backups that hold what is erased at this moment."""


class UnknownArchives:
    """The answer of a vault that makes no backups by itself."""

    def remains(self, unit: UnitOfWork, erased_us: int) -> tuple[Remains, ...]:
        """One place, of which nothing is known."""
        told = "Copies of the database from before this moment hold it, for whoever has the master key too."
        return (Remains("backups", None, told),)


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What was erased, in numbers, and what remains where. Names of environments and variables are not among it."""

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
        self, settings: Settings, storage: Storage, sessions: Sessions, archives: Archives, clock: Clock
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._sessions = sessions
        self._archives = archives
        self._clock = clock

    def own(self, unit: UnitOfWork, principal: Principal, proven: User) -> ErasureReport:
        """Erase oneself. `proven` is the account as `accounts.prove` has found it; `BadLogin` if it has changed since.

        Raises `Conflict` for the last operator.
        """
        principal.require_person()
        keep_an_operator(unit, principal, proven)
        hold(unit, proven)
        # The event must not tell the address that the erasure has just taken out of all the others.
        return self._erase(unit, replace(principal, address=""), proven)

    def person(self, unit: UnitOfWork, principal: Principal, reference: str, confirmed_name: str) -> ErasureReport:
        """Erase somebody, by name or id, with the name once more. For operators.

        Raises `NotFound`, `InvalidInput` for another name, and `Conflict` as `keep_an_operator`.
        """
        principal.require_operator()
        user = find_person(unit, reference)
        if fold_username(confirmed_name) != user.name_folded:
            raise InvalidInput("To erase an account for good, give its username once more.", path="confirm")
        keep_an_operator(unit, principal, user, may_be_oneself=False)
        return self._erase(unit, principal, held_as_found(unit, user))

    def _erase(self, unit: UnitOfWork, principal: Principal, user: User) -> ErasureReport:
        now = self._clock()
        tokens = unit.tokens.count(user.id, now)
        sessions = self._sessions.revoke_all(unit, user.id)
        shredded = unit.shredding.person(user.id, now)
        unit.users.remove(user)
        forgotten = audit.forget(unit, user.id)
        counts = {"data_keys": shredded.data_keys, "user_keys": shredded.user_keys}
        audit.record(unit, principal, Action.USER_ERASE, user_id=user.id, details=counts)
        # Deleted rows lie in SQLite's log until it is emptied; if this process dies before, the purge does it.
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
            remains=(*self._archives.remains(unit, now), *self._near(now)),
        )

    def _near(self, now_us: int) -> tuple[Remains, ...]:
        """What lies on the vault's own machines for a while."""
        cached_us = int(self._settings.key_cache_seconds * (1 + JITTER)) * SECOND_US
        database = Remains("database", now_us + LOG_EMPTIED_US, _SQLITE_LOG)
        if not self._storage.is_sqlite:
            database = Remains("database", None, _POSTGRESQL)
        return database, Remains("memory", now_us + cached_us, _MEMORY), Remains("audit", None, _AUDIT)


_SQLITE_LOG = "SQLite overwrites what was deleted; its write-ahead log may hold old pages until it is emptied."
_POSTGRESQL = (
    "PostgreSQL keeps deleted rows in its files until VACUUM FULL has rewritten the tables, and in its write-ahead log "
    "until that is recycled: whoever copies those, and has the master key too, can read them."
)
_MEMORY = "Workers may hold unwrapped keys in memory; they answer nobody with them."
_AUDIT = "Events stay with ids, times and results; addresses and names of variables are gone from them."
