"""People: their accounts, their passwords, and the one function that every door which takes a password calls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from vault.crypto import (
    PasswordParameters,
    check_new_password,
    dummy_hash,
    hash_password,
    needs_rehash,
    verify_password,
)
from vault.errors import BadLogin, InvalidInput, NameTaken, NotFound, SecondFactorRequired
from vault.model.action import Action
from vault.model.environment import EnvironmentKind, looks_like_id
from vault.model.folding import fold_username
from vault.model.principal import Principal, Role, vault_itself
from vault.services import audit
from vault.services.clock import Clock
from vault.services.environments.environments import Environments
from vault.services.own.credentials import PASSWORD, opened, sealed
from vault.services.own.instance import Instance
from vault.services.people.counting import counted
from vault.services.people.factors.kinds import is_required
from vault.services.people.finding import find_person, held_as_found, keep_an_operator
from vault.services.people.sessions import Sessions, hold
from vault.services.people.throttle import Attempt, Throttle
from vault.settings import Settings
from vault.storage import Storage, UnitOfWork, User
from vault.storage.retry import again

USERNAME_MAX_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A person who has just proven who they are, and the hash of their next password."""

    user: User
    phc: str = field(repr=False)


class Accounts:
    """The people of this vault."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        instance: Instance,
        throttle: Throttle,
        sessions: Sessions,
        environments: Environments,
        reads: audit.ReadLog,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._instance = instance
        self._throttle = throttle
        self._sessions = sessions
        self._environments = environments
        self._reads = reads
        self._clock = clock
        self.parameters = PasswordParameters(settings.argon2_memory_kib, settings.argon2_passes, settings.argon2_lanes)

    @counted
    def authenticate(self, username: str, password: str, address: str) -> User:
        """The user whose name and password these are, where the password is all that the account asks for.

        For doors that can ask for nothing more; the others go through `logins.py`. Raises as `prove_password` does, and
        `SecondFactorRequired`.
        """
        user = self.prove_password(username, password, address)
        with self._storage.read() as unit:
            if is_required(unit, user):
                raise SecondFactorRequired()
        return user

    def prove_password(self, username: str, password: str, address: str) -> User:
        """The user whose name and password these are; they may have a second factor to prove yet.

        Throttles before anything is hashed; unknown and disabled users cost the same hash and get the same
        answer. Raises `BadLogin`, `TooManyRequests`, `VaultLocked`.
        """
        self._instance.require_unlocked()
        folded = fold_username(username)
        user, attempt, phc = again(self._admit, folded, address)
        right = verify_password(phc or dummy_hash(self.parameters), password)
        if user is None or phc is None or not right or user.state != "active":
            raise BadLogin()
        known, stored = user, phc
        again(self._succeed, known, attempt, stored, password)
        return user

    def _admit(self, folded: str, address: str) -> tuple[User | None, Attempt, str | None]:
        with self._storage.write() as unit:
            user = unit.users.by_name(folded)
            attempt = self._throttle.admit(unit, folded, address, user.id if user else None)
            return user, attempt, self._stored_hash(unit, user)

    def _succeed(self, user: User, attempt: Attempt, phc: str, password: str) -> None:
        with self._storage.write() as unit:
            # Or an old password's hash would be written over a new one's.
            hold(unit, user)
            # Half a proof makes no address the owner's: it would be free of what slows down guesses at the other half.
            self._throttle.succeeded(unit, attempt, user.id, is_whole=not is_required(unit, user))
            if needs_rehash(phc, self.parameters):
                self._set_hash(unit, user.id, hash_password(password, self.parameters))
                audit.record(unit, vault_itself("rehash"), Action.PASSWORD_REHASH, user_id=user.id)

    def add(self, unit: UnitOfWork, principal: Principal, name: str, password: str, role: Role = Role.USER) -> User:
        """Make an account with its user key and its globals. For operators. Raises `NameTaken`, `InvalidInput`."""
        principal.require_operator()
        name, folded = _checked_name(name)
        check_new_password(password, name)
        if unit.users.by_name(folded) is not None:
            raise NameTaken("There is an account of this name.")
        user_id, now = str(uuid.uuid4()), self._clock()
        row = {"id": user_id, "name": name, "name_folded": folded, "created_us": now}
        unit.users.add(**row, role=str(role), state="active", second_factor=False)
        self._instance.add_user_key(unit, user_id, self._clock())
        self._set_hash(unit, user_id, hash_password(password, self.parameters))
        self._environments.add_row(unit, user_id, EnvironmentKind.GLOBALS, "globals")
        audit.record(unit, principal, Action.USER_ADD, user_id=user_id)
        return _existing(unit.users.by_id(user_id))

    def list(self, principal: Principal) -> list[User]:
        """All accounts. For operators."""
        principal.require_operator()
        with self._storage.read() as unit:
            return unit.users.list()

    def names(self, principal: Principal, user_ids: Iterable[str]) -> dict[str, str]:
        """The names of those of these accounts that are there, by id. For operators."""
        principal.require_operator()
        with self._storage.read() as unit:
            return {user_id: row.name for user_id, row in unit.users.named(user_ids).items()}

    def page(self, principal: Principal, after: str, limit: int, *, username: str | None = None) -> Sequence[User]:
        """Accounts in order of their folded names, behind `after`; or the one of that name. For operators."""
        principal.require_operator()
        with self._storage.read() as unit:
            rows = unit.users.page(after, limit, None if username is None else fold_username(username))
        self._reads.read(principal, Action.USER_LIST)
        return rows

    def get(self, principal: Principal, reference: str) -> User:
        """An account by name or id. For operators. Raises `NotFound`."""
        principal.require_operator()
        with self._storage.read() as unit:
            found = find_person(unit, reference)
        self._reads.read(principal, Action.USER_READ, account=found.id)
        return found

    def set_state(self, unit: UnitOfWork, principal: Principal, reference: str, *, active: bool) -> User:
        """Enable or disable an account, by name or id; disabling ends its sessions. For operators.

        Raises `NotFound`, and `Conflict` as `keep_an_operator` does.
        """
        principal.require_operator()
        found = find_person(unit, reference)
        if not active:
            keep_an_operator(unit, principal, found, may_be_oneself=False)
        user = held_as_found(unit, found)
        unit.users.change(user, state="active" if active else "disabled")
        if not active:
            self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.USER_ENABLE if active else Action.USER_DISABLE, user_id=user.id)
        return find_person(unit, user.id)

    def set_role(self, unit: UnitOfWork, principal: Principal, reference: str, role: Role) -> User:
        """Change what an account may do, by name or id. For operators. Its sessions end, so that none keeps the old
        role. Raises as `set_state`."""
        principal.require_operator()
        found = find_person(unit, reference)
        if role is not Role.OPERATOR:
            keep_an_operator(unit, principal, found, may_be_oneself=False)
        user = held_as_found(unit, found)
        unit.users.change(user, role=str(role))
        self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.USER_ROLE, user_id=user.id, details={"role": str(role)})
        return find_person(unit, user.id)

    def has_operator(self, principal: Principal) -> bool:
        """Whether there is an active operator. For operators: whoever takes the last one away is to be told."""
        principal.require_operator()
        with self._storage.read() as unit:
            return unit.users.has_operator()

    def set_password(self, unit: UnitOfWork, principal: Principal, reference: str, password: str) -> None:
        """Give an account a new password, as an operator. All its sessions end."""
        principal.require_operator()
        user = held_as_found(unit, find_person(unit, reference))
        check_new_password(password, user.name)
        self._replace_hash(unit, user, hash_password(password, self.parameters))
        self._sessions.revoke_all(unit, user.id)
        audit.record(unit, principal, Action.USER_PASSWORD, user_id=user.id)

    def prove(self, principal: Principal, password: str, check: Callable[[], None] = lambda: None) -> User:
        """One's own account, now that the password was given once more; with a second factor, both are to be recent.

        Raises as `prove_password` does, and `StepUpRequired`; before that, what `check` raises.
        """
        principal.require_person()
        check()
        if principal.has_second_factor:
            principal.require_recent_proof(self._clock())
        user = self.prove_password(principal.username, password, principal.address)
        if user.second_factor:
            # What was cached of the session may not know of it yet.
            replace(principal, has_second_factor=True).require_recent_proof(self._clock())
        return user

    def prepare_password(self, principal: Principal, current: str, new: str) -> NewPassword:
        """What changes one's own password: proven with the current one, and hashed before any transaction.

        Raises `InvalidInput` for what may not become a password, and as `prove`.
        """
        principal.require_person()
        user = self.prove(principal, current, lambda: check_new_password(new, principal.username))
        return NewPassword(user, hash_password(new, self.parameters))

    def change_password(self, unit: UnitOfWork, principal: Principal, new: NewPassword) -> User:
        """Change one's own password; the account as it is then. One's other sessions end.

        Raises `BadLogin` if another password was set meanwhile.
        """
        principal.require_person()
        hold(unit, new.user)
        self._replace_hash(unit, new.user, new.phc)
        self._sessions.revoke_all(unit, new.user.id, but=principal.id)
        audit.record(unit, principal, Action.PASSWORD_CHANGE)
        return _existing(unit.users.by_id(new.user.id))

    def me(self, principal: Principal) -> User:
        """One's own account."""
        principal.require_person()
        with self._storage.read() as unit:
            return _existing(unit.users.by_id(principal.user_id))

    def _stored_hash(self, unit: UnitOfWork, user: User | None) -> str | None:
        # The same statement runs for a user who does not exist: its time would tell.
        found = unit.credentials.of_user(user.id if user else "", PASSWORD)
        if user is None or not found:
            return None
        return opened(self._instance, PASSWORD, user.id, found[0]).decode()

    def _replace_hash(self, unit: UnitOfWork, user: User, phc: str) -> None:
        self._set_hash(unit, user.id, phc)
        # A new version of the user's row: a login that has looked at the old password ends nowhere (`hold`).
        unit.users.change(user)

    def _set_hash(self, unit: UnitOfWork, user_id: str, phc: str) -> None:
        found = unit.credentials.of_user(user_id, PASSWORD)
        credential_id = found[0].id if found else str(uuid.uuid4())
        columns = sealed(self._instance, PASSWORD, user_id, credential_id, phc.encode())
        if found:
            unit.credentials.change(found[0], **columns)
            return
        row = {"id": credential_id, "user_id": user_id, "kind": PASSWORD, "label": "", "counter": 0}
        unit.credentials.add(**row, **columns, created_us=self._clock())


def _checked_name(name: str) -> tuple[str, str]:
    folded = fold_username(name)
    if not 1 <= len(folded) <= USERNAME_MAX_CHARACTERS or not folded.isprintable() or any(map(str.isspace, folded)):
        raise InvalidInput("A username has 1 to 64 printable characters and no spaces.", path="username")
    if looks_like_id(folded):
        raise InvalidInput("A username cannot look like a UUID.", path="username")
    return name.strip(), folded


def _existing(row: User | None) -> User:
    if row is None:
        raise NotFound()
    return row
