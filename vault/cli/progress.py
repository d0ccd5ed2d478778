"""A progress bar for long work on stderr, with the rate and the time left, if stderr is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from vault.cli.words import say

if TYPE_CHECKING:
    from vault.services.pace import Phases, Progress


def _nothing(_done: int, _total: int) -> None:
    """Does nothing, without a terminal."""


class Counted:
    """Passes progress on to `report`, and keeps how much is done."""

    def __init__(self) -> None:
        self.done = 0
        self.report: Progress = _nothing

    def __call__(self, done: int, total: int) -> None:
        self.done = done
        self.report(done, total)


@contextmanager
def phase_bars() -> Iterator[Phases]:
    """Yield a function that starts a part of the work, and draws it as `progress_bar` does. Each part that ends is
    printed with its rate, also without a terminal.
    """
    with ExitStack() as open_part:

        def start(what: str) -> Progress:
            open_part.close()
            return open_part.enter_context(_part(what))

        yield start


@contextmanager
def _part(what: str) -> Iterator[Progress]:
    counted, started = Counted(), time.monotonic()
    with progress_bar(what) as counted.report:
        yield counted
    seconds = time.monotonic() - started
    say(f"{what}: {counted.done:,} in {seconds:.1f} s, {counted.done / max(seconds, 0.001):,.0f} a second.")


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Yield a function that takes the number done and the total, and draws them at a terminal."""
    if not sys.stderr.isatty():
        yield _nothing
        return
    # Import here, because it takes longer than the rest of the command.
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

        yield report
