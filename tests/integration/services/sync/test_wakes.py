"""Every verb that changes what somebody may read, or ends a credential, wakes those who follow that person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.factors import add_passkey, add_totp
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_person,
    add_token,
    as_session,
    as_token,
    change_password,
    grant,
    log_in,
    opened_again,
    patch,
    write,
)
from vault.jobs.purge import purge
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.people.visit import Visit
from vault.services.tokens.views import TokenView
from vault.storage import UnitOfWork

DAY = 86_400
VISIT = Visit("api", "192.0.2.1", "test", "request")
NEW_PASSWORD = "velvet anchor sixteen plums"


@dataclass
class World:
    """A vault with ada, who has an environment, a token and two sessions, and an operator."""

    vault: Services
    clock: FakeClock
    ada: Principal
    operator: Principal
    token: TokenView
    other_session: str

    def write(self, action: Callable[[UnitOfWork], object]) -> None:
        write(self.vault, action)

    def change(self, **wishes: Any) -> None:
        verb = self.vault.environments.environments.change
        self.write(lambda unit: verb(unit, self.ada, "prod", wishes))  # type: ignore[arg-type]  # a plain dict

    def delete(self) -> None:
        self.write(lambda unit: self.vault.environments.environments.delete(unit, self.ada, "prod"))


@pytest.fixture
def world(vault: Services, ada: Principal, clock: FakeClock) -> World:
    operator = add_person(vault, "olga", Role.OPERATOR)
    add_environment(vault, ada, "prod", A="1")
    add_environment(vault, ada, "base", B="2")
    token = add_token(vault, ada, grant("read", environment="prod"), uses=3)
    session = log_in(vault, "ada")
    ada = as_session(vault, session.secret)
    return World(vault, clock, ada, operator, token, log_in(vault, "ada").session.id)


def _of(world: World) -> Any:
    return world.vault.people


def _operators(name: str, *arguments: Any, **more: Any) -> Callable[[World], None]:
    """A verb of `accounts` that an operator uses on ada."""

    def act(world: World) -> None:
        verb = getattr(world.vault.people.accounts, name)
        world.write(lambda unit: verb(unit, world.operator, "ada", *arguments, **more))

    return act


def _used_token(world: World) -> None:
    as_token(world.vault, world.token.secret)


def _seen_session(world: World) -> None:
    secret = log_in(world.vault, "ada").secret
    world.clock.advance(120)
    as_session(world.vault, secret)
    world.vault.touches.flush()


def _reset_factors(world: World) -> None:
    add_totp(world.vault, "ada")
    before = _number(world)
    world.write(lambda unit: world.vault.people.factors.reset(unit, world.operator, "ada"))
    assert _number(world) > before


def _purged(world: World) -> None:
    world.delete()
    world.clock.advance(31 * DAY)
    before = _number(world)
    assert purge(world.vault)["environments"] == 1
    assert _number(world) > before


def _too_many_sessions(world: World) -> None:
    with opened_again(world.vault, world.clock, quota_sessions=2) as other:
        log_in(other, "ada")


def _set_bases(world: World) -> None:
    world.vault.keys.upgrading.open(HOST)
    before = _number(world)
    world.write(lambda unit: world.vault.environments.bases.set(unit, world.ada, "prod", ["base"]))
    assert _number(world) > before


def _hidden_version(world: World) -> None:
    world.write(lambda unit: world.vault.vaultkv.versions.delete(unit, world.ada, "prod", None))


def _number(world: World) -> int:
    with world.vault.storage.read() as unit:
        return unit.marks.numbers([world.ada.user_id])[world.ada.user_id]


VERBS: dict[str, Callable[[World], object]] = {
    # sessions
    "log in": lambda world: log_in(world.vault, "ada"),
    "end one session": lambda world: world.write(
        lambda unit: _of(world).sessions.revoke(unit, world.ada, world.other_session)
    ),
    "end all sessions": lambda world: world.write(lambda unit: _of(world).ending.own(unit, world.ada)),
    "end the others": lambda world: world.write(lambda unit: _of(world).ending.others(unit, world.ada)),
    "an operator ends all": lambda world: world.write(
        lambda unit: _of(world).ending.of_person(unit, world.operator, "ada")
    ),
    "replace a session": lambda world: world.write(
        lambda unit: _of(world).sessions.replace(unit, world.ada, unit.users.by_name("ada"), VISIT)
    ),
    "a login ends the oldest": _too_many_sessions,
    "a session is used": _seen_session,
    "a reseal ends the sessions": lambda world: world.write(
        lambda unit: _of(world).sessions.revoke_all(unit, world.ada.user_id)
    ),
    # accounts
    "disable": _operators("set_state", active=False),
    "enable": _operators("set_state", active=True),
    "change the role": _operators("set_role", Role.OPERATOR),
    "an operator sets the password": _operators("set_password", NEW_PASSWORD),
    "change the password": lambda world: change_password(
        world.vault, world.ada, "lantern gravel ninefold otter", NEW_PASSWORD
    ),
    "add an app": lambda world: add_totp(world.vault, "ada"),
    "add a passkey": lambda world: add_passkey(world.vault, "ada"),
    "reset the factors": _reset_factors,
    # tokens
    "make a token": lambda world: add_token(world.vault, world.ada, grant("read", path="*")),
    "rotate a token": lambda world: world.write(
        lambda unit: world.vault.tokens.tokens.rotate(unit, world.ada, world.token.id, 0)
    ),
    "revoke a token": lambda world: world.write(
        lambda unit: world.vault.tokens.tokens.revoke(unit, world.ada, world.token.id)
    ),
    "end sessions with their tokens": lambda world: world.write(
        lambda unit: _of(world).ending.own(unit, world.ada, end_tokens=True)
    ),
    "a use is counted": _used_token,
    # environments
    "write": lambda world: patch(world.vault, world.ada, "prod", A="new"),
    "write the globals": lambda world: patch(world.vault, world.ada, None, A="new"),
    "rename": lambda world: world.change(name="live"),
    "change a rule": lambda world: world.change(cas_required=True),
    "set bases": _set_bases,
    "delete": World.delete,
    "erase": lambda world: world.write(lambda unit: world.vault.vaultkv.metadata.erase(unit, world.ada, "prod")),
    "hide a version": _hidden_version,
    "purge the bin": _purged,
    # keys
    "rotate the person's key": lambda world: world.vault.keys.people.rotate(HOST, "ada"),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_wakes_those_who_follow_its_person(world: World, name: str) -> None:
    before = _number(world)
    with world.vault.storage.read() as unit:
        others = unit.marks.numbers([world.operator.user_id])
    VERBS[name](world)
    assert _number(world) > before
    with world.vault.storage.read() as unit:
        assert unit.marks.numbers([world.operator.user_id]) == others


def test_an_erased_person_has_no_number_any_more(world: World) -> None:
    world.write(lambda unit: world.vault.people.erasure.person(unit, world.operator, "ada", "ada"))
    with world.vault.storage.read() as unit:
        assert unit.marks.numbers([world.ada.user_id]) == {}


def test_a_read_wakes_nobody(world: World) -> None:
    before = _number(world)
    world.vault.environments.variables.read(world.ada, "prod")
    world.vault.environments.environments.list(world.ada, limit=10)
    world.vault.audit.reads.drain()
    purge(world.vault)
    assert _number(world) == before
