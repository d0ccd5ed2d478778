"""Which calls with a cookie come from a page of this vault."""

from __future__ import annotations

import pytest

from vault.auth.origin import is_same_origin

OWN = "https://localhost:8443"


@pytest.mark.parametrize(
    ("site", "origin", "expected"),
    [
        ("same-origin", None, True),
        ("same-origin", OWN, True),
        ("same-site", OWN, False),
        ("cross-site", OWN, False),
        ("none", None, False),
        ("", OWN, False),
        ("Same-Origin", OWN, False),
        (None, OWN, True),
        (None, "https://localhost:8444", False),
        (None, "https://localhost", False),
        (None, "null", False),
        (None, "", False),
        (None, None, False),
    ],
)
def test_the_browser_says_which_page_calls(site: str | None, origin: str | None, expected: bool) -> None:
    assert is_same_origin(site, origin, OWN) is expected
