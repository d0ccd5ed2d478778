"""Login and step-up: the only way from a password, a second factor or a passkey to a session.

    password ─right─┬─ nothing else is needed ─────────────────────────────────────► session
                    └─ Challenge ── second factor ─────────────────────────────────► session
    passkey alone ──── challenge for an unknown person ── passkey with user verification ──► session

An attempt is counted before it is checked, and a challenge is used up in the transaction that starts the session: of
several calls at once, only one gets it. Every failure looks the same to the caller, and is recorded in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vault.errors import (
    BadLogin,
    BadSecondFactor,
    InvalidInput,
    NotFound,
    SecondFactorRequired,
)
from vault.model.action import Action
from vault.model.json_types import Json
from vault.model.principal import Principal, vault_itself
from vault.services import audit
from vault.services.people.accounts import Accounts
from vault.services.people.counting import counted
from vault.services.people.devices import Devices
from vault.services.people.factors.challenges import Challenge, ChallengeFacts, Challenges, Purpose
from vault.services.people.factors.kinds import FactorKind, is_required, offered
from vault.services.people.factors.passkeys import Passkeys
from vault.services.people.factors.recovery import RecoveryCodes
from vault.services.people.factors.totp import Totp
from vault.services.people.proven import hold
from vault.services.people.sessions import NewSession, Sessions
from vault.services.people.throttle import Attempt, Throttle
from vault.services.people.visit import Visit
from vault.storage import Storage, UnitOfWork, User


@dataclass(frozen=True, slots=True)
class Proof:
    """The proof that completes a challenge. Exactly one field is set."""

    code: str = field(default="", repr=False)
    recovery_code: str = field(default="", repr=False)
    passkey: Mapping[str, Json] | None = field(default=None, repr=False)

    def kind(self) -> FactorKind:
        """Return which proof it is. Raises `InvalidInput` if there is none, or more than one."""
        given = {FactorKind.TOTP: self.code, FactorKind.RECOVERY: self.recovery_code, FactorKind.PASSKEY: self.passkey}
        kinds = [kind for kind, value in given.items() if value]
        if len(kinds) != 1:
            raise InvalidInput("Give exactly one of code, recovery_code and passkey.")
        # Refused before it is counted as an attempt: it is a slip, and its shape says nothing about the account.
        if self.code.strip("0123456789 "):
            raise InvalidInput(
                "The code of an authenticator app has digits only. A recovery code goes into the field for recovery "
                "codes (recovery_code).",
                path="code",
            )
        return kinds[0]


class Logins:
    """The logins of all faces that can ask for a second factor."""

    def __init__(
        self,
        storage: Storage,
        accounts: Accounts,
        sessions: Sessions,
        throttle: Throttle,
        devices: Devices,
        challenges: Challenges,
        totp: Totp,
        passkeys: Passkeys,
        recovery: RecoveryCodes,
    ) -> None:
        self._storage = storage
        self._accounts = accounts
        self._sessions = sessions
        self._throttle = throttle
        self._devices = devices
        self._challenges = challenges
        self._totp = totp
        self._passkeys = passkeys
        self._recovery = recovery

    # -- Logging in --

    def begin(self, username: str, password: str, visit: Visit) -> NewSession | Challenge:
        """Return a session for a name and a password, or a challenge if a second factor is needed.

        Raises `BadLogin`, `TooManyRequests`, and `SecondFactorRequired` if the account needs a factor and has none.
        """
        return self._begin(username, password, visit, None)

    def begin_passkey(self, visit: Visit) -> Challenge:
        """Return a challenge for a login with a passkey alone."""
        return self._storage.transaction(
            self._ask_for_passkey, Purpose.LOGIN, ChallengeFacts(kind=visit.kind), visit.address
        )

    def complete(self, challenge_id: str, proof: Proof, visit: Visit) -> NewSession:
        """Complete a challenge, and return the session. Raises `BadSecondFactor`, `TooManyRequests`."""
        return self._complete(challenge_id, proof, visit, None)

    # -- Stepping up --

    def step_up(self, principal: Principal, password: str, visit: Visit) -> NewSession | Challenge:
        """Confirm the caller's identity by password. Returns a new session that replaces the caller's, or a challenge.

        Raises what `begin` raises.
        """
        principal.require_person()
        return self._begin(principal.username, password, visit, principal)

    def begin_passkey_step_up(self, principal: Principal, visit: Visit) -> Challenge:
        """Return a challenge for a step-up with a passkey alone."""
        principal.require_person()
        return self._storage.transaction(self._ask_session_for_passkey, principal, visit)

    def complete_step_up(self, principal: Principal, challenge_id: str, proof: Proof, visit: Visit) -> NewSession:
        """Complete a step-up, and return the new session. Raises what `complete` raises."""
        principal.require_person()
        return self._complete(challenge_id, proof, visit, principal)

    # -- A challenge --

    @counted
    def _begin(self, username: str, password: str, visit: Visit, principal: Principal | None) -> NewSession | Challenge:
        session_id = principal.id if principal else ""
        user = self._accounts.prove_password(
            username, password, visit.address, device=visit.device, session_id=session_id
        )
        begun = self._storage.transaction(self._begin_or_challenge, user, visit, principal)
        if begun is None:
            # Raise it here, after the transaction with the audit event is committed.
            raise SecondFactorRequired(
                "This account needs its second factor, and none is stored. Ask an operator of the vault for help."
            )
        return begun

    def _begin_or_challenge(
        self, unit: UnitOfWork, user: User, visit: Visit, principal: Principal | None
    ) -> NewSession | Challenge | None:
        """Return a session, a challenge, or None if the account needs a second factor and has none."""
        hold(unit, user)
        if not is_required(unit, user):
            return self._session(unit, user, visit, principal, "password")
        kinds = offered(unit, user.id)
        if not kinds:
            audit.record(unit, _nobody_yet(visit), Action.FACTOR_MISSING, user_id=user.id)
            return None
        facts = ChallengeFacts(
            kind=visit.kind,
            user_id=user.id,
            user_version=user.row_version,
            session_id=principal.id if principal else "",
            has_password=True,
        )
        challenge_id, expires_us = self._challenges.begin(unit, _purpose(principal), facts)
        audit.record(unit, _nobody_yet(visit), Action.SESSION_CHALLENGE, user_id=user.id)
        options = None
        if FactorKind.PASSKEY in kinds:
            options = self._passkeys.request_options(unit, user.id, facts.random_bytes, alone=False)
        return Challenge(challenge_id, kinds, expires_us, options)

    def _ask_session_for_passkey(self, unit: UnitOfWork, principal: Principal, visit: Visit) -> Challenge:
        user = unit.users.by_id(principal.user_id)
        if user is None:
            raise NotFound()
        facts = ChallengeFacts(kind=visit.kind, user_id=user.id, user_version=user.row_version, session_id=principal.id)
        return self._ask_for_passkey(unit, Purpose.STEP_UP, facts, "")

    def _ask_for_passkey(self, unit: UnitOfWork, purpose: Purpose, facts: ChallengeFacts, address: str) -> Challenge:
        options = self._passkeys.request_options(unit, facts.user_id, facts.random_bytes, alone=True)
        challenge_id, expires_us = self._challenges.begin(unit, purpose, facts, address=address)
        return Challenge(challenge_id, (str(FactorKind.PASSKEY),), expires_us, options)

    # -- Its completion --

    @counted
    def _complete(self, challenge_id: str, proof: Proof, visit: Visit, principal: Principal | None) -> NewSession:
        purpose, kind = _purpose(principal), proof.kind()
        facts, attempt = self._storage.transaction(self._admit, purpose, challenge_id, kind, visit, principal)
        claim = _Claim(purpose, challenge_id, facts, kind, proof, attempt)
        try:
            return self._storage.transaction(self._finish, claim, visit, principal)
        except (BadLogin, BadSecondFactor) as error:
            self._storage.transaction(self._note_refusal, claim, visit)
            raise BadSecondFactor() from error

    def _admit(
        self,
        unit: UnitOfWork,
        purpose: Purpose,
        challenge_id: str,
        kind: FactorKind,
        visit: Visit,
        principal: Principal | None,
    ) -> tuple[ChallengeFacts, Attempt | None]:
        """Count an attempt before it is checked, in a transaction of its own. Otherwise many at once would not be
        counted.
        """
        facts = self._challenges.attempt(unit, purpose, challenge_id)
        expected = (visit.kind, principal.id if principal else "")
        # Without a password, only a passkey is enough, because it is two factors in one.
        if (facts.kind, facts.session_id) != expected or not (facts.has_password or kind is FactorKind.PASSKEY):
            raise BadSecondFactor()
        # Nobody guesses a passkey, so the failures of others must not refuse it.
        if kind is FactorKind.PASSKEY:
            return facts, None
        voucher = self._devices.voucher(facts.user_id, facts.user_version, visit.device, facts.session_id)
        return facts, self._throttle.admit_factor(unit, facts.user_id, visit.address, voucher)

    def _finish(self, unit: UnitOfWork, claim: _Claim, visit: Visit, principal: Principal | None) -> NewSession:
        user = self._holder(unit, claim)
        self._challenges.use_up(unit, claim.purpose, claim.challenge_id)
        left = self._check(unit, user, claim)
        if claim.attempt is None:
            self._throttle.remember(unit, user.id, visit.address)
        else:
            self._throttle.succeeded(unit, claim.attempt, user.id, visit.address)
        factors = f"password {claim.kind}" if claim.facts.has_password else str(claim.kind)
        begun = self._session(unit, user, visit, principal, factors)
        if left is not None:
            details = {"left": left}
            audit.record(unit, _nobody_yet(visit), Action.FACTOR_RECOVERY, user_id=user.id, details=details)
        return replace(begun, recovery_codes_left=left)

    def _holder(self, unit: UnitOfWork, claim: _Claim) -> User:
        """Lock and return the user who logs in. Raises `BadSecondFactor` if the account has changed since the challenge
        was made.
        """
        facts = claim.facts
        user_id = facts.user_id or self._passkeys.said_owner(unit, claim.proof.passkey or {})
        user = unit.users.by_id(user_id, lock=True) if user_id else None
        if user is None or user.state != "active":
            raise BadSecondFactor()
        if facts.user_id and user.row_version != facts.user_version:
            # The password may have been changed, or the account disabled, since it was checked.
            raise BadSecondFactor()
        return user

    def _check(self, unit: UnitOfWork, user: User, claim: _Claim) -> int | None:
        """Check the proof. Returns how many recovery codes are left, if it was one."""
        if claim.kind is FactorKind.TOTP:
            self._totp.use(unit, user, claim.proof.code)
        elif claim.kind is FactorKind.RECOVERY:
            return self._recovery.use(unit, user, claim.proof.recovery_code)
        else:
            alone, discovered = not claim.facts.has_password, not claim.facts.user_id
            random, assertion = claim.facts.random_bytes, claim.proof.passkey or {}
            self._passkeys.use(unit, user, assertion, random, alone=alone, discovered=discovered)
        return None

    def _note_refusal(self, unit: UnitOfWork, claim: _Claim, visit: Visit) -> None:
        user_id = claim.facts.user_id or self._passkeys.said_owner(unit, claim.proof.passkey or {})
        # For an unknown person, the refusal is counted by address, like all refusals.
        if user_id is not None:
            details = {"kind": str(claim.kind)}
            audit.record(unit, _nobody_yet(visit), Action.FACTOR_REFUSED, user_id=user_id, details=details)

    def _session(
        self, unit: UnitOfWork, user: User, visit: Visit, principal: Principal | None, factors: str
    ) -> NewSession:
        if principal is not None:
            return self._sessions.replace(unit, principal, user, visit, factors)
        return self._sessions.begin(unit, user, visit, factors)


@dataclass(frozen=True, slots=True)
class _Claim:
    """An attempt that was counted and must be checked now."""

    purpose: Purpose
    challenge_id: str
    facts: ChallengeFacts
    kind: FactorKind
    proof: Proof
    attempt: Attempt | None
    """None for a passkey."""


def _purpose(principal: Principal | None) -> Purpose:
    """Return what the challenge is for. Only a session can step up."""
    return Purpose.LOGIN if principal is None else Purpose.STEP_UP


def _nobody_yet(visit: Visit) -> Principal:
    """Return the principal for events before the person is known."""
    return replace(vault_itself("login"), address=visit.address, request_id=visit.request_id)
