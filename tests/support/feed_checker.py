"""Compares what a client of the live feed was told with what happened: nothing lost, doubled, invented or leaked.

A client moves from cursor to cursor. A `Delivery` is one such step: the numbers of the two cursors, and the
environments that were told. A stream tells of one number at a time; a long poll tells of all up to its new cursor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One stored change: its number, and the environment that it is about."""

    seq: int
    environment_id: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was told for the numbers after `low`, up to and with `high`."""

    low: int
    high: int
    environments: tuple[str, ...]


def faults(rows: Sequence[Row], deliveries: Sequence[Delivery], visible: Container[str], start: int) -> list[str]:
    """Return what is wrong with the deliveries to a client that began at the number `start`, in sentences.

    `visible` are the environments that its credential and subscription cover.
    """
    seen = [row for row in rows if row.environment_id in visible and row.seq > start]
    return [*_repeated(deliveries, start), *_invented(seen, deliveries), *_lost(seen, deliveries)]


def _repeated(deliveries: Sequence[Delivery], start: int) -> Iterator[str]:
    reached = start
    for delivery in deliveries:
        if delivery.high < delivery.low:
            yield f"The cursor went back from {delivery.low} to {delivery.high}."
        elif delivery.low < reached:
            yield f"Number {delivery.high} was told from {delivery.low} on, but {reached} was reached before."
        reached = max(reached, delivery.high)


def _invented(seen: Sequence[Row], deliveries: Sequence[Delivery]) -> Iterator[str]:
    for delivery in deliveries:
        happened = Counter(row.environment_id for row in seen if delivery.low < row.seq <= delivery.high)
        for environment, times in Counter(delivery.environments).items():
            if times > happened[environment]:
                yield (
                    f"{environment} was told {times} times for the numbers {delivery.low + 1} to {delivery.high}, "
                    f"in which it changed {happened[environment]} times as this client may see."
                )


def _lost(seen: Sequence[Row], deliveries: Sequence[Delivery]) -> Iterator[str]:
    """Find changes that neither were told nor have a later change of the same environment that was told."""
    reached: dict[str, int] = {}
    for delivery in deliveries:
        for environment in delivery.environments:
            reached[environment] = max(reached.get(environment, 0), delivery.high)
    for row in seen:
        if row.seq > reached.get(row.environment_id, 0):
            yield f"Number {row.seq} of {row.environment_id} was not told, and nothing later of it either."
