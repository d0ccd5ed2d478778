"""Sessions. The database has the truth; Redis has a short-lived sealed copy.

authenticate: copy in Redis (younger than 30 s) ── otherwise ──► database ──► a new copy
revoke:       database ──► commit ──► a tombstone over the copy, so that a late fill cannot restore it
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from vault.crypto import TokenKind, context, digest, key_id_of, matches, mint, parse, same_digest
from vault.errors import BlobError, NewerFormat, NotAuthenticated, NotFound
from vault.model.action import Action
from vault.model.clock import SECOND_US, Clock
from vault.model.person import Person
from vault.model.principal import Duty, Principal, PrincipalKind, Role, vault_itself
from vault.services import audit
from vault.services.environments.documents import known_members, read_document
from vault.services.own.instance import Instance
from vault.services.people.devices import Devices
from vault.services.people.finding import person_of
from vault.services.people.proven import Proven, hold
from vault.services.people.session_rules import SessionRules
from vault.services.people.visit import Visit
from vault.services.touches import Touches
from vault.storage import FoundSession, HotReads, Session, SessionCache, Storage, UnitOfWork, User
from vault.storage.session_cache import CACHE_SECONDS

CACHE_LIFE_US = CACHE_SECONDS * SECOND_US
AGENT_MAX_CHARACTERS = 256
ENDED_MOST = 200
"""How many ended sessions of a person are kept until the purge, to look them up."""
RETRY_US = 600 * SECOND_US
"""How long the secret of a replaced session still gets the stored answer of the call that replaced it."""

_TOLD_MOST = 10
_PURPOSE = "session"


@dataclass(frozen=True, slots=True)
class CachedSession:
    """The cached members of a session, as its next call needs them. The digest is hexadecimal."""

    id: str
    digest: str
    digest_key_id: str
    kind: str
    authenticated_us: int
    factors: str
    seen_us: int
    idle_seconds: int
    expires_us: int
    revoked_us: int | None


@dataclass(frozen=True, slots=True)
class CachedUser:
    """The cached members of a session's user."""

    id: str
    name: str
    role: str
    state: str
    second_factor: bool
    must_change_password: bool


_CACHED_OF_SESSION = tuple(each.name for each in fields(CachedSession))
_CACHED_OF_USER = tuple(each.name for each in fields(CachedUser))


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session, as the person sees it. `factors` are the proofs of its login."""

    id: str
    kind: str
    factors: tuple[str, ...]
    created_us: int
    seen_us: int
    idle_seconds: int
    expires_us: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just started. Its secret is shown once."""

    session: SessionView
    user: Person
    secret: str = field(repr=False)
    recovery_codes_left: int | None = None
    """How many recovery codes are left, after a login with one. The person must be told."""
    device: str = field(default="", repr=False)
    """The cookie by which this browser vouches for the person at the next login. Empty for an API session."""


class Sessions:
    """The sessions of all people."""

    def __init__(
        self,
        storage: Storage,
        hot: HotReads,
        instance: Instance,
        cache: SessionCache,
        touches: Touches,
        devices: Devices,
        clock: Clock,
        rules: SessionRules,
    ) -> None:
        self._rules = rules
        self._storage = storage
        self._hot = hot
        self._instance = instance
        self._cache = cache
        self._touches = touches
        self._devices = devices
        self._clock = clock

    def begin(
        self,
        unit: UnitOfWork,
        account: User | Proven,
        visit: Visit,
        factors: str = "password",
    ) -> NewSession:
        """Start a session for a user who has just proven `factors`.

        Raises what `hold` raises.
        """
        # A login with a second factor holds the account already. The faces call this with a proof alone.
        return self._begin(unit, hold(unit, account), visit, factors)

    def _begin(self, unit: UnitOfWork, user: User, visit: Visit, factors: str) -> NewSession:
        self._make_room(unit, user)
        minted = mint(TokenKind.SESSION)
        now, key = self._clock(), self._instance.secret("token")
        unit.sessions.add(
            id=minted.id,
            user_id=user.id,
            kind=visit.kind,
            digest=digest(key, minted.text),
            digest_key_id=key.id,
            authenticated_us=now,
            factors=factors,
            created_us=now,
            seen_us=now,
            idle_seconds=self._rules.idle_seconds,
            expires_us=now + self._rules.absolute_seconds * SECOND_US,
            address=visit.address,
            agent=visit.agent[:AGENT_MAX_CHARACTERS],
            revoked_us=None,
        )
        row = unit.sessions.by_id(minted.id)
        if row is None:
            raise NotFound()
        details = {"factors": factors, "kind": visit.kind}
        actor = _principal(row, user, visit.address, visit.request_id)
        audit.record(unit, actor, Action.SESSION_BEGIN, details=details)
        device = self._devices.issue(user) if visit.kind == "web" else ""
        return NewSession(_view(row), person_of(user), minted.text, device=device)

    def _make_room(self, unit: UnitOfWork, user: User) -> None:
        """End the person's least recently used session if there are too many, and delete the oldest ended sessions. The
        login itself must not fail.
        """
        now = self._clock()
        living, ended = unit.sessions.counts(user.id, now)
        if living >= self._rules.quota:
            rows = sorted(unit.sessions.hold_living(user.id, now), key=lambda row: (row.seen_us, row.id))
            over = rows[: living - self._rules.quota + 1]
            self._revoke(unit, over)
            details = {"because": "limit", "sessions": [row.id for row in over[:_TOLD_MOST]]}
            audit.record(unit, vault_itself("login"), Action.SESSION_REVOKE, user_id=user.id, details=details)
        if ended > ENDED_MOST:
            unit.sessions.trim_ended(user.id, ENDED_MOST, now)

    def replace(
        self, unit: UnitOfWork, principal: Principal, account: User | Proven, visit: Visit, factors: str = "password"
    ) -> NewSession:
        """Replace the caller's session with a new one. After a step-up, the old id no longer works."""
        user = hold(unit, account)
        self._revoke(unit, [self._own(unit, principal, principal.id)])
        return self._begin(unit, user, visit, factors)

    def authenticate(self, text: str, kind: str, address: str, request_id: str, *, is_use: bool = True) -> Principal:
        """Return the principal of a session secret. Raises `NotAuthenticated`, the same for every cause.

        A call that is no use of the session does not put off its idle end.
        """
        parsed = parse(text)
        if parsed.kind is not TokenKind.SESSION:
            raise NotAuthenticated()
        found = self._cached(parsed.id) or self._stored(parsed.id)
        session, user, newest_change = found or (None, None, None)
        if not self._is_secret(text, session) or session is None or user is None:
            raise NotAuthenticated()
        now = self._clock()
        if session.kind != kind:
            raise NotAuthenticated()
        _require_usable(session, user, now)
        if is_use:
            self._touches.session(session.id, session.seen_us, now)
        return self._known(session, user, address, request_id, newest_change)

    def again(self, before: Principal) -> tuple[Principal, Session]:
        """Return the principal of a session that was authenticated before, as the database has it now, and the session.

        It is a use of a session of the API, but not of a web session. Raises `NotAuthenticated` for every cause.
        """
        found = self._hot.session(before.id)
        if found is None or not any(same_digest(each, found.session.digest) for each in before.presented_digests):
            raise NotAuthenticated()
        session, user, newest_change = found
        now = self._clock()
        _require_usable(session, user, now)
        if session.kind == "api":
            self._touches.session(session.id, session.seen_us, now)
        return self._known(session, user, before.address, before.request_id, newest_change), session

    def _known(
        self,
        session: Session | CachedSession,
        user: User | CachedUser,
        address: str,
        request_id: str,
        newest_change: int | None,
    ) -> Principal:
        known = _principal(session, user, address, request_id, newest_change)
        return replace(known, duties=duties) if (duties := self._duties(user)) else known

    def authenticate_ended(self, text: str, kind: str, address: str, request_id: str) -> Principal:
        """Return the principal of a session that ended within the last ten minutes: for the retry of a call that has
        replaced it. Raises `NotAuthenticated`, the same for every cause.
        """
        parsed = parse(text)
        found = self._hot.session(parsed.id) if parsed.kind is TokenKind.SESSION else None
        if not self._is_secret(text, found.session if found else None) or found is None or found.session.kind != kind:
            raise NotAuthenticated()
        ended_us = found.session.revoked_us
        # A call with a second factor replaces no session.
        if ended_us is None or self._clock() - ended_us > RETRY_US or found.user.second_factor:
            raise NotAuthenticated()
        if found.user.state != "active":
            raise NotAuthenticated()
        return replace(_principal(found.session, found.user, address, request_id), has_ended=True)

    def list(self, principal: Principal) -> list[SessionView]:
        """Return the caller's active sessions."""
        principal.require_person()
        with self._storage.read() as unit:
            living = unit.sessions.living(principal.user_id, self._clock())
        now = self._clock()
        return [_view(row) for row in living if now - row.seen_us <= row.idle_seconds * SECOND_US]

    def revoke(self, unit: UnitOfWork, principal: Principal, session_id: str) -> None:
        """End one of the caller's sessions. Raises `NotFound`."""
        principal.require_person()
        self._revoke(unit, [self._own(unit, principal, session_id)])
        audit.record(unit, principal, Action.SESSION_REVOKE)

    def revoke_all(self, unit: UnitOfWork, user_id: str, *, but: str | None = None) -> int:
        """End a user's sessions, except one. Returns how many. For other services, which have checked the
        permission.
        """
        rows = [row for row in unit.sessions.hold_living(user_id, self._clock()) if row.id != but]
        self._revoke(unit, rows)
        return len(rows)

    def forget_copies(self, unit: UnitOfWork, user_id: str) -> None:
        """Drop the copies of a user's sessions: they have an older state of the account, and other duties. For other
        services, which have checked the permission.
        """
        keys = [self._cache_key(row.id) for row in unit.sessions.living(user_id, self._clock())]
        unit.after_commit(lambda: self._cache.bury(keys))

    def _duties(self, user: User | CachedUser) -> tuple[Duty, ...]:
        is_operator, demanded = user.role == Role.OPERATOR, self._rules.second_factor_of
        is_demanded = demanded == "all" or (demanded == "operators" and is_operator)
        duties = (
            (Duty.PASSWORD, is_operator and user.must_change_password),
            (Duty.SECOND_FACTOR, is_demanded and not user.second_factor),
        )
        return tuple(duty for duty, is_due in duties if is_due)

    def _own(self, unit: UnitOfWork, principal: Principal, session_id: str) -> Session:
        row = unit.sessions.by_id(session_id, lock=True)
        if row is None or row.user_id != principal.user_id or row.revoked_us is not None:
            raise NotFound()
        return row

    def _revoke(self, unit: UnitOfWork, rows: Iterable[Session]) -> None:
        keys = []
        for row in rows:
            unit.sessions.change(row, revoked_us=self._clock())
            keys.append(self._cache_key(row.id))
        # Delete all copies in one call, so that a Redis that hangs costs only one timeout.
        unit.after_commit(lambda: self._cache.bury(keys))

    def _is_secret(self, text: str, session: Session | CachedSession | None) -> bool:
        key_id = session.digest_key_id if session else ""
        key = self._instance.secret_by_id("token", key_id) or self._instance.secret("token")
        return matches(key, text, _digest_of(session) if session else None)

    def _stored(self, session_id: str) -> FoundSession | None:
        asked_us = self._clock()
        found = self._hot.session(session_id)
        if found is not None and found.session.revoked_us is None:
            self._fill(found.session, found.user, asked_us)
        return found

    def _cached(self, session_id: str) -> tuple[CachedSession, CachedUser, None] | None:
        """Return the copy. It has no number of the newest change, which would be too old."""
        blob = self._cache.get(self._cache_key(session_id))
        if blob is None:
            return None
        try:
            if key_id_of(blob) != self._instance.system_key_id:
                # The copy is older than a key rotation. After a leak, old copies in Redis must not work.
                return None
            place = context.cache_entry(self._instance.id, _PURPOSE, session_id)
            copy = read_document(self._instance.open_blob(place, key_id_of(blob), blob))
        except (BlobError, NewerFormat):
            # A tombstone, foreign data in Redis, or a newer release's copy. All of them are misses.
            return None
        age = self._clock() - copy["filled_us"]
        if not 0 <= age <= CACHE_LIFE_US:
            return None
        if not (copy["session"].keys() >= set(_CACHED_OF_SESSION) and copy["user"].keys() >= set(_CACHED_OF_USER)):
            # An older release wrote it, without all the members that are needed here.
            return None
        return known_members(CachedSession, copy["session"]), known_members(CachedUser, copy["user"]), None

    def _fill(self, session: Session, user: User, asked_us: int) -> None:
        """Store a copy of what the database was asked for at `asked_us`. It is as old as that, however slow this is."""
        facts = {name: getattr(session, name) for name in _CACHED_OF_SESSION} | {"digest": session.digest.hex()}
        person = {name: getattr(user, name) for name in _CACHED_OF_USER}
        copy = {"filled_us": asked_us, "session": facts, "user": person}
        place = context.cache_entry(self._instance.id, _PURPOSE, session.id)
        self._cache.fill(self._cache_key(session.id), self._instance.seal(place, json.dumps(copy).encode()))

    def _cache_key(self, session_id: str) -> str:
        return "strongroom:" + self._instance.digest("session cache", session_id).hex()


def _digest_of(session: Session | CachedSession) -> bytes:
    return bytes.fromhex(session.digest) if isinstance(session.digest, str) else session.digest


def _require_usable(session: Session | CachedSession, user: User | CachedUser, now: int) -> None:
    """Raise `NotAuthenticated` for a session that has ended, or was idle for too long, and for a disabled account."""
    idle = now - session.seen_us > session.idle_seconds * SECOND_US
    if idle or session.expires_us <= now or session.revoked_us is not None or user.state != "active":
        raise NotAuthenticated()


def _view(row: Session) -> SessionView:
    return SessionView(
        id=row.id,
        kind=row.kind,
        factors=tuple(row.factors.split()),
        created_us=row.created_us,
        seen_us=row.seen_us,
        idle_seconds=row.idle_seconds,
        expires_us=row.expires_us,
        address=row.address,
        agent=row.agent,
    )


def _principal(
    session: Session | CachedSession,
    user: User | CachedUser,
    address: str,
    request_id: str,
    newest_change: int | None = None,
) -> Principal:
    return Principal(
        PrincipalKind.SESSION,
        session.id,
        user.id,
        user.name,
        Role(user.role),
        authenticated_us=session.authenticated_us,
        factors=tuple(session.factors.split()),
        has_second_factor=user.second_factor,
        address=address,
        request_id=request_id,
        presented_digests=(_digest_of(session),),
        newest_change=newest_change,
    )
