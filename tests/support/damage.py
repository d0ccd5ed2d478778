"""Damages bytes in the ways that disks, copies and attackers do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

Damage = Callable[[bytes, random.Random], bytes]


def cut(data: bytes, chance: random.Random) -> bytes:
    """The beginning, or the end."""
    place = chance.randrange(len(data))
    return data[:place] if chance.random() < 0.7 else data[place + 1 :]


def flip(data: bytes, chance: random.Random) -> bytes:
    """One to eight bits, somewhere."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def repeat(data: bytes, chance: random.Random) -> bytes:
    """A piece, once more or many times."""
    start, end = _span(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 1, 2, 50)) + data[end:]


def lengthen(data: bytes, chance: random.Random) -> bytes:
    """Bytes that were not there, anywhere."""
    place = chance.choice((0, len(data), chance.randrange(len(data) + 1)))
    added = chance.choice((b"\0", b"\n", b"{}", b"[", b"\xff\xfe", chance.randbytes(chance.randint(1, 5000))))
    return data[:place] + added * chance.choice((1, 1, 100)) + data[place:]


def reorder(data: bytes, chance: random.Random) -> bytes:
    """Two pieces in each other's place."""
    one, two = sorted((_span(data, chance), _span(data, chance)))
    if one[1] > two[0]:
        return data[one[0] :] + data[: one[0]]
    return data[: one[0]] + data[two[0] : two[1]] + data[one[1] : two[0]] + data[one[0] : one[1]] + data[two[1] :]


def fill(data: bytes, chance: random.Random) -> bytes:
    """A piece of zeros, as after a power cut."""
    start, end = _span(data, chance)
    return data[:start] + bytes(end - start) + data[end:]


DAMAGES: tuple[Damage, ...] = (cut, flip, repeat, lengthen, reorder, fill)


def damaged(data: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """`data` after each damage, and after two at once, where it is not `data` any more."""
    for damage in DAMAGES:
        yield damage.__name__, damage(data, chance)
    one, two = chance.sample(DAMAGES, 2)
    yield f"{one.__name__}, {two.__name__}", two(one(data, chance) or b"\0", chance)


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 16, 300, 16 * 1024)))
