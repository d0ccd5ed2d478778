"""Adding and removing second factors. A person needs a session with a recent proof of identity.

begin ──► what the device needs ──► confirm with the device ──► a row; with the first factor, ten recovery codes
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from vault.errors import BadSecondFactor, Conflict, InvalidInput, NotFound
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.json_types import Json
from vault.model.names import check_label
from vault.model.principal import Principal
from vault.services import audit
from vault.services.people.factors.challenges import ChallengeFacts, Challenges, Purpose
from vault.services.people.factors.factor import Added, Factor, FactorList, PasskeyEnrolment, TotpEnrolment
from vault.services.people.factors.kinds import FactorKind, factors_of
from vault.services.people.factors.passkeys import Passkeys
from vault.services.people.factors.recovery import RecoveryCodes
from vault.services.people.factors.totp import Totp
from vault.services.people.finding import find_person, held_as_found
from vault.services.people.sessions import Sessions
from vault.services.still_valid import require_still_valid
from vault.storage import ColumnValues, Credential, Storage, UnitOfWork, User

FACTORS_MOST = 20
NAME_MAX_CHARACTERS = 64
_DEFAULT_NAMES = {FactorKind.TOTP: "Authenticator app", FactorKind.PASSKEY: "Passkey"}


class Factors:
    """The second factors of all people."""

    def __init__(
        self,
        storage: Storage,
        sessions: Sessions,
        challenges: Challenges,
        totp: Totp,
        passkeys: Passkeys,
        recovery: RecoveryCodes,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self._challenges = challenges
        self._totp = totp
        self._passkeys = passkeys
        self._recovery = recovery
        self._clock = clock

    def list(self, principal: Principal) -> FactorList:
        """Return the caller's second factors."""
        principal.require_person()
        with self._storage.read() as unit:
            user = _existing(unit.users.by_id(principal.user_id))
            items = tuple(_factor(row) for row in factors_of(unit, user.id))
            return FactorList(items, self._recovery.left(unit, user.id), user.second_factor)

    # -- An authenticator app --

    def begin_totp(self, principal: Principal) -> TotpEnrolment:
        """Make a secret for an authenticator app. Raises `StepUpRequired`, and `Conflict` if there are too many
        factors.
        """
        principal.require_recent_proof(self._clock())
        return self._storage.transaction(self._begin_totp, principal)

    def pending_totp(self, principal: Principal, enrolment_id: str) -> TotpEnrolment:
        """Return the result of `begin_totp` again, while it is not confirmed. Raises `NotFound`."""
        principal.require_person()
        with self._storage.read() as unit:
            user = _existing(unit.users.by_id(principal.user_id))
            facts = self._pending(unit, principal, Purpose.TOTP, enrolment_id)
        return self._enrolment(user, enrolment_id, facts)

    def confirm_totp(self, principal: Principal, enrolment_id: str, code: str, name: str = "") -> Added:
        """Add the app, if `code` shows that it has the secret. Raises `NotFound`, `InvalidInput`."""
        principal.require_person()
        name = _checked_name(name, FactorKind.TOTP)
        return self._storage.transaction(self._confirm_totp, principal, enrolment_id, code, name)

    def _begin_totp(self, unit: UnitOfWork, principal: Principal) -> TotpEnrolment:
        user = self._beginner(unit, principal, Purpose.TOTP)
        facts = ChallengeFacts(user_id=user.id, session_id=principal.id, secret=self._totp.new_secret())
        enrolment_id, expires_us = self._challenges.begin(unit, Purpose.TOTP, facts)
        return self._enrolment(user, enrolment_id, replace(facts, expires_us=expires_us))

    def _enrolment(self, user: User, enrolment_id: str, facts: ChallengeFacts) -> TotpEnrolment:
        uri = self._totp.uri(facts.secret, user.name)
        return TotpEnrolment(enrolment_id, facts.expires_us, facts.secret, uri)

    def _confirm_totp(self, unit: UnitOfWork, principal: Principal, enrolment_id: str, code: str, name: str) -> Added:
        user = _held(unit, principal)
        facts = self._pending(unit, principal, Purpose.TOTP, enrolment_id)
        step = self._totp.step_of(facts.secret, code)
        if step is None:
            raise InvalidInput("This code is wrong. Check that the clock of your device is right.", path="code")
        self._use_up(unit, Purpose.TOTP, enrolment_id)
        row_id = str(uuid.uuid4())
        # Store the code's step, so that the confirming code cannot log in as well.
        columns = {**self._totp.columns(user.id, row_id, facts.secret), "counter": step}
        return self._add(unit, principal, user, FactorKind.TOTP, row_id, name, columns)

    # -- A passkey --

    def begin_passkey(self, principal: Principal) -> PasskeyEnrolment:
        """Return what a browser needs to make a passkey. Raises `StepUpRequired`, and `Conflict` if there are too many
        factors.
        """
        principal.require_recent_proof(self._clock())
        return self._storage.transaction(self._begin_passkey, principal)

    def confirm_passkey(
        self, principal: Principal, enrolment_id: str, credential: Mapping[str, Json], name: str = ""
    ) -> Added:
        """Add the passkey that a browser has made. Raises `NotFound`, `InvalidInput`, `Conflict`."""
        principal.require_person()
        name = _checked_name(name, FactorKind.PASSKEY)
        return self._storage.transaction(self._confirm_passkey, principal, enrolment_id, credential, name)

    def _begin_passkey(self, unit: UnitOfWork, principal: Principal) -> PasskeyEnrolment:
        user = self._beginner(unit, principal, Purpose.PASSKEY)
        facts = ChallengeFacts(user_id=user.id, session_id=principal.id)
        options = self._passkeys.creation_options(unit, user, facts.random_bytes)
        enrolment_id, expires_us = self._challenges.begin(unit, Purpose.PASSKEY, facts)
        return PasskeyEnrolment(enrolment_id, expires_us, options)

    def _confirm_passkey(
        self, unit: UnitOfWork, principal: Principal, enrolment_id: str, credential: Mapping[str, Json], name: str
    ) -> Added:
        user = _held(unit, principal)
        facts = self._pending(unit, principal, Purpose.PASSKEY, enrolment_id)
        new = self._passkeys.check_new(credential, facts.random_bytes)
        if self._passkeys.is_known(unit, new):
            raise Conflict("This passkey is already registered.")
        self._use_up(unit, Purpose.PASSKEY, enrolment_id)
        row_id = str(uuid.uuid4())
        return self._add(
            unit, principal, user, FactorKind.PASSKEY, row_id, name, self._passkeys.columns(user.id, row_id, new)
        )

    # -- What there is --

    def remove(self, principal: Principal, factor_id: str) -> None:
        """Remove one of the caller's factors. With the last one, the recovery codes are removed too. Raises
        `NotFound`.
        """
        principal.require_recent_proof(self._clock())
        self._storage.transaction(self._remove, principal, factor_id)

    def new_recovery_codes(self, principal: Principal) -> tuple[str, ...]:
        """Replace the recovery codes with ten new ones, and return them. Raises `StepUpRequired`, `Conflict`."""
        principal.require_recent_proof(self._clock())
        return self._storage.transaction(self._new_recovery_codes, principal)

    def reset(self, unit: UnitOfWork, principal: Principal, reference: str) -> None:
        """Remove all factors of a person who has lost them, by name or id. For operators.

        All sessions of the account end. Raises `NotFound`.
        """
        principal.require_operator()
        user = held_as_found(unit, find_person(unit, reference))
        require_still_valid(unit, principal)
        for row in factors_of(unit, user.id):
            unit.credentials.remove(row)
        self._recovery.drop(unit, user.id)
        unit.challenges.drop_of(user.id)
        unit.users.change(user, second_factor=False)
        self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.FACTOR_RESET, user_id=user.id)

    def _remove(self, unit: UnitOfWork, principal: Principal, factor_id: str) -> None:
        user = self._fresh(unit, principal)
        rows = factors_of(unit, user.id)
        row = next((row for row in rows if row.id == factor_id), None)
        if row is None:
            raise NotFound()
        unit.credentials.remove(row)
        if len(rows) == 1:
            self._recovery.drop(unit, user.id)
            unit.users.change(user, second_factor=False)
            self._sessions.forget_copies(unit, user.id)
        audit.record(unit, principal, Action.FACTOR_REMOVE, details={"kind": row.kind, "id": row.id})

    def _new_recovery_codes(self, unit: UnitOfWork, principal: Principal) -> tuple[str, ...]:
        user = self._fresh(unit, principal)
        if not user.second_factor:
            raise Conflict("Recovery codes replace a lost second factor. Add a second factor first.")
        codes = self._recovery.renew(unit, user.id)
        audit.record(unit, principal, Action.FACTOR_RECOVERY_CODES)
        return codes

    # -- Steps that they share --

    def _beginner(self, unit: UnitOfWork, principal: Principal, purpose: Purpose) -> User:
        user = self._fresh(unit, principal)
        if len(factors_of(unit, user.id)) >= FACTORS_MOST:
            raise Conflict(f"An account can have at most {FACTORS_MOST} second factors. Remove one first.")
        unit.challenges.drop_of(user.id, purpose)
        return user

    def _fresh(self, unit: UnitOfWork, principal: Principal) -> User:
        """Lock and return the person. The principal may come from a cache that is half a minute old."""
        user = _held(unit, principal)
        replace(principal, has_second_factor=user.second_factor).require_recent_proof(self._clock())
        return user

    def _pending(self, unit: UnitOfWork, principal: Principal, purpose: Purpose, enrolment_id: str) -> ChallengeFacts:
        try:
            facts = self._challenges.find(unit, purpose, enrolment_id)
        except BadSecondFactor:
            raise NotFound() from None
        if (facts.user_id, facts.session_id) != (principal.user_id, principal.id):
            raise NotFound()
        return facts

    def _use_up(self, unit: UnitOfWork, purpose: Purpose, enrolment_id: str) -> None:
        try:
            self._challenges.use_up(unit, purpose, enrolment_id)
        except BadSecondFactor:
            raise NotFound() from None

    def _add(
        self,
        unit: UnitOfWork,
        principal: Principal,
        user: User,
        kind: FactorKind,
        row_id: str,
        name: str,
        columns: ColumnValues,
    ) -> Added:
        row = {"id": row_id, "user_id": user.id, "kind": str(kind), "label": name}
        unit.credentials.add(**row, **columns, created_us=self._clock())
        codes: tuple[str, ...] = ()
        if not user.second_factor:
            unit.users.change(user, second_factor=True)
            codes = self._recovery.renew(unit, user.id)
            # The other sessions were started with the password alone. Somebody else may know it, so they end.
            self._sessions.revoke_all(unit, user.id, but=principal.id)
            # The same is true for challenges: a thief of this session's cookie must not add a factor with one.
            unit.challenges.drop_of(user.id)
            self._sessions.forget_copies(unit, user.id)
        audit.record(unit, principal, Action.FACTOR_ADD, details={"kind": str(kind), "id": row_id})
        return Added(Factor(row_id, str(kind), name, self._clock(), None), codes)


def _held(unit: UnitOfWork, principal: Principal) -> User:
    user = _existing(unit.users.by_id(principal.user_id, lock=True))
    require_still_valid(unit, principal)
    return user


def _existing(row: User | None) -> User:
    if row is None:
        raise NotFound()
    return row


def _factor(row: Credential) -> Factor:
    return Factor(row.id, row.kind, row.label, row.created_us, row.used_us)


def _checked_name(name: str, kind: FactorKind) -> str:
    name = name.strip()
    return check_label(name, NAME_MAX_CHARACTERS) if name else _DEFAULT_NAMES[kind]
