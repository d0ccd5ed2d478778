"""What a call asks for in its query."""

from __future__ import annotations

import pytest

from vault.errors import InvalidInput
from vault.model.environment import GLOBALS
from vault.sync.asking import Asked, asked
from vault.sync.messages import Subscribe


@pytest.mark.parametrize(
    ("query", "last", "expected"),
    [
        (b"environment=prod", b"", Asked(Subscribe(("prod",)), 0)),
        (b"environment=a&environment=b%20c&wait=25", b"", Asked(Subscribe(("a", "b c")), 25)),
        (b"all=true&after=C", b"", Asked(Subscribe(None, "C"), 0)),
        (b"all=true&after=C", b"L", Asked(Subscribe(None, "L"), 0)),
        (b"globals=true&all=false", b"", Asked(Subscribe((GLOBALS,)), 0)),
        (b"environment=%C3%A4", b"", Asked(Subscribe(("ä",)), 0)),
        (b"all=true&wait=60", b"", Asked(Subscribe(None), 60)),
    ],
)
def test_what_may_be_asked(query: bytes, last: bytes, expected: Asked) -> None:
    assert asked(query, last) == expected


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (b"", "environment"),
        (b"environment=", "environment"),
        (b"environment=a&environment=/b", "environment"),
        (b"environment=a%00", "environment"),
        (b"all=yes", "all"),
        (b"all=true&all=true", "all"),
        (b"all=true&environment=a", "all"),
        (b"all=true&wait=61", "wait"),
        (b"all=true&wait=-1", "wait"),
        (b"all=true&wait=1.5", "wait"),
        (b"all=true&wait=", "wait"),
        (b"all=true&envirnment=a", "envirnment"),
        (b"all=true&after=a&after=b", "after"),
        (b"environment=%ff", ""),
        (b"environment=\xff", ""),
        (b"&".join(b"environment=e%d" % number for number in range(101)), "environment"),
        (b"&".join(b"environment=e" for _ in range(1000)), ""),
    ],
)
def test_what_may_not_be_asked(query: bytes, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(query, b"")
    assert refused.value.path == path
