"""Base environments: an environment may stand on others, and then has their variables beneath its own.

The globals are the lowest layer. Above them come the bases in the order in which they are named, each above its own
bases; the environment itself is on top. An upper layer wins, so a base that is named later wins over an earlier one,
as with `envFrom` in Kubernetes and `--env-file`.

    prod:  bases [eu, database]          globals < common < eu < database < prod
    eu:    bases [common]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from vault.errors import InvalidInput

BASES_MOST = 8
"""In one list."""

DEPTH_MOST = 4
"""The bases in the longest chain beneath an environment: more are hard to follow."""

BENEATH_MOST = 32
"""The environments beneath one environment in all. A read opens each of them."""

BENEATH_MAX_BYTES = 4 * 1024 * 1024
"""The sealed revisions beneath one environment in all. An answer has at most 4 MiB, so more could only be hidden by
upper layers, and a read opens all of it.
"""

BasesById = Mapping[str, Sequence[str]]
"""The ids of the bases that an environment names, by its own id. Environments without bases may be absent."""

_LOOP = "An environment cannot stand on itself, directly or through its bases."
_DEEP = f"At most {DEPTH_MOST} bases can stand one beneath the other."
_MANY = f"At most {BENEATH_MOST} environments can stand beneath another, the bases of its bases included."


def split(base_ids: str) -> tuple[str, ...]:
    """The ids in a stored list."""
    return tuple(base_ids.split())


def join(base_ids: Sequence[str]) -> str:
    """The inverse of `split`."""
    return " ".join(base_ids)


def beneath(environment_id: str, bases: BasesById) -> tuple[str, ...]:
    """The ids of all environments beneath one, each once, the lowest first: every base is below all that name it.

    Raises `InvalidInput` for a loop, and for more or deeper than the bounds allow.
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

    # `visit` follows each environment once, perhaps on a short path, so check the height again.
    if visit(environment_id, ()) > DEPTH_MOST:
        raise InvalidInput(_DEEP, path="bases")
    return tuple(heights)[:-1]


def standing_on(environment_id: str, bases: BasesById) -> AbstractSet[str]:
    """The ids of all environments that have this one beneath them."""
    found: set[str] = set()
    newest = {environment_id}
    while newest:
        newest = {each for each, named in bases.items() if each not in found and not newest.isdisjoint(named)}
        found |= newest
    return found
