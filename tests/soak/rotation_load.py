"""Readers and writers in processes of their own, for as long as they are wanted: what rotation must not disturb."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Any

from tests.support.rotating import Worker
from tests.support.vaults import patch, values
from vault.app import open_vault
from vault.model.principal import Principal
from vault.settings import Settings

_SPAWN = multiprocessing.get_context("spawn")
_LEARN_SECONDS = 0.5


@dataclass
class Outcome:
    """What one process has seen: the seconds of each call, failures, and the last acknowledged value."""

    kind: str
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    last: str = ""


class Load:
    """Four readers and four writers; `stop` gives what they have seen."""

    def __init__(self, settings: Settings, people: list[Principal], kinds: tuple[str, ...]) -> None:
        self._ends: Any = _SPAWN.Event()
        self._pipes = []
        self._processes = []
        for number, kind in enumerate(kinds):
            ours, theirs = _SPAWN.Pipe()
            # A writer each for the environment of one person: what it last wrote can be told.
            arguments = (settings, people[number % len(people)], kind, self._ends, theirs)
            process = _SPAWN.Process(target=_work, args=arguments, daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            assert pipe.recv() == "ready"

    def stop(self) -> list[Outcome]:
        """End them all."""
        self._ends.set()
        outcomes: list[Outcome] = [pipe.recv() for pipe in self._pipes]
        for process in self._processes:
            process.join(20)
        return outcomes


@contextmanager
def load(settings: Settings, people: list[Principal], kinds: tuple[str, ...]) -> Iterator[list[Outcome]]:
    """The load for as long as the block runs; its outcomes are in the list afterwards."""
    found: list[Outcome] = []
    running = Load(settings, people, kinds)
    try:
        yield found
    finally:
        found += running.stop()


def percentile(outcomes: list[Outcome], part: float) -> float:
    """The time within which that part of all calls was answered."""
    times = sorted(seconds for outcome in outcomes for seconds in outcome.seconds)
    return times[min(len(times) - 1, int(len(times) * part))]


def _work(settings: Settings, person: Principal, kind: str, ends: Event, pipe: Any) -> None:
    worker, outcome, count = Worker(open_vault(settings, as_worker=True)), Outcome(kind), 0
    worker.learn()
    pipe.send("ready")
    learned = time.monotonic()
    while not ends.is_set():
        if time.monotonic() - learned > _LEARN_SECONDS:
            worker.learn()
            learned = time.monotonic()
        started = time.perf_counter()
        try:
            if kind == "write":
                patch(worker.services, person, "prod", A=str(count + 1))
                count += 1
                outcome.last = str(count)
            else:
                values(worker.services, person, "prod")
        except Exception as error:
            outcome.failures.append(f"{type(error).__name__}: {error}")
        outcome.seconds.append(time.perf_counter() - started)
        # As many as a busy service asks, and not as many as the processor can: a queue would measure only itself.
        time.sleep(0.02)
    worker.leave()
    pipe.send(outcome)
