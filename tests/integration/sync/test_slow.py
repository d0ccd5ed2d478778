"""A client that does not read: what waits for it is bounded, and its stream ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import FreshDatabase
from tests.integration.sync.without_server import EVENTS, Call, bearer
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.vaults import add_environment, add_person, log_in, make_vault
from vault.asgi import LIVE_CALL, Message, Scope
from vault.sync import Live
from vault.sync.backlog import BACKLOG_MOST


def test_a_client_that_never_reads_is_told_to_resume_and_left(tmp_path: Path, fresh_database: FreshDatabase) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"), quota_environments=500)
    ada = add_person(vault)
    live, call = Live(vault), Call(bearer(log_in(vault, "ada").secret) | EVENTS)
    scope: Scope = {LIVE_CALL: call, "type": "http", "path": "/api/v1/changes", "query_string": b"all=true"}
    sent: list[Message] = []
    begun = asyncio.Event()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            # The client's buffers are full.
            begun.set()
            await asyncio.Event().wait()

    def is_told() -> bool:
        (person,) = live._hub._registry.people()
        with vault.storage.read() as unit:
            return unit.marks.numbers([ada.user_id]) == {ada.user_id: person.number}

    async def test() -> None:
        stream = asyncio.create_task(live(scope, receive, send))
        await asyncio.wait_for(begun.wait(), HANG_SECONDS)
        loop = asyncio.get_running_loop()
        for number in range(BACKLOG_MOST + 1):
            assert not stream.done()
            await loop.run_in_executor(None, add_environment, vault, ada, f"e{number}")
            if number % 50 == 49:
                # More changes than fit into one page would be kept back until this client has read some.
                assert await loop.run_in_executor(None, eventually, is_told)
        await asyncio.wait_for(stream, HANG_SECONDS)

    live.start()
    try:
        asyncio.run(test())
    finally:
        live.stop()
        vault.close()
    assert call.ending == "slow"
    assert len(sent) == 2, "Nothing was sent after the end."
