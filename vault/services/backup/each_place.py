"""Works with all places at once, each with a time limit. A place that hangs then delays no other."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TypeVar

from vault.errors import StrongroomError
from vault.services.backup.place import Place

T = TypeVar("T")

MIB = 1024 * 1024


@dataclass(slots=True)
class PlaceReport:
    """The result for one place: what was stored and deleted, or the error."""

    place: str
    error: str = ""
    warnings: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    is_stored: bool = False


def at_each(places: Sequence[Place], work: Callable[[Place], T], seconds: float) -> list[T | None]:
    """Call `work` for each place, and return its results in order, with None for a place that takes longer.

    A call that takes longer goes on in its thread until it returns, or until the process ends.
    """
    futures = [_started(place, work) for place in places]
    wait(futures, timeout=seconds)
    return [future.result() if future.done() else None for future in futures]


def reports_of(places: Sequence[Place], work: Callable[[Place], PlaceReport], seconds: float) -> list[PlaceReport]:
    """Call `work` for each place, and return all reports; for a place that takes longer, one that says so."""
    found = at_each(places, work, seconds)
    return [
        each or PlaceReport(place.address, hangs(place, seconds)) for place, each in zip(places, found, strict=True)
    ]


@contextlib.contextmanager
def noting_error(report: PlaceReport) -> Iterator[None]:
    """Put an error of the block into the report, so that other places are still tried."""
    try:
        yield
    except (StrongroomError, OSError) as error:
        report.error = error.message if isinstance(error, StrongroomError) else f"{report.place}: {error.strerror}."


def seconds_for(size_bytes: int, answer_seconds: int) -> int:
    """Return the time limit for storing this many bytes: one more second for each MiB."""
    return answer_seconds + size_bytes // MIB


def hangs(place: Place, seconds: float) -> str:
    """Return the sentence about a place that took longer than `seconds`."""
    return (
        f"{place.address} did not answer within {seconds:.0f} seconds. Check its disk, mount or network. For a slow "
        "place, set STRONGROOM_BACKUP_PLACE_SECONDS higher."
    )


def _started(place: Place, work: Callable[[Place], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(place))
        except BaseException as error:
            future.set_exception(error)

    # `ThreadPoolExecutor` waits for its threads when the process ends, so a place that hangs would keep it alive.
    threading.Thread(target=run, name="backup-place", daemon=True).start()
    return future
