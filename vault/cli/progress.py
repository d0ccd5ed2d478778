"""A progress bar for long work on stderr, with the rate and the time left, if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]


def _nothing(_done: int, _total: int) -> None:
    """Does nothing, without a terminal."""


@contextmanager
def progress_bar(what: str) -> Iterator[Report]:
    """Yield a function that takes the number done and the total, and draws them at a terminal."""
    if not sys.stderr.isatty():
        yield _nothing
        return
    # Import here, because it takes longer than the rest of the command.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def report(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

        yield report
