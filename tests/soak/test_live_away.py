"""Streams outlive a database that is away, and Redis does not matter to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.sync.house import House, running_house
from tests.support.patience import eventually
from tests.support.servers import Postgres, Redis
from tests.support.vaults import log_in, patch, reconnect
from vault.errors import Unavailable
from vault.model.principal import Principal


@pytest.fixture
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Postgres, Redis]]:
    """A server on a PostgreSQL and a Redis of its own."""
    folder = tmp_path_factory.mktemp("away")
    with (
        Postgres(durable=True) as postgres,
        Redis() as redis,
        running_house(folder, postgres.create_database(), STRONGROOM_REDIS_URL=redis.url) as house,
    ):
        yield house, postgres, redis


def test_nothing_is_lost_while_the_database_and_redis_are_away(standing: tuple[House, Postgres, Redis]) -> None:
    house, postgres, redis = standing
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod")
    streams = [house.stream(secret, environment="prod") for _ in range(4)]
    streams.append(house.stream(log_in(house.vault, ada.username).secret, environment="prod"))
    for stream in streams:
        assert stream.next()
    socket = house.socket(secret)
    socket.told()
    socket.subscribe(environments=["prod"])
    cursor = house.poll(secret, environment="prod")[1]["cursor"]

    redis.kill()
    patch(house.vault, ada, "prod", A="2")
    for stream in streams:
        assert stream.change().data["revision"] == 2
    assert socket.told()["revision"] == 2

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.poll, secret, environment="prod", after=cursor, wait=60)
        assert waiting.result()[1]["changes"][0]["revision"] == 2
    patch(house.vault, ada, "prod", A="3")
    postgres.kill()
    time.sleep(3)
    postgres.start()
    reconnect(house.vault)
    assert eventually(lambda: _can_write(house, ada))
    for stream in streams:
        numbers = [stream.change().data["revision"]]
        while numbers[-1] != 4:
            numbers.append(stream.change().data["revision"])
        assert numbers in ([3, 4], [4])
    while socket.told()["revision"] != 4:
        pass
    log = house.server.log
    assert "feed_waits" in log
    assert "feed_failed" not in log
    assert "feed_turn_failed" not in log


def _can_write(house: House, ada: Principal) -> bool:
    try:
        return patch(house.vault, ada, "prod", A="4") == 4
    except Unavailable:
        return False
