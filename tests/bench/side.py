"""One side of `make bench AGAINST=COMMIT`: measures the `vault` of the tree that it runs in, one sample at a time.

It always runs with the newer tree's tests/bench, so that the load is the same. Everything else, with tests/support, is
the measured tree's. Each line of its input is an order in JSON: `["open", GROUP]` prepares a group and answers the
names of its cases; `["sample", CASE]` answers a `Sample`. The answer to a failed order is `{"error": TEXT}`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import vault as measured
from tests.bench import audit, cases, keys
from tests.bench.cases import Measured
from tests.bench.clients import Clients
from tests.bench.stores import SIZES, prepare
from tests.bench.turns import Sample
from tests.support.serving import RunningServer
from vault import settings
from vault.app import open_vault

_READ_SECONDS = 0.4
_WRITE_SECONDS = 0.8
_LOGINS = 3
_EVENTS = 100_000
_USER_KEYS = 5_000
"""Each sample rewraps all of them."""

Probe = Callable[[], Sample]


class Side:
    """The store of this side, and what the groups measure on it."""

    def __init__(self, database: str, directory: Path, store_url: str, keys_url: str) -> None:
        self.database = database
        self.directory = directory
        self.keys_url = keys_url
        # Start the clients before the first thread: they are forked.
        self.clients = Clients(max(audit.CLIENTS))
        self.store = prepare(directory, store_url)

    def reads(self, stack: ExitStack) -> dict[str, Probe]:
        server = self._server(stack)
        asked = {f"values of {size} variables": server.values(size) for size in SIZES}
        asked["a constant route"] = server.constant(SIZES[0])
        asked |= {f"{size} variables through /v1": server.through_vaults_face(size) for size in (SIZES[0], SIZES[-1])}
        return {name: _load(server, [text], _READ_SECONDS, cases.READERS) for name, text in asked.items()}

    def audit(self, stack: ExitStack) -> dict[str, Probe]:
        servers = {"audited": self._server(stack), "not audited": self._server(stack, cases.UNAUDITED_FACTORY)}
        return {
            f"reads that are {word}, {clients} at once": _load(
                server, [server.values(SIZES[0])], _READ_SECONDS, clients
            )
            for clients in audit.CLIENTS
            for word, server in servers.items()
        }

    def writes(self, stack: ExitStack) -> dict[str, Probe]:
        server = self._server(stack)
        return {
            f"writes, {clients} at once": _load(server, server.writes(clients), _WRITE_SECONDS, clients)
            for clients in cases.WRITERS
        }

    def logins(self, stack: ExitStack) -> dict[str, Probe]:
        server = self._server(stack)

        def log_in() -> Sample:
            before, started = server.worker_seconds(), time.perf_counter()
            for _ in range(_LOGINS):
                server.clients.fetch(server.address, server.login())
            return Sample(_LOGINS, time.perf_counter() - started, server.worker_seconds() - before)

        return {"login": log_in}

    def starts(self, stack: ExitStack) -> dict[str, Probe]:
        command, env = cases.true_command(self._server(stack))

        def run() -> Sample:
            before, started = _children_seconds(), time.perf_counter()
            subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL)
            return Sample(1, time.perf_counter() - started, _children_seconds() - before)

        return {"strongroom run -- true": run, "start of the server (CPU: and its end)": self._start}

    def rewraps(self, stack: ExitStack) -> dict[str, Probe]:
        vault = keys.crowded(self.directory / "keys", self.keys_url, _USER_KEYS)
        stack.callback(keys.close, vault)
        return {f"rewraps of {_USER_KEYS:,} user keys": lambda: Sample(*keys.rewrap(vault))}

    def verify(self, stack: ExitStack) -> dict[str, Probe]:
        vault = open_vault(settings.load(self.store.env))
        stack.callback(vault.storage.close)
        audit.fill(vault, _EVENTS)

        def verify() -> Sample:
            before = time.process_time()
            return Sample(*audit.verify(vault), time.process_time() - before)

        return {"audit verify": verify}

    def _server(self, stack: ExitStack, factory: str = cases.FACTORY) -> Measured:
        return Measured(self.database, self.store, self.directory, self.clients, stack, factory)

    def _start(self) -> Sample:
        before = _children_seconds()
        with RunningServer(self.directory, self.store.env) as server:
            seconds = server.start_seconds
        return Sample(1, seconds, _children_seconds() - before)


GROUPS: dict[str, Callable[[Side, ExitStack], dict[str, Probe]]] = {
    "reads": Side.reads, "audit": Side.audit, "writes": Side.writes, "logins": Side.logins, "starts": Side.starts,
    "rewraps": Side.rewraps, "verify": Side.verify,
}  # fmt: skip


def main(arguments: list[str]) -> None:
    """Answer orders until there are no more."""
    signal.signal(signal.SIGTERM, _end)
    # Whatever else prints must not print between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        if not Path(measured.__file__).is_relative_to(Path.cwd()):
            raise RuntimeError(f"It would measure {measured.__file__}.")
        database, directory, store_url, keys_url = arguments
        side = Side(database, Path(directory), store_url, keys_url)
    except Exception as error:
        _tell(answers, {"error": repr(error)})
        return
    _tell(answers, [])
    with ExitStack() as stack:
        stack.callback(side.clients.close)
        _obey(side, answers)


def _obey(side: Side, answers: Any) -> None:
    probes: dict[str, Probe] = {}
    with ExitStack() as of_group:
        for line in sys.stdin:
            word, name = json.loads(line)
            try:
                if word == "open":
                    of_group.close()
                    probes = GROUPS[name](side, of_group)
                    _tell(answers, list(probes))
                else:
                    _tell(answers, probes[name]())
            except Exception as error:
                _tell(answers, {"error": repr(error)})


def _load(server: Measured, texts: list[bytes], seconds: float, clients: int) -> Probe:
    def load() -> Sample:
        count, processor = server.load(texts, seconds, clients)
        return Sample(count.requests, count.seconds, processor)

    return load


def _children_seconds() -> float:
    """Return the processor time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tell(answers: Any, answer: object) -> None:
    print(json.dumps(answer), file=answers)


def _end(*_: object) -> None:
    # The second signal must not interrupt the end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
