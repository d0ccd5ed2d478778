"""A progress bar for long work on stderr, with the rate and the time left, if stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault.services.pace import Progress


def _nothing(_done: int, _total: int) -> None:
    """Does nothing, without a terminal."""


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
