"""What may not reach a terminal or break a line is escaped."""

from __future__ import annotations

import pytest

from vault.model.printable import shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb", r"a\nb"),
        ("\x9b1m", r"\x9b1m"),
        ("\u202efoo", r"\u202efoo"),
        ("\ud800", r"\ud800"),
        ("Zoë 🗝", "Zoë 🗝"),
    ],
)
def test_it_is_escaped(text: str, safe: str) -> None:
    assert shown(text) == safe
