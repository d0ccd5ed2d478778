"""A vault for tests, in this process: `make_vault` and short helpers.

vault = make_vault(tmp_path, database_url, clock=FakeClock())
ada = add_person(vault, "ada")
environment = add_environment(vault, ada, "prod", A="1", B="{{A}}")
token = add_token(vault, ada, grant("read", environment="prod"))
values(vault, as_token(vault, token.secret), "prod")
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from vault import settings
from vault.app import open_vault, prepare_vault
from vault.errors import DatabaseUnavailable
from vault.model.clock import SECOND_US, Clock, now_us
from vault.model.environment import Variable
from vault.model.grant import Permission
from vault.model.principal import Principal, PrincipalKind, Role, host_operator
from vault.services import Services
from vault.services.environments.values import Question
from vault.services.environments.variables import Precondition
from vault.services.people.erasure import ErasureReport
from vault.services.people.sessions import NewSession
from vault.services.people.visit import Visit
from vault.services.tokens.request import GrantRequest, TokenRequest
from vault.services.tokens.views import TokenView
from vault.storage import EnvironmentRow, UnitOfWork

PASSWORD = "lantern gravel ninefold otter"
ADDRESS = "192.0.2.10"
HOST = host_operator("test")

T = TypeVar("T")


class FakeClock:
    """A clock that stands still until `advance`. With `tick_us`, it also advances at each reading.

    A tick gives events different times, so that the trail, which is sorted by time, has one order.
    """

    def __init__(self, start_us: int | None = None, *, tick_us: int = 0) -> None:
        self.us = now_us() if start_us is None else start_us
        self._tick_us = tick_us

    def __call__(self) -> int:
        self.us += self._tick_us
        return self.us

    def advance(self, seconds: float) -> None:
        """Advance the clock."""
        self.us += int(seconds * SECOND_US)


def make_settings(tmp_path: Path, database_url: str, **changes: Any) -> settings.Settings:
    """Return settings with a keyring in its own folder, and the lowest Argon2 costs that the vault accepts."""
    floor = {"STRONGROOM_ARGON2_MEMORY_KIB": "19456", "STRONGROOM_ARGON2_PASSES": "2"}
    # Use a new folder, so that two vaults in one test have separate keyrings.
    folder = tmp_path / f"keys-{secrets.token_hex(4)}"
    places = {"STRONGROOM_DATA_DIR": str(tmp_path / "data"), "STRONGROOM_KEYRING": str(folder / "master.json")}
    return replace(settings.load({**places, **floor, "STRONGROOM_DATABASE_URL": database_url}), **changes)


def make_vault(tmp_path: Path, database_url: str, *, clock: Clock = now_us, **changes: Any) -> Services:
    """Create and open a vault in an empty database. `changes` are settings, such as `quota_environments=3`.

    A test that needs its connections closed calls `vault.storage.close()`.
    """
    chosen = make_settings(tmp_path, database_url, **changes)
    prepare_vault(chosen)
    return open_vault(chosen, clock)


def reopened(vault: Services, clock: Clock = now_us, **changes: Any) -> Services:
    """Open the same vault as another worker: with its own connections and empty caches, perhaps with other settings."""
    return open_vault(replace(vault.settings, **changes), clock)


@contextmanager
def opened_again(vault: Services, clock: Clock = now_us, **changes: Any) -> Iterator[Services]:
    """Do the same as `reopened`, and close the vault when the block ends."""
    again = reopened(vault, clock, **changes)
    try:
        yield again
    finally:
        again.close()


def write(vault: Services, action: Callable[[UnitOfWork], T]) -> T:
    """Run `action` in one transaction, and retry it on conflicts, as the API does."""
    return vault.storage.transaction(action)


def add_person(vault: Services, name: str = "ada", role: Role = Role.USER) -> Principal:
    """Add a person with `PASSWORD`, and return the principal of a new session."""
    write(vault, lambda unit: vault.people.accounts.add(unit, HOST, name, PASSWORD, role))
    if role is Role.OPERATOR:
        know_password(vault, name)
    return as_session(vault, log_in(vault, name).secret)


def know_password(vault: Services, name: str) -> None:
    """Let the person with this name be one who has chosen their own password, as operators must."""

    def change(unit: UnitOfWork) -> None:
        user = unit.users.by_name(name)
        assert user is not None
        unit.users.change(user, must_change_password=False)

    write(vault, change)


def log_in(vault: Services, name: str, kind: str = "api", address: str = ADDRESS) -> NewSession:
    """Return a new session of a person, without hashing a password."""

    def begin(unit: UnitOfWork) -> NewSession:
        user = unit.users.by_name(name)
        assert user is not None
        return vault.people.sessions.begin(unit, user, Visit(kind, address, "test", "request"))

    return write(vault, begin)


def as_session(vault: Services, secret: str, kind: str = "api", address: str = ADDRESS) -> Principal:
    """Return the principal of this session secret."""
    return vault.people.sessions.authenticate(secret, kind, address, "request")


def as_token(vault: Services, secret: str | None, address: str = ADDRESS) -> Principal:
    """Return the principal of this token secret."""
    assert secret is not None
    return vault.tokens.holders.authenticate(secret, address, "request")


def change_password(vault: Services, who: Principal, current: str, new: str) -> None:
    """Change the person's own password, as the API does."""
    proof = vault.people.accounts.prepare_password(who, current, new)
    write(vault, lambda unit: vault.people.accounts.change_password(unit, who, proof))


def erase_oneself(vault: Services, who: Principal, password: str = PASSWORD) -> ErasureReport:
    """Delete the person's own account, as the API does."""
    proof = vault.people.accounts.prove(who, password)
    return write(vault, lambda unit: vault.people.erasure.own(unit, who, proof))


def grant(permissions: str, **scope: Any) -> GrantRequest:
    """Return a requested grant: `grant("list,read", environment="prod")`, `path=`, `globals=True`."""
    return GrantRequest(frozenset(map(Permission, permissions.split(","))), **scope)


def add_token(vault: Services, principal: Principal, *grants: GrantRequest, **wishes: Any) -> TokenView:
    """Create a token, and return it with its secret."""
    request = TokenRequest(wishes.pop("name", "service"), grants, **wishes)
    return write(vault, lambda unit: vault.tokens.tokens.create(unit, principal, request))


def add_environment(vault: Services, principal: Principal, environment: str, /, **variables: str) -> EnvironmentRow:
    """Create an environment. If there are variables, write its first revision."""

    def create(unit: UnitOfWork) -> EnvironmentRow:
        row = vault.environments.environments.create(unit, principal, environment)
        filled = [Variable(name, value) for name, value in variables.items()]
        return vault.environments.variables.fill(unit, principal, row, filled) if filled else row

    return write(vault, create)


def patch(vault: Services, principal: Principal, reference: str | None, /, **changes: Any) -> int | None:
    """Merge changes and return the revision's number. A text is a value, None removes a variable, a dict sets
    attributes.
    """
    merged: dict[str, Any] = {
        name: {"value": change} if isinstance(change, str) else change for name, change in changes.items()
    }
    return write(vault, lambda unit: vault.environments.variables.patch(unit, principal, reference, merged)).revision


def put(vault: Services, principal: Principal, reference: str | None, *variables: Variable) -> int | None:
    """Replace all variables and return the revision's number."""
    readable = vault.environments.variables.read(principal, reference).revision is not None
    precondition = Precondition(match="*") if readable else Precondition(none=True)
    return write(
        vault, lambda unit: vault.environments.variables.replace(unit, principal, reference, variables, precondition)
    ).revision


def values(vault: Services, principal: Principal, reference: str | None, **question: Any) -> dict[str, str]:
    """Return the values that a service would get."""
    found = vault.environments.values.read(principal, reference, Question(**question)).resolved
    assert found is not None
    return found.values


def wrap(vault: Services, principal: Principal, answer: str, path: str, ttl_seconds: int) -> str:
    """Wrap an answer as the Vault face does, and return the wrapping token."""
    token_id = principal.id if principal.kind is PrincipalKind.TOKEN else None

    def both(unit: UnitOfWork) -> str:
        reserved = vault.vaultkv.wrapping.reserve(unit, principal.user_id, token_id, path, ttl_seconds)
        return vault.vaultkv.wrapping.fill(unit, principal, reserved, answer).token

    return write(vault, both)


def reconnect(vault: Services) -> None:
    """Close the connection to a database server that another test has restarted."""
    with suppress(DatabaseUnavailable), vault.storage.read() as unit:
        unit.connection.execute(sa.text("SELECT 1"))


def run_sql(vault: Services, sql: str, **parameters: Any) -> list[Any]:
    """Run SQL as an attacker who can write to the database and has no key. Returns the rows, if any."""
    with vault.storage.writing.begin() as connection:
        result = connection.execute(sa.text(sql), parameters)
        return list(result) if result.returns_rows else []
