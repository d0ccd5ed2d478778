"""The results of the measurements, and the table that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_WIDTH = 170

Row = tuple[str, ...]


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
    rows = []
    for line in lines:
        ratio = f"{line.ratio:.3f}" if line.ratio is not None else ""
        rows.append((line.case, line.database, line.figures, ratio, line.target, _WORDS[line.met]))
    print_table(("case", "database", "figures"), ("ratio", "target", "met"), rows)


def print_table(names: Sequence[str], numbers: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a table with columns of text, and columns of numbers to the right of them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # The width leaves each measurement on one line, even if the output is a file.
    Console(width=_WIDTH).print(table)


_WORDS = {True: "met", False: "MISSED", None: ""}
