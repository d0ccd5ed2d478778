"""The parts of a file that holds several environments, and the choice of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vault.errors import FormatError
from vault.model.printable import shown

_TOLD_MOST = 20
_TOLD_CHARACTERS_MOST = 64
"""A file can have names of megabytes, but a message must stay short."""

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Part(Generic[Content]):
    """One environment of a file. A file of one environment may give it no name."""

    name: str
    id: str
    content: Content = field(repr=False)


def one_of(parts: Sequence[Part[Content]], pick: str) -> Content:
    """Return the content of the part with the name or id `pick`. Raises `FormatError`, which names the parts.

    If `pick` is empty, there must be only one.
    """
    if not parts:
        raise FormatError("This file has no environments, so nothing was changed.")
    fitting = [part for part in parts if pick in (part.name, part.id)] if pick else parts
    if len(fitting) == 1:
        return fitting[0].content
    if not pick:
        raise FormatError(f"This file has {len(parts)} environments: {_names(parts)}. Pick one of them by its name.")
    if fitting:
        ids = _told([part.id for part in fitting], "one without an id")
        raise FormatError(f"This file has {len(fitting)} environments with this name. Pick one by its id: {ids}.")
    raise FormatError(f"This file has no environment with this name. It has {_names(parts)}.")


def _names(parts: Sequence[Part[Content]]) -> str:
    return _told([part.name for part in parts], "one without a name")


def _told(texts: Sequence[str], unnamed: str) -> str:
    told = [shown(text[:_TOLD_CHARACTERS_MOST]) or unnamed for text in texts[:_TOLD_MOST]]
    more = len(texts) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
