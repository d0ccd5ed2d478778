"""The results of the measurements, and the table that shows them."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_WIDTH = 170


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement. `figures` has both compared numbers, not only their ratio."""

    case: str
    database: str
    figures: str
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def at_least(case: str, database: str, figures: str, ratio: float, limit: float) -> Line:
    """Return a line whose ratio should not be less than `limit`."""
    return Line(case, database, figures, ratio, f"≥ {limit:g}", ratio >= limit)


def within(case: str, database: str, figures: str, ratio: float, part: float) -> Line:
    """Return a line whose ratio should differ from 1 by at most `part`."""
    return Line(case, database, figures, ratio, f"1 ± {part:g}", abs(ratio - 1) <= part)


def at_most_seconds(case: str, database: str, figures: str, seconds: float, limit: float) -> Line:
    """Return a line whose time should not be longer than the limit."""
    return Line(case, database, figures, None, f"≤ {limit:g} s", seconds <= limit)


def show(lines: list[Line]) -> None:
    """Print all lines as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("case", "database", "figures"):
        table.add_column(name, overflow="fold")
    for name in ("ratio", "target", "met"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        ratio = f"{line.ratio:.3f}" if line.ratio is not None else ""
        table.add_row(line.case, line.database, line.figures, ratio, line.target, _WORDS[line.met])
    # The width leaves each measurement on one line, even if the output is a file.
    Console(width=_WIDTH).print(table)


_WORDS = {True: "met", False: "MISSED", None: ""}
