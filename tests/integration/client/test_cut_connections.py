"""The connection breaks after the server has done its work: the SDK asks again, and it has happened once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.client.conftest import Door, Watching
from tests.integration.client.cutting_proxy import CuttingProxy
from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD
from vault.client import Client, Grant
from vault.client.transport import ConnectionLost
from vault.model.environment import Variable


@pytest.fixture
def watching(server: RunningServer, proxy: CuttingProxy) -> Iterator[Watching]:
    """The way to the server that leads through the proxy."""
    transport = Door(None, server).transport(proxy.port)
    yield transport
    transport.close()


@pytest.fixture
def ada(watching: Watching) -> Iterator[Client]:
    """Ada behind the proxy, with an environment `prod`."""
    client = Client("https://vault.test", "", transport=watching)
    client.login("ada", PASSWORD)
    client.environments.create("prod", variables=[Variable("A", "1")])
    yield client
    for environment in client.environments.list():
        client.environments.delete(environment.id)
    for token in client.tokens.list():
        client.tokens.revoke(token.id)


def count(client: Client) -> Any:
    """What a write that happened twice would have changed twice."""
    environments = {item.name: item.revision for item in client.environments.list()}
    return environments, len(client.environments.list(deleted=True)), len(client.tokens.list())


WRITES: dict[str, Callable[[Client, str], Any]] = {
    "POST environments": lambda client, _etag: client.environments.create("new"),
    "POST copy": lambda client, _etag: client.environments.copy("prod", "new"),
    "POST rollback": lambda client, _etag: client.environment("prod").rollback(1),
    "POST tokens": lambda client, _etag: client.tokens.create("t", [Grant(("read",), environment="prod")]),
    "POST import": lambda client, _etag: client.import_text("prod", "dotenv", "B=2"),
    "PUT variables": lambda client, etag: client.environment("prod").replace([Variable("B", "2")], etag=etag),
    "PATCH variables": lambda client, _etag: client.environment("prod").patch({"A": None, "B": "2"}),
    "PATCH environments": lambda client, _etag: client.environments.rename("prod", "renamed"),
    "DELETE variable": lambda client, _etag: client.environment("prod").unset("A"),
    "DELETE environments": lambda client, _etag: client.environments.delete("prod"),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_write_whose_answer_was_lost_happens_once(
    ada: Client, proxy: CuttingProxy, watching: Watching, what: str
) -> None:
    environments, deleted, tokens = count(ada)
    etag = ada.environment("prod").variables().etag
    proxy.lose_answers(1)
    WRITES[what](ada, etag)
    assert (proxy.cuts, watching.replayed) == (1, 1)
    after, deleted_after, tokens_after = count(ada)
    made = len(after) - len(environments) + deleted_after - deleted + tokens_after - tokens
    written = after.get("prod") == 2
    assert (made, written) == {
        "POST environments": (1, False),
        "POST copy": (1, False),
        "POST tokens": (1, False),
        "PATCH environments": (0, False),
        "DELETE environments": (0, False),
    }.get(what, (0, True))


def test_a_read_whose_answer_was_lost_is_asked_again(ada: Client, proxy: CuttingProxy) -> None:
    proxy.lose_answers(1)
    assert dict(ada.values("prod")) == {"A": "1"}
    assert proxy.cuts == 1


def test_a_connection_that_is_refused_is_tried_again(ada: Client, proxy: CuttingProxy, watching: Watching) -> None:
    watching.close()
    proxy.refuse(2)
    assert ada.environment("prod").set("A", "2") == 2
    assert (proxy.cuts, watching.replayed) == (2, 0)


def test_a_login_whose_answer_was_lost_is_not_repeated(proxy: CuttingProxy, watching: Watching) -> None:
    client = Client("https://vault.test", "", transport=watching)
    client.login("ada", PASSWORD)
    before = len(client.sessions.list())
    proxy.lose_answers(1)
    with pytest.raises(ConnectionLost):
        client.login("ada", PASSWORD)
    client.login("ada", PASSWORD)
    # The lost one, and the one after it.
    assert len(client.sessions.list()) == before + 2
    client.sessions.revoke_all()


def test_a_changed_password_whose_answer_was_lost_is_changed_once(proxy: CuttingProxy, watching: Watching) -> None:
    # Asked again without a key, the server would say that the current password is wrong, and the person believe it.
    client = Client("https://vault.test", "", transport=watching)
    client.login("bob", PASSWORD)
    proxy.lose_answers(1)
    client.change_password(PASSWORD, PASSWORD + "!")
    client.login("bob", PASSWORD + "!")
    client.change_password(PASSWORD + "!", PASSWORD)
    client.sessions.revoke_all()
