"""Every list of every face: as many statements for 200 rows as for 20, and work that grows no faster than the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.api.conftest import Caller, Vault, open_for_tests
from tests.integration.storage.spy import statements
from tests.kv.conftest import Kv
from tests.support.vaults import HOST, PASSWORD, FakeClock, add_environment, add_token, grant, log_in, patch, write
from tests.web.conftest import Visitor, newcomer
from vault.model.grant import Grant
from vault.model.principal import Principal, Role
from vault.services.tokens.holders import grant_of
from vault.storage import GrantRow

FEW, MANY = 20, 200


@dataclass
class Crowd:
    """A vault in which one operator has as many things of every kind as are asked for."""

    vault: Vault
    visitor: Visitor
    caller: Caller
    kv: Kv
    narrow: Caller
    """A token that may list one environment alone: all others are looked at and left out."""
    who: Principal
    has: int = 0

    def grow(self, count: int) -> None:
        services = self.vault.services
        for number in range(self.has, count):
            self._add(number)
        # Passwords are hashed for people, which takes long, so there are fewer of these.
        for number in range(self.has // 10, count // 10):
            name = f"someone-{number}"
            write(services, partial(services.people.accounts.add, principal=HOST, name=name, password=PASSWORD))
            log_in(services, self.caller.username)
        services.audit.reads.drain()
        self.has = count

    def _add(self, number: int) -> None:
        services = self.vault.services
        add_environment(services, self.who, f"env-{number:03}", **({"A": "1"} if number % 20 == 0 else {}))
        gone = add_environment(services, self.who, f"gone-{number:03}")
        write(services, partial(services.environments.environments.delete, principal=self.who, reference=gone.id))
        patch(services, self.who, "env-000", A=str(number))
        add_token(services, self.who, grant("read", path="a"), grant("list", path="b"))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder = tmp_path_factory.mktemp("crowd")
    vault = open_for_tests(folder, f"sqlite:///{folder / 'strongroom.db'}")
    visitor = newcomer(vault, "ada")
    write(
        vault.services,
        lambda unit: vault.services.people.accounts.set_role(unit, HOST, visitor.username, Role.OPERATOR),
    )
    visitor.log_in()
    session = log_in(vault.services, visitor.username, address="127.0.0.1")
    who = vault.services.people.sessions.authenticate(session.secret, "api", "127.0.0.1", "request")
    caller = Caller(vault.app, session.secret, who.user_id, visitor.username, session.session.id)
    narrow = caller.token({"path": "env-999", "permissions": ["list"]})
    made = Crowd(vault, visitor, caller, Kv(vault.app, session.secret), narrow, who)
    made.grow(FEW)
    yield made
    vault.services.storage.close()


API = (
    "/environments?limit=200",
    "/environments?limit=200&deleted=true",
    "/environments/env-000/revisions?limit=200",
    "/tokens?limit=200",
    "/sessions",
    "/audit?limit=200",
    "/me/factors",
    "/operator/users?limit=200",
    "/operator/audit?limit=200",
)
PAGES = (
    "/environments",
    "/environments/env-000/history",
    "/tokens",
    "/security",
    "/security/activity",
    "/operator/people",
    "/operator/audit",
)


VAULT = (
    ("LIST", "auth/token/accessors"),
    ("LIST", "secret/metadata"),
    ("GET", "secret/metadata/env-000"),
    ("LIST", "kv"),
)


def _looks(crowd: Crowd) -> dict[str, Callable[[], object]]:
    looks: dict[str, Callable[[], object]] = {path: partial(crowd.caller.ok, "GET", path) for path in API}
    looks |= {f"page {path}": partial(_load, crowd, path) for path in PAGES}
    looks["a page of one for a token that may list one"] = partial(crowd.narrow.ok, "GET", "/environments?limit=1")
    for method, path in VAULT:
        looks[f"{method} {path}"] = partial(_ask, crowd, method, path)
    return looks


def _load(crowd: Crowd, path: str) -> None:
    assert crowd.visitor.get(path).status_code == 200, path


def _ask(crowd: Crowd, method: str, path: str) -> None:
    assert crowd.kv(method, path).status == 200, path


def test_no_list_makes_a_statement_for_each_row(crowd: Crowd) -> None:
    looks = _looks(crowd)

    def counted() -> dict[str, int]:
        counts = {}
        for name, look in looks.items():
            look()
            with statements(crowd.vault.services) as seen:
                look()
            counts[name] = len(seen)
        return counts

    few = counted()
    crowd.grow(MANY)
    assert counted() == few


def test_grants_are_given_to_their_tokens_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = open_for_tests(tmp_path, f"sqlite:///{tmp_path / 'strongroom.db'}")
    ada = vault.person("ada")
    for number in range(30):
        ada.token(*({"path": f"p{n}", "permissions": ["list"]} for n in range(number % 3 + 1)))
    made: list[GrantRow] = []

    def seen(row: GrantRow) -> Grant:
        made.append(row)
        return grant_of(row)

    monkeypatch.setattr("vault.services.tokens.views.grant_of", seen)
    items = ada.ok("GET", "/tokens?limit=200")["items"]
    assert [len(item["grants"]) for item in items] == [number % 3 + 1 for number in range(30)]
    assert len(made) == 60
    # The list of accessors needs no grants at all.
    made.clear()
    assert len(Kv(vault.app, ada.secret)("LIST", "auth/token/accessors").data["keys"]) == 30
    assert made == []
    vault.services.storage.close()


def test_ended_tokens_are_in_no_list_of_accessors_and_never_more_than_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.tokens.tokens.ENDED_MOST", 20)
    clock = FakeClock()
    vault = open_for_tests(tmp_path, f"sqlite:///{tmp_path / 'strongroom.db'}", clock=clock, quota_tokens=3)
    services = vault.services
    who = services.people.sessions.authenticate(vault.person("ada").secret, "api", "127.0.0.1", "request")
    keeper = add_token(services, who, grant("read", path="a"), ttl_seconds=None)
    for number in range(60):
        kind = number % 3
        made = add_token(
            services,
            who,
            grant("read", path="a"),
            ttl_seconds=5 if kind == 0 else 86_400,
            uses=1 if kind == 1 else None,
        )
        assert made.secret is not None
        if kind == 1:
            services.tokens.holders.authenticate(made.secret, "127.0.0.1", "request")
        elif kind == 2:
            write(services, partial(services.tokens.tokens.revoke, principal=who, token_id=made.id))
        clock.advance(6)
    with services.storage.read() as unit:
        assert unit.tokens.counts(who.user_id, clock()) == (1, 21)
    assert services.tokens.tokens.accessors(who, 100) == [keeper.accessor]
    clock.advance(2 * 86_400)
    with services.storage.write() as unit:
        assert unit.tokens.purge(clock() - 86_400) == 21
    services.storage.close()
