"""How many streams there may be: the limits of the settings hold for each way, and each end gives a place back.

tests/soak/test_live_limits.py does the same with a server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FreshDatabase
from tests.integration.sync.without_server import EVENTS, Opened, bearer
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import add_environment, add_person, add_token, grant, make_vault
from vault.asgi import Refusal
from vault.model.principal import Principal
from vault.services import Services
from vault.sync import Live

Open = Callable[[str], Opened]

QUERY = "environment=prod"


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase) -> Iterator[Services]:
    few: dict[str, Any] = {"max_streams": 5, "max_streams_per_person": 3, "max_streams_per_credential": 2}
    made = make_vault(tmp_path, fresh_database("sqlite"), **few)
    yield made
    made.close()


@pytest.fixture
def live(vault: Services) -> Iterator[Live]:
    made = Live(vault)
    made.start()
    yield made
    made.stop()


def run(test: Coroutine[object, object, None]) -> None:
    async def in_turn() -> None:
        # One thread: seats are taken in the order of the calls.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        await asyncio.wait_for(test, HANG_SECONDS)

    asyncio.run(in_turn())


def person(vault: Services, name: str) -> Principal:
    made = add_person(vault, name)
    add_environment(vault, made, "prod", A="1")
    return made


def token(vault: Services, owner: Principal) -> str:
    secret = add_token(vault, owner, grant("list,read", environment="prod")).secret
    assert secret is not None
    return secret


def ways(live: Live) -> tuple[Open, Open, Open]:
    """A stream, a WebSocket and a poll, each with a credential."""
    return (
        lambda secret: Opened(live, "http", "/api/v1/changes", bearer(secret) | EVENTS, QUERY),
        lambda secret: Opened(live, "websocket", "/api/v1/sync", bearer(secret)),
        lambda secret: Opened(live, "http", "/api/v1/changes", bearer(secret), QUERY),
    )


async def refused(live: Live, secret: str) -> str:
    """Return why one more call of each kind is refused."""
    details = set()
    for way in ways(live):
        with pytest.raises(Refusal) as refusal:
            await way(secret).begun()
        assert (refusal.value.status, refusal.value.code) == (429, "too_many_streams")
        assert refusal.value.retry_after_seconds > 0
        details.add(refusal.value.detail)
    (detail,) = details
    return detail


async def begun(*calls: Opened) -> None:
    for call in calls:
        await call.begun()


def test_each_limit_says_which_it_is_and_a_stream_that_ends_gives_its_place_back(vault: Services, live: Live) -> None:
    stream, socket, poll = ways(live)
    ada, eve = person(vault, "ada"), person(vault, "eve")
    first, second, third, of_eve = token(vault, ada), token(vault, ada), token(vault, eve), token(vault, eve)

    async def test() -> None:
        one, two = stream(first), socket(first)
        await begun(one, two)
        assert "This credential has 2" in await refused(live, first)
        await begun(stream(second))
        assert "You have 3" in await refused(live, second)
        await begun(stream(third), socket(third))
        assert "This server has" in await refused(live, of_eve)
        for leaves in (one, two):
            await leaves.leave()
            again = poll(first)
            await again.ended()
            assert again.sent[0]["status"] == 200

    run(test())


def test_a_poll_whose_client_leaves_gives_its_place_back(vault: Services, live: Live) -> None:
    secret = token(vault, person(vault, "ada"))

    def polled(query: str) -> Opened:
        return Opened(live, "http", "/api/v1/changes", bearer(secret), query)

    async def status() -> int:
        one = polled(QUERY)
        try:
            await one.ended()
        except Refusal as refusal:
            return refusal.status
        return int(one.sent[0]["status"])

    async def test() -> None:
        first = polled(QUERY)
        await first.ended()
        cursor = json.loads(first.sent[1]["body"])["cursor"]
        for _ in range(2):
            waiting = [polled(f"{QUERY}&after={cursor}&wait=60") for _ in range(2)]
            assert await status() == 429
            for each in waiting:
                await each.leave()
            assert await status() == 200

    run(test())


def test_refused_callers_leave_no_place_taken(vault: Services, live: Live) -> None:
    ada = person(vault, "ada")
    add_environment(vault, ada, "dev")
    secret = token(vault, ada)
    wrong = [("environment=dev", secret, 404), (f"{QUERY}&after=no+cursor", secret, 422), (QUERY, "srm_t_nothing", 401)]

    async def test() -> None:
        for query, presented, status in wrong * 3:
            with pytest.raises(Refusal) as refusal:
                await Opened(live, "http", "/api/v1/changes", bearer(presented) | EVENTS, query).begun()
            assert refusal.value.status == status
        stream, socket, _ = ways(live)
        await begun(stream(secret), socket(secret))

    run(test())
