"""Measures the live feed: how soon clients are told, what that costs beside polling, and what idle sockets cost.

The clients are raw WebSockets over TLS in processes of their own, on the same processors as the server. A time is
measured from just before the write is sent to when a client has the frame, so it contains the write and the client's
own work. The limits of streams are raised, because all clients here have one token.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.clients import Address, Clients, request
from tests.bench.live_clients import crowd, poll, watch
from tests.bench.stores import SIZES, Store, prepare
from tests.bench.table import Line, at_least, at_most_seconds
from tests.bench.terminal import say
from tests.soak.memory_limit import tree
from tests.support.servers import Postgres
from tests.support.serving import RunningServer

_WATCHERS = int(os.environ.get("LIVE_WATCHERS", "1000"))
_IDLE = int(os.environ.get("LIVE_IDLE", "10000"))
_CHANGES = 6
_CHANGE_SECONDS = 10.0
_POLL_SECONDS = 20.0
_TAIL_SECONDS = 20.0
_TOLD_SECONDS = 0.25
_TIMES_CHEAPER = 20.0
_KIBIBYTES_EACH = 100
_READS = 2000
_SLOWER = 1.2
_CROWDS = 4

_ENVIRONMENT = f"of-{SIZES[0]}"
_VALUES = f"/api/v1/environments/{_ENVIRONMENT}/values"
_SUBSCRIPTION = {"environments": [_ENVIRONMENT]}

Lines = Iterator[Line]


def feed() -> list[Line]:
    """Measure all of it, on both databases."""
    lines: list[Line] = []
    with ExitStack() as stack:
        # Start the reading clients first, because they are forked and this process has no threads yet.
        clients = Clients(1)
        stack.callback(clients.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-")))
        postgres = stack.enter_context(Postgres(durable=True, settings={"shared_buffers": "128MB"}))
        for name, url in (("SQLite", f"sqlite:///{folder}/strongroom.db"), ("PostgreSQL", postgres.create_database())):
            place = folder / name
            place.mkdir()
            store = prepare(place, url)
            lines += _told(name, place, store)
            lines += _tail(name, place, store)
            if name == "PostgreSQL":
                lines += _idle(name, place, store, clients)
    return lines


class Served:
    """A server with two workers and raised limits, and what its processes use."""

    def __init__(self, folder: Path, store: Store, streams: int) -> None:
        raised = str(streams)
        self.server = RunningServer(
            folder,
            {
                **store.env,
                "STRONGROOM_WORKERS": "2",
                "STRONGROOM_LOG_LEVEL": "warning",
                "STRONGROOM_MAX_CONNECTIONS": str(streams + 500),
                "STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "1000",
                "STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "1000",
                "STRONGROOM_MAX_STREAMS": raised,
                "STRONGROOM_MAX_STREAMS_PER_PERSON": raised,
                "STRONGROOM_MAX_STREAMS_PER_CREDENTIAL": raised,
            },
        )
        self.address = Address(self.server.port, self.server.ca_file)
        self._writer = store.writer

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def cpu_seconds(self) -> float:
        """The processor time of all processes of the server, so far."""
        ticks = 0
        for pid in tree(self.server.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def used(self, seconds: float) -> float:
        """The processor time that it uses for each second, over so many seconds."""
        before, started = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - started)

    def pss_kibibytes(self) -> int:
        """The memory of all its processes. What they share counts once."""
        found = 0
        for pid in tree(self.server.process.pid):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return found

    def write(self, value: str) -> tuple[int, float]:
        """Change one value. Returns the revision's number, and when the call was sent."""
        connection = self.server.connect(60.0)
        try:
            connection.connect()
            started = time.monotonic()
            body = json.dumps({"variables": {"CHANGED": value}})
            fields = {"Authorization": f"Bearer {self._writer}", "Content-Type": "application/json"}
            connection.request("PATCH", f"/api/v1/environments/{_ENVIRONMENT}/variables", body, fields)
            answer = connection.getresponse()
            found = json.loads(answer.read())
            assert answer.status == 200, found
            return found["revision"], started
        finally:
            connection.close()


def _told(name: str, folder: Path, store: Store) -> Lines:
    say(f"{name}: {_WATCHERS:,} clients")
    case = f"live: {_WATCHERS:,} clients of one environment"
    with Served(folder, store, _WATCHERS + 500) as served:
        with crowd(watch, served.address, store.token, _SUBSCRIPTION, _WATCHERS) as pipe:
            before, started = served.cpu_seconds(), time.monotonic()
            sent = {}
            for number in range(_CHANGES):
                revision, at = served.write(str(number))
                sent[revision] = at
                time.sleep(max(0.0, started + (number + 1) * _CHANGE_SECONDS - time.monotonic()))
            cpu = (served.cpu_seconds() - before) / (time.monotonic() - started)
            pipe.send("tell")
            heard: list[tuple[int, float]] = pipe.recv()
        times = sorted(at - sent[revision] for revision, at in heard if revision in sent)
        assert len(times) == _CHANGES * _WATCHERS, f"{len(times)} of {_CHANGES * _WATCHERS} were told: {heard[-3:]}"
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        figures = f"told after {p50 * 1e3:.0f} ms (median), {p99 * 1e3:.0f} ms (p99), {times[-1] * 1e3:.0f} ms at most"
        yield at_most_seconds(f"{case}, a change each {_CHANGE_SECONDS:.0f} s: told", name, figures, p99, _TOLD_SECONDS)
        yield _beside_polling(f"{case}: processor time", name, served, store, cpu)


def _beside_polling(case: str, name: str, served: Served, store: Store, followed: float) -> Line:
    with crowd(poll, served.address, store.token, _VALUES, _WATCHERS) as pipe:
        polled = served.used(_POLL_SECONDS)
        pipe.send("tell")
        statuses: dict[int, int] = pipe.recv()
    rate = statuses.pop(304) / _POLL_SECONDS
    polling = f"{polled * 1e3:.0f} ms for {rate:,.0f} reads a second with ETag"
    if statuses:
        # More than this machine can answer. What is refused costs less, so the ratio is a lower bound.
        polling += f" (of {_WATCHERS:,}; others were refused: {statuses})"
    figures = f"{followed * 1e3:.1f} ms of each second, against {polling}"
    return at_least(case, name, figures, polled / followed, _TIMES_CHEAPER)


def _tail(name: str, folder: Path, store: Store) -> Lines:
    say(f"{name}: without clients, and with one")
    with Served(folder, store, 500) as served:
        time.sleep(3.0)
        without = served.used(_TAIL_SECONDS)
        with crowd(watch, served.address, store.token, _SUBSCRIPTION, 1):
            one = served.used(_TAIL_SECONDS)
    figures = f"{without * 1e3:.1f} ms of each second without clients, {one * 1e3:.1f} ms with one"
    yield Line("live: a quiet server's processor time", name, figures)


def _idle(name: str, folder: Path, store: Store, clients: Clients) -> Lines:
    say(f"{name}: {_IDLE:,} idle sockets")
    _raise_file_limit()
    with Served(folder, store, _IDLE + 500) as served, ExitStack() as stack:
        text = request("GET", _VALUES, token=store.token)

        def p99() -> float:
            return sorted(clients.time(served.address, [text], _READS)[0])[int(_READS * 0.99)]

        p99()
        before, memory = p99(), served.pss_kibibytes()
        for _ in range(_CROWDS):
            stack.enter_context(crowd(watch, served.address, store.token, _SUBSCRIPTION, _IDLE // _CROWDS))
        # A worker trims its heaps once in ten seconds.
        time.sleep(12.0)
        each = (served.pss_kibibytes() - memory) / _IDLE
        reads = [p99() for _ in range(3)]
        stack.close()
        time.sleep(5.0)
        quiet = statistics.mean([before, p99()])
    case = f"live: {_IDLE:,} idle sockets"
    yield Line(
        f"{case}: memory", name, f"{each:.0f} KiB each", None, f"≤ {_KIBIBYTES_EACH} KiB", each <= _KIBIBYTES_EACH
    )
    busy = statistics.median(reads)
    figures = f"a read's p99 is {busy * 1e3:.2f} ms, and {quiet * 1e3:.2f} ms without"
    yield Line(f"{case}: reads", name, figures, busy / quiet, f"≤ {_SLOWER}", busy / quiet <= _SLOWER)


def _raise_file_limit() -> None:
    """Let this process and what it starts have a file for each socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard == resource.RLIM_INFINITY or hard > _IDLE, f"This needs more than {_IDLE:,} files (ulimit -Hn)."
