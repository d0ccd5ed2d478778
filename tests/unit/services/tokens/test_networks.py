"""Where a token may be used: networks, and networks within networks."""

from __future__ import annotations

import pytest

from vault.services.tokens.tokens import _networks_within


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ([], [], True),
        (["0.0.0.0/0"], [], True),
        (["10.1.0.0/16"], ["10.0.0.0/8"], True),
        (["10.0.0.0/8"], ["10.0.0.0/8"], True),
        (["10.0.0.0/7"], ["10.0.0.0/8"], False),
        (["10.1.0.0/16", "192.0.2.0/24"], ["10.0.0.0/8"], False),
        (["10.1.0.0/16", "192.0.2.0/24"], ["10.0.0.0/8", "192.0.2.0/24"], True),
        (["2001:db8::/48"], ["2001:db8::/32"], True),
        (["::/0"], ["0.0.0.0/0"], False),
        (["::ffff:10.0.0.0/104"], ["10.0.0.0/8"], True),
        (["10.1.0.0/16"], ["::ffff:10.0.0.0/104"], True),
        (["::ffff:10.0.0.0/103"], ["10.0.0.0/8"], False),
        (["::ffff:10.0.0.0/104"], ["::/0"], False),
    ],
)
def test_networks_lie_within_networks(inner: list[str], outer: list[str], within: bool) -> None:
    assert _networks_within(inner, outer) is within
