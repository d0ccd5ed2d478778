"""Base environments: an environment can have others as its bases, and then also has their variables.

The globals are the lowest layer. Above them come the bases in the order of the list, each above its own bases. The
environment itself is on top. An upper layer overrides lower ones, so a later base overrides an earlier one, as with
`envFrom` in Kubernetes and `--env-file`.

    prod:  bases [eu, database]          globals < common < eu < database < prod
    eu:    bases [common]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from vault.errors import InvalidInput

BASES_MOST = 8
"""The limit of one list."""

DEPTH_MOST = 4
"""The limit of bases in the longest chain beneath an environment. Longer chains are hard to follow."""

BENEATH_MOST = 32
"""The limit of all environments beneath one environment. A read opens each of them."""

BENEATH_MAX_BYTES = 4 * 1024 * 1024
"""The limit of all sealed revisions beneath one environment. A read opens all of them, and an answer has at
most 4 MiB.
"""

BasesById = Mapping[str, Sequence[str]]
"""The ids of an environment's bases, by its own id. Environments without bases may be absent."""

_LOOP = "An environment cannot be its own base, directly or through its bases."
_DEEP = f"A chain of bases can have at most {DEPTH_MOST} environments."
_MANY = f"An environment can have at most {BENEATH_MOST} environments beneath it, including the bases of its bases."


def split(base_ids: str) -> tuple[str, ...]:
    """Return the ids in a stored list."""
    return tuple(base_ids.split())


def join(base_ids: Sequence[str]) -> str:
    """Return the stored form of a list of ids."""
    return " ".join(base_ids)


def beneath(environment_id: str, bases: BasesById) -> tuple[str, ...]:
    """Return the ids of all environments beneath one, each once, lowest first: a base comes before all that have it as
    a base.

    Raises `InvalidInput` for a loop, and for more or deeper bases than the limits allow.
    """
    heights: dict[str, int] = {}

    def visit(each: str, path: tuple[str, ...]) -> int:
        if each in path:
            raise InvalidInput(_LOOP, path="bases")
        if each not in heights:
            if len(path) > DEPTH_MOST:
                raise InvalidInput(_DEEP, path="bases")
            height = max((1 + visit(base, (*path, each)) for base in bases.get(each, ())), default=0)
            if len(heights) > BENEATH_MOST:
                raise InvalidInput(_MANY, path="bases")
            heights[each] = height
        return heights[each]

    # `visit` follows each environment once, perhaps on a short path, so check the depth again.
    if visit(environment_id, ()) > DEPTH_MOST:
        raise InvalidInput(_DEEP, path="bases")
    return tuple(heights)[:-1]


def reached(environment_id: str, bases: BasesById) -> AbstractSet[str]:
    """Return the ids of all environments beneath one, in no order. It accepts loops, and has no limits."""
    found: set[str] = set()
    newest = {environment_id}
    while newest:
        newest = {base for each in newest for base in bases.get(each, ())} - found
        found |= newest
    return found


def standing_on(environment_id: str, bases: BasesById) -> AbstractSet[str]:
    """Return the ids of all environments that have this one beneath them."""
    found: set[str] = set()
    newest = {environment_id}
    while newest:
        newest = {each for each, named in bases.items() if each not in found and not newest.isdisjoint(named)}
        found |= newest
    return found
