"""What a person and a service do with the SDK, and what they are told when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.client.conftest import Door
from tests.support.vaults import PASSWORD
from vault import errors
from vault.client import Client, Grant
from vault.model.environment import Variable, VariableType


@pytest.fixture
def ada(door: Door) -> Iterator[Client]:
    """Ada, who leaves nothing behind."""
    client = door.client("ada")
    yield client
    for environment in client.environments.list():
        client.environments.delete(environment.id)
    for token in client.tokens.list():
        client.tokens.revoke(token.id)
    client.globals.patch({variable.name: None for variable in client.globals.variables()})
    client.close()


def test_the_whole_journey(door: Door, ada: Client) -> None:
    assert ada.me().username == "ada"
    ada.globals.set("HOST", "db.test")
    stored = [Variable("URL", "postgres://{{HOST}}/x"), Variable("PW", "it's é😀\n", VariableType.SECRET)]
    made = ada.environments.create("team/prod", variables=stored, description="live")
    grant = Grant(("list", "read"), environment="team/prod")
    token = ada.tokens.create("web", [grant, Grant(("read",), globals=True)], ttl_seconds=600)
    with door.client(token=token.secret) as service:
        expected = {"HOST": "db.test", "URL": "postgres://db.test/x", "PW": "it's é😀\n"}
        assert dict(service.values("team/prod")) == expected
        assert dict(service.values(made.id, ["PW"])) == {"PW": "it's é😀\n"}
        assert [item.id for item in service.environments.list()] == [made.id]
        ada.environment("team/prod").patch({"PW": None, "NEW": "1"})
        assert dict(service.values("team/prod")) == {"HOST": "db.test", "URL": "postgres://db.test/x", "NEW": "1"}
        assert [change.kind for change in ada.environment("team/prod").diff(2)] == ["added", "removed"]
        assert ada.environment("team/prod").rollback(1) == 3
        assert dict(service.values("team/prod")) == expected
        assert service.environment(made.id).render("dotenv").text
        fresh = ada.tokens.rotate(token.token.id)
        with pytest.raises(errors.NotAuthenticated):
            service.values(made.id)
    with door.client(token=fresh.secret) as service:
        assert dict(service.values(made.id)) == expected
        ada.environments.delete("team/prod")
        with pytest.raises(errors.NotFound):
            service.values(made.id)
        ada.environments.undelete("team/prod")
        assert dict(service.values(made.id)) == expected


def test_what_has_not_changed_is_not_sent_again(door: Door, ada: Client) -> None:
    ada.environments.create("prod", variables=[Variable("A", "1")])
    transport = door.transport()
    with door.client("ada", transport=transport) as client:
        first = client.values("prod")
        transport.statuses.clear()
        assert client.values("prod") is first
        ada.globals.set("G", "new")
        assert dict(client.values("prod")) == {"G": "new", "A": "1"}
        client.values("prod")
        ada.environments.delete("prod")
        ada.environments.create("prod", variables=[Variable("A", "1")])
        assert client.values("prod").revision == 1
        assert transport.statuses == [304, 200, 304, 200]


def test_an_answer_that_is_kept_is_no_credential(door: Door, ada: Client) -> None:
    ada.environments.create("prod", variables=[Variable("A", "1")])
    token = ada.tokens.create("web", [Grant(("read",), environment="prod")])
    with door.client(token=token.secret) as service:
        service.values("prod")
        ada.tokens.revoke(token.token.id)
        with pytest.raises(errors.NotAuthenticated):
            service.values("prod")


FAILURES: list[tuple[type[errors.StrongroomError], Callable[[Client], Any]]] = [
    (errors.NotFound, lambda client: client.values("never")),
    (errors.NotFound, lambda client: client.tokens.get("0" * 12)),
    (errors.NameTaken, lambda client: client.environments.create("prod")),
    (errors.InvalidInput, lambda client: client.environments.create("a//b")),
    (errors.InvalidInput, lambda client: client.environment("prod").patch({"A": {"type": "odd"}})),  # type: ignore[dict-item]  # what the server must refuse
    (errors.TooLarge, lambda client: client.environment("prod").set("A", "x" * (1024 * 1024))),
    (errors.PreconditionFailed, lambda client: client.environment("prod").replace([], etag='"stale"')),
    (errors.PreconditionFailed, lambda client: client.environment("prod").replace([])),
    (errors.FormatError, lambda client: client.import_text("prod", "json", "[")),
    (errors.BadLogin, lambda client: client.step_up("wrong")),
]


@pytest.mark.parametrize(("kind", "act"), FAILURES, ids=lambda item: getattr(item, "__name__", ""))
def test_a_refusal_is_the_class_that_says_what_it_is(
    ada: Client, kind: type[errors.StrongroomError], act: Callable[[Client], Any]
) -> None:
    ada.environments.create("prod", variables=[Variable("A", "1")])
    with pytest.raises(kind) as caught:
        act(ada)
    assert type(caught.value) is kind
    assert caught.value.request
    assert ada.environments.get("prod").revision == 1


def test_a_service_is_told_that_a_call_is_for_people(door: Door, ada: Client) -> None:
    token = ada.tokens.create("web", [Grant(("read",), globals=True)])
    with door.client(token=token.secret) as service, pytest.raises(errors.Forbidden):
        service.me()
    with door.client() as nobody, pytest.raises(errors.NotAuthenticated):
        nobody.me()


def test_guessing_is_slowed_down_and_told(door: Door) -> None:
    with door.client() as client:
        for _ in range(10):
            with pytest.raises(errors.BadLogin):
                client.login("bob", "guess")
        with pytest.raises(errors.TooManyRequests) as caught:
            client.login("bob", PASSWORD)
    assert caught.value.retry_after_seconds > 0


def test_two_hundred_and_one_items_come_in_pages_that_nobody_sees(ada: Client) -> None:
    ada.environments.create("prod", variables=[Variable("A", "0")])
    place = ada.environment("prod")
    for number in range(1, 202):
        place.set("A", str(number))
    ada.environments.update("prod", max_versions=1000)
    assert [item.number for item in place.revisions()] == list(range(202, 102, -1))
