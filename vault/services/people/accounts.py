"""Accounts and passwords, and the one function that checks a password."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from vault.crypto import (
    PasswordParameters,
    check_new_password,
    dummy_hash,
    hash_password,
    is_same_password,
    needs_rehash,
    parameters_of,
    verify_password,
)
from vault.errors import BadLogin, IntegrityError, InvalidInput, NameTaken, NotFound, SecondFactorRequired
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.environment import EnvironmentKind, looks_like_id
from vault.model.folding import fold_username
from vault.model.person import Person
from vault.model.principal import Principal, Role, vault_itself
from vault.services import audit
from vault.services.environments.environments import Environments
from vault.services.own.credentials import PASSWORD, opened, sealed
from vault.services.own.instance import Instance
from vault.services.people.counting import counted
from vault.services.people.devices import Devices
from vault.services.people.factors.kinds import is_required
from vault.services.people.finding import find_person, held_as_found, keep_an_operator, person_of
from vault.services.people.proven import Proven, hold
from vault.services.people.sessions import Sessions
from vault.services.people.throttle import Attempt, Throttle
from vault.services.still_valid import require_still_valid
from vault.storage import ColumnValues, Storage, UnitOfWork, User

USERNAME_MAX_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A person who has just confirmed their identity, and the hash of their new password."""

    account: Proven
    phc: str = field(repr=False)


class Accounts:
    """The accounts of this vault."""

    def __init__(
        self,
        storage: Storage,
        instance: Instance,
        throttle: Throttle,
        devices: Devices,
        sessions: Sessions,
        environments: Environments,
        reads: audit.ReadLog,
        clock: Clock,
        parameters: PasswordParameters,
    ) -> None:
        self._storage = storage
        self._instance = instance
        self._throttle = throttle
        self._devices = devices
        self._sessions = sessions
        self._environments = environments
        self._reads = reads
        self._clock = clock
        self.parameters = parameters

    @counted
    def authenticate(self, username: str, password: str, address: str) -> Proven:
        """Return the account with this name and password, if the account needs nothing else.

        This is for faces that cannot ask for a second factor; the others use `logins.py`. Raises what `prove_password`
        raises, and `SecondFactorRequired`.
        """
        user = self.prove_password(username, password, address)
        with self._storage.read() as unit:
            if is_required(unit, user):
                raise SecondFactorRequired()
        return Proven.of(user)

    def prove_password(
        self, username: str, password: str, address: str, *, device: str = "", session_id: str = ""
    ) -> User:
        """Return the user with this name and password. A second factor may still be needed.

        The browser's cookie `device`, or the session that asks, may vouch for the person (see `devices.py`). The
        throttle runs before anything is hashed. Unknown and disabled users cost the same hash and get the same answer.
        Raises `BadLogin`, `TooManyRequests`, `VaultLocked`.
        """
        self._instance.require_unlocked()
        folded = fold_username(username)
        user, attempt, phc, cost = self._storage.transaction(self._admit, folded, address, device, session_id)
        right = verify_password(phc or dummy_hash(cost), password)
        if user is None or phc is None or not right or user.state != "active":
            raise BadLogin()
        self._storage.transaction(self._succeed, user, attempt, address, phc, password)
        return user

    def _admit(
        self, unit: UnitOfWork, folded: str, address: str, device: str, session_id: str
    ) -> tuple[User | None, Attempt, str | None, PasswordParameters]:
        user = unit.users.by_name(folded)
        voucher = self._devices.voucher(user.id, user.row_version, device, session_id) if user else ""
        attempt = self._throttle.admit(unit, folded, address, user.id if user else None, voucher)
        phc = self._stored_hash(unit, user)
        return user, attempt, phc, self.parameters if phc else self._cost_of_somebody(unit, folded)

    def _cost_of_somebody(self, unit: UnitOfWork, folded: str) -> PasswordParameters:
        """Return the cost of a stored hash, for a name that has none: always the same hash for the same name.

        After the costs are changed, stored hashes keep their old cost until their owner logs in. With the new cost for
        each unknown name, the time of an answer would tell which names are unknown.
        """
        start = self._instance.digest("unknown name", folded).hex()
        try:
            row = unit.credentials.some(PASSWORD, start)
            phc = opened(self._instance, PASSWORD, row.user_id, row).decode() if row else None
            return parameters_of(phc) if phc else self.parameters
        except IntegrityError:
            return self.parameters

    def _succeed(self, unit: UnitOfWork, user: User, attempt: Attempt, address: str, phc: str, password: str) -> None:
        # Otherwise a hash of the old password could overwrite a new one.
        hold(unit, user)
        # Don't trust this address until the second factor succeeds: trusted addresses bypass the throttle.
        self._throttle.succeeded(unit, attempt, user.id, address, is_whole=not is_required(unit, user))
        if needs_rehash(phc, self.parameters):
            self._set_hash(unit, user.id, hash_password(password, self.parameters))
            audit.record(unit, vault_itself("rehash"), Action.PASSWORD_REHASH, user_id=user.id)

    def add(self, unit: UnitOfWork, principal: Principal, name: str, password: str, role: Role = Role.USER) -> Person:
        """Create an account with its user key and its globals. For operators. Raises `NameTaken`, `InvalidInput`.

        Somebody else knows this password. An operator must change it before any other call.
        """
        principal.require_operator()
        require_still_valid(unit, principal)
        name, folded = _checked_name(name)
        check_new_password(password, name)
        if unit.users.by_name(folded) is not None:
            raise NameTaken("There is already an account with this name.")
        user_id, now = str(uuid.uuid4()), self._clock()
        row: ColumnValues = {"id": user_id, "name": name, "name_folded": folded, "created_us": now}
        must_change = unit.users.can_demand_change()
        unit.users.add(**row, role=str(role), state="active", second_factor=False, must_change_password=must_change)
        self._instance.add_user_key(unit, user_id)
        self._set_hash(unit, user_id, hash_password(password, self.parameters))
        self._environments.add_row(unit, user_id, EnvironmentKind.GLOBALS, "globals")
        audit.record(unit, principal, Action.USER_ADD, user_id=user_id)
        return person_of(_existing(unit.users.by_id(user_id)))

    def list(self, principal: Principal) -> list[Person]:
        """Return all accounts. For operators."""
        principal.require_operator()
        with self._storage.read() as unit:
            return [person_of(row) for row in unit.users.list()]

    def names(self, principal: Principal, user_ids: Iterable[str]) -> dict[str, str]:
        """Return the names of these accounts by id, without those that do not exist. For operators."""
        principal.require_operator()
        with self._storage.read() as unit:
            return {user_id: row.name for user_id, row in unit.users.named(user_ids).items()}

    def page(self, principal: Principal, after: str, limit: int, *, username: str | None = None) -> Sequence[Person]:
        """Return accounts after `after`, by their folded names, or only the one with `username`. For operators."""
        principal.require_operator()
        with self._storage.read() as unit:
            rows = unit.users.page(after, limit, None if username is None else fold_username(username))
        self._reads.read(principal, Action.USER_LIST)
        return [person_of(row) for row in rows]

    def get(self, principal: Principal, reference: str) -> Person:
        """Return an account by name or id. For operators. Raises `NotFound`."""
        principal.require_operator()
        with self._storage.read() as unit:
            found = find_person(unit, reference)
        self._reads.read(principal, Action.USER_READ, account=found.id)
        return person_of(found)

    def set_state(self, unit: UnitOfWork, principal: Principal, reference: str, *, active: bool) -> Person:
        """Enable or disable an account, by name or id. Disabling ends its sessions. For operators.

        Raises `NotFound`, and what `keep_an_operator` raises.
        """
        principal.require_operator()
        found = find_person(unit, reference)
        if not active:
            keep_an_operator(unit, principal, found, may_be_oneself=False)
        user = held_as_found(unit, found)
        require_still_valid(unit, principal)
        changed = unit.users.change(user, state="active" if active else "disabled")
        if not active:
            self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.USER_ENABLE if active else Action.USER_DISABLE, user_id=user.id)
        return person_of(changed)

    def set_role(self, unit: UnitOfWork, principal: Principal, reference: str, role: Role) -> Person:
        """Change the role of an account, by name or id. For operators.

        Its sessions end, so that none keeps the old role. Raises what `set_state` raises.
        """
        principal.require_operator()
        found = find_person(unit, reference)
        if role is not Role.OPERATOR:
            keep_an_operator(unit, principal, found, may_be_oneself=False)
        user = held_as_found(unit, found)
        require_still_valid(unit, principal)
        changed = unit.users.change(user, role=str(role))
        self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.USER_ROLE, user_id=user.id, details={"role": str(role)})
        return person_of(changed)

    def has_operator(self, principal: Principal) -> bool:
        """Report whether there is an active operator. For operators: removing the last one gives a warning."""
        principal.require_operator()
        with self._storage.read() as unit:
            return unit.users.has_operator()

    def set_password(self, unit: UnitOfWork, principal: Principal, reference: str, password: str) -> None:
        """Give an account a new password. For operators. All its sessions end, and an operator must change it."""
        principal.require_operator()
        user = held_as_found(unit, find_person(unit, reference))
        require_still_valid(unit, principal)
        check_new_password(password, user.name)
        phc = hash_password(password, self.parameters)
        self._replace_hash(unit, user, phc, must_change=unit.users.can_demand_change())
        self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.USER_PASSWORD, user_id=user.id)

    def prove(self, principal: Principal, password: str, check: Callable[[], None] = lambda: None) -> Proven:
        """Confirm the identity of the caller by password. If the account has a second factor, a recent proof is needed
        too.

        Returns the account. Raises what `check` raises, before anything else; what `prove_password` raises;
        `StepUpRequired`.
        """
        principal.require_person()
        check()
        if principal.has_second_factor:
            principal.require_recent_proof(self._clock())
        try:
            user = self.prove_password(principal.username, password, principal.address, session_id=principal.id)
        except BadLogin as error:
            # The caller gave no username.
            raise BadLogin("This is not your password.") from error
        if user.second_factor:
            # The session may come from a cache that does not know of the second factor yet.
            replace(principal, has_second_factor=True).require_recent_proof(self._clock())
        return Proven.of(user)

    def prepare_password(self, principal: Principal, current: str, new: str) -> NewPassword:
        """Check the caller's current password and hash the new one, before any transaction starts.

        Raises `InvalidInput` for a password that is not allowed, and what `prove` raises.
        """
        principal.require_person()
        account = self.prove(principal, current, lambda: _check_change(current, new, principal.username))
        return NewPassword(account, hash_password(new, self.parameters))

    def change_password(self, unit: UnitOfWork, principal: Principal, new: NewPassword) -> Proven:
        """Change the caller's password, and return the changed account. The caller's other sessions end.

        Raises `BadLogin` if the password was changed in the meantime.
        """
        principal.require_person()
        user = hold(unit, new.account)
        require_still_valid(unit, principal)
        changed = self._replace_hash(unit, user, new.phc, must_change=False)
        self._sessions.revoke_all(unit, user.id, but=principal.id)
        self._sessions.forget_copies(unit, user.id)
        audit.record(unit, principal, Action.PASSWORD_CHANGE)
        return Proven.of(changed)

    def me(self, principal: Principal) -> Person:
        """Return the caller's account."""
        principal.require_person()
        with self._storage.read() as unit:
            return person_of(_existing(unit.users.by_id(principal.user_id)))

    def _stored_hash(self, unit: UnitOfWork, user: User | None) -> str | None:
        found = unit.credentials.of_user(user.id, PASSWORD) if user else []
        if user is None or not found:
            return None
        return opened(self._instance, PASSWORD, user.id, found[0]).decode()

    def _replace_hash(self, unit: UnitOfWork, user: User, phc: str, *, must_change: bool) -> User:
        self._set_hash(unit, user.id, phc)
        # This gives the user's row a new version, so that a login which has checked the old password fails in `hold`.
        return unit.users.change(user, must_change_password=must_change)

    def _set_hash(self, unit: UnitOfWork, user_id: str, phc: str) -> None:
        found = unit.credentials.of_user(user_id, PASSWORD)
        credential_id = found[0].id if found else str(uuid.uuid4())
        columns = sealed(self._instance, PASSWORD, user_id, credential_id, phc.encode())
        if found:
            unit.credentials.change(found[0], **columns)
            return
        row: ColumnValues = {"id": credential_id, "user_id": user_id, "kind": PASSWORD, "label": "", "counter": 0}
        unit.credentials.add(**row, **columns, created_us=self._clock())


def _check_change(current: str, new: str, username: str) -> None:
    check_new_password(new, username)
    if is_same_password(new, current):
        raise InvalidInput("The new password must differ from the current one.", path="password")


def _checked_name(name: str) -> tuple[str, str]:
    folded = fold_username(name)
    if not 1 <= len(folded) <= USERNAME_MAX_CHARACTERS or not folded.isprintable() or any(map(str.isspace, folded)):
        raise InvalidInput("A username must have 1 to 64 printable characters and no spaces.", path="username")
    if looks_like_id(folded):
        raise InvalidInput("A username cannot look like a UUID.", path="username")
    return name.strip(), folded


def _existing(row: User | None) -> User:
    if row is None:
        raise NotFound()
    return row
