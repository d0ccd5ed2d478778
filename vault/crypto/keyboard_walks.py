"""Finds passwords that are walks over the keyboard, with turns: `qazxswedcvfr`, `qaz123wsx456`, `q1w2e3r4t5y6`."""

from __future__ import annotations

import itertools

_ROWS = (("`1234567890-=", "~!@#$%^&*()_+"), ("qwertyuiop[]",), ("asdfghjkl;'",), ("zxcvbnm,./",))
_LEFT_EDGES = (0.0, 1.5, 1.75, 2.25)
"""How far each row is moved to the right on a keyboard, in keys."""

_STEPS_LEAST = 3
"""A walk may jump, but each part of it has at least this many keys: ordinary texts have two neighbouring keys."""


def is_walk(folded: str) -> bool:
    """Report whether the whole text is a walk, or two walks that take turns."""
    return _is_covered(folded) or (_is_covered(folded[::2]) and _is_covered(folded[1::2]))


def _is_covered(text: str) -> bool:
    """Report whether the text falls into parts of neighbouring keys, none of them short."""
    steps = 1
    for before, after in itertools.pairwise(text):
        if _are_neighbours(before, after):
            steps += 1
        elif steps < _STEPS_LEAST:
            return False
        else:
            steps = 1
    return steps >= _STEPS_LEAST


def _are_neighbours(one: str, other: str) -> bool:
    if one not in _PLACES or other not in _PLACES:
        return False
    (row, column), (other_row, other_column) = _PLACES[one], _PLACES[other]
    if row == other_row:
        return abs(column - other_column) <= 1
    return abs(row - other_row) == 1 and abs(column - other_column) < 1


def _places() -> dict[str, tuple[int, float]]:
    return {
        key: (row, _LEFT_EDGES[row] + column)
        for row, levels in enumerate(_ROWS)
        for keys in levels
        for column, key in enumerate(keys)
    }


_PLACES = _places()
