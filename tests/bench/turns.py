"""What two trees cost that were measured by turns, and the table that compares them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.bench.table import Row, print_table

ROUNDS = 8
"""Each round measures both trees. The order changes from round to round: A B, B A."""
_FASTEST_SECONDS = 0.05
"""What takes less time each is shown as a rate."""


class Sample(NamedTuple):
    """What one short measurement found: how many were done, in how many seconds, with how much processor time."""

    done: int
    seconds: float
    processor: float

    @property
    def seconds_each(self) -> float:
        """Return the time that each one took. With several clients at once, it is the inverse of their rate."""
        return self.seconds / self.done

    @property
    def processor_each(self) -> float:
        """Return the processor time of each one, in seconds."""
        return self.processor / self.done


@dataclass(frozen=True, slots=True)
class Ratio:
    """This tree's cost over the commit's: the median of the rounds, and their spread."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f}), {self.word}"

    @property
    def word(self) -> str:
        """Return what the spread says: `more` and `less` only if the rounds agree."""
        if self.low > 1:
            return "more"
        return "less" if self.high < 1 else "within spread"


def ratio(commit: Sequence[float], tree: Sequence[float]) -> Ratio:
    """Compare the costs of each round. The lowest and the highest round are no part of the spread."""
    # Compare round by round, so that a disturbance of one round counts once and not in both medians.
    ratios = sorted(ours / theirs for theirs, ours in zip(commit, tree, strict=True))
    return Ratio(statistics.median(ratios), ratios[1], ratios[-2])


@dataclass(frozen=True, slots=True)
class Compared:
    """One case on one database, with one sample of each tree in every round."""

    case: str
    database: str
    commit: list[Sample]
    tree: list[Sample]

    def row(self) -> Row:
        """Return the row of the table."""
        ratios = [
            str(ratio([cost(one) for one in self.commit], [cost(one) for one in self.tree]))
            for cost in (_processor_each, _seconds_each)
        ]
        return (self.case, self.database, _figures(self.commit), _figures(self.tree), *ratios)


def by_turns(
    measure_commit: Callable[[], Sample], measure_tree: Callable[[], Sample]
) -> tuple[list[Sample], list[Sample]]:
    """Measure both in every round. One round before them is not counted."""
    commit: list[Sample] = []
    tree: list[Sample] = []
    for number in range(ROUNDS + 1):
        turns = [(commit, measure_commit), (tree, measure_tree)]
        for found, measure in turns if number % 2 else reversed(turns):
            found.append(measure())
    return commit[1:], tree[1:]


def show(commit_name: str, compared: Sequence[Compared]) -> None:
    """Print all of it."""
    names = ("case", "database", commit_name, "this tree", "CPU ratio", "time ratio")
    print_table(names, (), [one.row() for one in compared])


def _processor_each(sample: Sample) -> float:
    return sample.processor_each


def _seconds_each(sample: Sample) -> float:
    return sample.seconds_each


def _figures(samples: Sequence[Sample]) -> str:
    processor = statistics.median(one.processor_each for one in samples)
    seconds = statistics.median(one.seconds_each for one in samples)
    pace = f"{1 / seconds:,.0f}/s" if seconds < _FASTEST_SECONDS else _duration(seconds)
    return f"{_duration(processor)} of CPU, {pace}"


def _duration(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.1f} µs" if seconds < 0.0001 else f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:,.1f} ms"
