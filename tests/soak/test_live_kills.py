"""Workers, PostgreSQL and the network die a hundred times under fifty clients of the live feed: nobody misses a change.

`make soak`. It counts faults and not seconds, so SOAK_SECONDS changes nothing here.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.faults.conftest import Caller, Stack, running_stack
from tests.soak.live_watchers import Client, Number, Watcher, wait_until_ready
from tests.support.feed_checker import Row, faults
from tests.support.forwarder import Forwarder
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.vaults import reconnect
from vault import settings
from vault.app import open_vault
from vault.services import Services

pytestmark = pytest.mark.timeout(3600)

FAULTS = 100
_SEED = 20261127
_PAUSE_SECONDS = 1.0
_NEWEST = 9_000
"""A cursor opens if it is at most 10,000 changes behind the newest one. There are fewer here."""
_WAYS = ("stream", "socket", "poll")


class World:
    """A vault with environments, and the tokens that see all of them, one, or those below one name."""

    def __init__(self, vault: Services, person: Caller) -> None:
        self.person = person
        self._vault = vault
        self.user_id: str = person.ok("GET", "/me")["id"]
        self.prod: str = person.ok("POST", "/environments", {"name": "prod", "variables": [_variable("0")]})["id"]
        person.ok("PATCH", "/globals/variables", {"variables": {"A": "0"}})
        self.globals: str = person.ok("GET", "/globals")["id"]
        self._everything = self._token({"path": "*"}, {"globals": True})
        self._one = self._token({"environment_id": self.prod}, {"globals": True})
        self._narrow = self._token({"path": "narrow"})

    def clients(self) -> list[tuple[str, Client]]:
        """What each client sees, and the client: 50 in all, in all three ways."""
        query, subscription = {"environment": "prod"}, {"environments": ["prod"]}
        everything: tuple[dict[str, str], dict[str, Any]] = ({"all": "true"}, {"all": True})
        kinds = [
            ("everything", self._everything, *everything),
            ("prod", self._everything, query, subscription),
            ("prod", self._one, query, subscription),
            ("prod", self._one, *everything),
            ("narrow", self._narrow, *everything),
        ]
        return [
            (sees, Client(_WAYS[number % len(_WAYS)], secret, asked, said))
            for number in range(50)
            for sees, secret, asked, said in [kinds[number // len(_WAYS) % len(kinds)]]
        ]

    def visible(self, sees: str, rows: list[Row], names: dict[str, str]) -> set[str]:
        """The ids that a client of this kind sees."""
        if sees == "prod":
            return {self.prod, self.globals}
        ids = {row.environment_id for row in rows}
        return ids if sees == "everything" else {each for each in ids if names.get(each, "").startswith("narrow/")}

    def number(self) -> Number:
        """Open cursors as the server does."""
        with self._vault.storage.read() as unit:
            epoch = self._vault.sync.epochs.present(unit)
        cursors = self._vault.sync.cursors
        return lambda cursor: cursors.open(self.user_id, epoch, cursor, _NEWEST)

    def rows(self) -> list[Row]:
        """All changes that are stored, in order."""
        # PostgreSQL was killed since the last statement.
        reconnect(self._vault)
        with self._vault.storage.read() as unit:
            found = unit.changes.after(self.user_id, 0, 1_000_000)
        return [Row(change.seq, change.environment_id) for change in found if change.environment_id]

    def _token(self, *scopes: dict[str, Any]) -> str:
        grants = [{"permissions": ["list", "read"], **scope} for scope in scopes]
        wish = {"name": "watcher", "grants": grants, "ttl_seconds": 86_400}
        secret: str = self.person.ok("POST", "/tokens", wish)["secret"]
        return secret


class Writer(threading.Thread):
    """Changes prod and the globals again and again, and makes environments that are never changed again."""

    def __init__(self, stack: Stack, secret: str) -> None:
        super().__init__(daemon=True)
        self.done: Counter[str] = Counter()
        self.broken: list[BaseException] = []
        self.names: dict[str, str] = {}
        self._stack = stack
        self._secret = secret
        self._ends = threading.Event()

    def stop(self) -> None:
        """End it after its present call."""
        self._ends.set()
        self.join(HANG_SECONDS)

    def run(self) -> None:
        try:
            with Caller(self._stack.server, self._secret) as caller:
                for number in range(10**6):
                    if self._ends.wait(0.1):
                        return
                    self._write(caller, number)
        except BaseException as error:
            self.broken.append(error)

    def _write(self, caller: Caller, number: int) -> None:
        kind = ("prod", "narrow", "globals", "wide")[number % 4]
        if kind in ("narrow", "wide"):
            body: dict[str, Any] = {"name": f"{kind}/{number}", "variables": [_variable("1")]}
            reply = caller.insist("POST", "/environments", body, within_seconds=120)
            self.names[reply.json["id"]] = body["name"]
        else:
            path = "/globals" if kind == "globals" else "/environments/prod"
            change = {"variables": {"A": str(number)}}
            reply = caller.insist("PATCH", f"{path}/variables", change, within_seconds=120)
        assert 200 <= reply.status < 300, reply
        self.done[kind] += 1


class Faults:
    """Kills, restarts and cuts, one after the other."""

    def __init__(self, stack: Stack, network: Forwarder) -> None:
        self.counts: Counter[str] = Counter()
        self._stack = stack
        self._network = network
        self._random = random.Random(_SEED)

    def run(self, times: int) -> None:
        """Have so many faults happen. In any two, at least one is a kill."""
        kinds = (self.worker, self.worker, self.cut, self.postgres, self.cut)
        for _ in range(times):
            fault = self._random.choice(kinds)
            fault()
            self.counts[fault.__name__] += 1
            time.sleep(self._random.uniform(0.2, 2 * _PAUSE_SECONDS))

    def worker(self) -> None:
        """`kill -9` of one worker, once both are there again."""
        assert eventually(lambda: len(self._stack.workers()) == 2, 60)
        os.kill(self._random.choice(self._stack.workers()), signal.SIGKILL)

    def cut(self) -> None:
        """Every client's connection ends in the middle of what it carries."""
        self._network.cut()

    def postgres(self) -> None:
        """PostgreSQL crashes and recovers."""
        self._stack.postgres.kill()
        time.sleep(self._random.uniform(0.1, 1.0))
        self._stack.postgres.start()


def _stack(folder: Path) -> AbstractContextManager[Stack]:
    """A server with room for all clients on the worker that is left, and for environments that are never deleted."""
    return running_stack(
        folder,
        STRONGROOM_QUOTA_ENVIRONMENTS="100000",
        STRONGROOM_CALLS_PER_SECOND_PER_CALLER="100000",
        STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER="128",
    )


@contextmanager
def watching(stack: Stack, world: World, network: Forwarder) -> Iterator[list[tuple[str, Watcher]]]:
    """All clients, connected, until the end of the block."""
    context, number = stack.server.context(), world.number()
    watchers = [
        (sees, Watcher(f"{place} {client.way} of {sees}", client, network.port, context, number))
        for place, (sees, client) in enumerate(world.clients())
    ]
    for _, watcher in watchers:
        watcher.start()
    try:
        wait_until_ready([watcher for _, watcher in watchers], HANG_SECONDS)
        yield watchers
    finally:
        for _, watcher in watchers:
            watcher.stop()


def test_nobody_misses_a_change_or_is_told_one_twice(tmp_path: Path) -> None:
    with (
        _stack(tmp_path) as stack,
        Forwarder(stack.server.port) as network,
        closing(open_vault(settings.load(stack.server.env))) as vault,
    ):
        world = World(vault, stack.log_in())
        writer = Writer(stack, world.person.secret)
        chaos = Faults(stack, network)
        with watching(stack, world, network) as watchers:
            writer.start()
            chaos.run(FAULTS)
            writer.stop()
            assert not writer.broken, writer.broken
            rows = world.rows()

            def wrong() -> dict[str, list[str]]:
                found = {
                    watcher.name: watcher.faults
                    or faults(
                        rows,
                        list(watcher.deliveries),
                        world.visible(sees, rows, writer.names),
                        watcher.start_number,
                    )
                    for sees, watcher in watchers
                }
                return {name: each for name, each in found.items() if each}

            # The last changes may still be on their way.
            eventually(lambda: not wrong(), 60)
            told = sum(len(watcher.deliveries) for _, watcher in watchers)
            breaks = sum((watcher.breaks for _, watcher in watchers), Counter[str]())
            sys.stdout.write(f"\nfaults {dict(chaos.counts)}; writes {dict(writer.done)}; {told:,} told; {breaks}\n")
            assert wrong() == {}
        assert sum(chaos.counts.values()) == FAULTS
        assert min(chaos.counts[kind] for kind in ("worker", "cut", "postgres")) > 0
        assert min(writer.done.values()) > 10


def _variable(value: str) -> dict[str, str]:
    return {"name": "A", "value": value}
