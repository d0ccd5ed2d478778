"""How many streams there may be, over a real server with low limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.server.socket_client import CLOSE
from tests.integration.sync.house import House, running_house
from tests.support.patience import eventually


@pytest.fixture(scope="module")
def _small_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("small")
    limits = {
        "STRONGROOM_WORKERS": "1",
        "STRONGROOM_MAX_STREAMS": "5",
        "STRONGROOM_MAX_STREAMS_PER_PERSON": "3",
        "STRONGROOM_MAX_STREAMS_PER_CREDENTIAL": "2",
    }
    with running_house(folder, f"sqlite:///{folder / 'vault.db'}", **limits) as made:
        yield made


@pytest.fixture
def small_house(_small_house: House) -> Iterator[House]:
    """A server with few places. Each test leaves all of them free."""
    yield _small_house
    _small_house.close_streams()


def refused(house: House, secret: str) -> str:
    """Return why one more stream of each kind is refused, or an empty text."""
    stream = house.stream(secret, environment="prod")
    if stream.status == 200:
        stream.close()
        return ""
    assert (stream.status, stream.problem["code"]) == (429, "too_many_streams")
    assert int(stream.response.headers["Retry-After"]) > 0
    socket = house.refusal(f"Authorization: Bearer {secret}")
    assert (socket.status, socket.json()["code"]) == (429, "too_many_streams")
    assert int(socket.headers["retry-after"]) > 0
    status, problem = house.poll(secret, environment="prod")
    assert (status, problem["code"]) == (429, "too_many_streams")
    return str(problem["detail"])


def test_each_limit_says_which_it_is_and_a_stream_that_ends_gives_its_place_back(small_house: House) -> None:
    house = small_house
    ada, eve = house.person(), house.person()
    for person in (ada, eve):
        house.environment(person)
    first, second = house.token(ada, "prod"), house.token(ada, "prod")
    one = house.stream(first, environment="prod")
    socket = house.socket(first)
    socket.told()
    assert "This credential has 2" in refused(house, first)
    assert refused(house, second) == ""
    third = house.stream(second, environment="prod")
    assert third.next()
    assert "You have 3" in refused(house, second)
    others = [house.stream(secret, environment="prod") for secret in (house.token(eve, "prod"),) * 2]
    assert [each.status for each in others] == [200, 200]
    assert "This server has" in refused(house, house.token(eve, "prod"))
    # An end of each kind gives a place back: the client leaves, or closes its socket.
    one.close()
    socket.send(CLOSE, (1000).to_bytes(2))
    assert eventually(lambda: refused(house, first) == "")
    again = [house.stream(first, environment="prod") for _ in range(1)]
    assert [each.status for each in again] == [200]


def test_a_poll_whose_client_leaves_gives_its_place_back(small_house: House) -> None:
    house = small_house
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod")
    cursor = house.poll(secret, environment="prod")[1]["cursor"]
    for _ in range(4):
        connections = [house.server.connect() for _ in range(2)]
        for connection in connections:
            path = f"/api/v1/changes?environment=prod&after={cursor}&wait=60"
            connection.request("GET", path, headers={"Authorization": f"Bearer {secret}"})
        assert eventually(lambda: house.poll(secret, environment="prod")[0] == 429)
        for connection in connections:
            connection.close()
        assert eventually(lambda: house.poll(secret, environment="prod")[0] == 200)


def test_refused_callers_leave_no_place_taken(small_house: House) -> None:
    house = small_house
    ada = house.person()
    house.environment(ada)
    house.environment(ada, "dev")
    secret = house.token(ada, "prod")
    for _ in range(6):
        assert house.poll(secret, environment="dev")[0] == 404
        assert house.stream(secret, environment="prod", after="no cursor").status == 422
        assert house.poll("srm_t_nothing", environment="prod")[0] == 401
    assert refused(house, secret) == ""
