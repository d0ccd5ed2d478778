"""What the person who runs the bench says and sees."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence


def chosen(words: Sequence[str], groups: Sequence[str], variable: str) -> tuple[str, ...]:
    """Return the groups that are named, in the order of `groups`, or all. Ends the program at an unknown word."""
    unknown = sorted(set(words) - set(groups))
    if unknown:
        sys.exit(f"{variable} has unknown groups: {', '.join(unknown)}. Use {', '.join(groups)}.")
    return tuple(group for group in groups if group in words or not words)


def say(what: str) -> None:
    """Show progress, only at a terminal. A file gets only the table."""
    if sys.stderr.isatty():
        print(f"{time.strftime('%X')} {what}", file=sys.stderr, flush=True)
