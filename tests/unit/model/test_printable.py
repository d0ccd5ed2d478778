"""What may not reach a terminal or break a line is escaped."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import pytest

import vault.web
from vault.model.printable import is_invisible, shown, visible

WEB = Path(vault.web.__file__).parent


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb", r"a\nb"),
        ("\x9b1m", r"\x9b1m"),
        ("\u202efoo", r"\u202efoo"),
        ("\ud800", r"\ud800"),
        ("a\u2028b", r"a\u2028b"),
        ("\u3164", r"\u3164"),
        ("\U000e0041\xad", r"\U000e0041\xad"),
        ("Zoë 🗝 ❤️", "Zoë 🗝 ❤️"),
    ],
)
def test_it_is_escaped(text: str, safe: str) -> None:
    assert shown(text) == safe


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("API\u200bKEY", r"API\u200bKEY"),
        ("\u202egnp.exe\u202c", r"\u202egnp.exe\u202c"),
        ("a\u115fb\u2029", r"a\u115fb\u2029"),
        ("a\n\tb", "a\n\tb"),
        ("ü\r\n\ufeff", "ü\r\n\\ufeff"),
        ("Zoë 🗝", "Zoë 🗝"),
    ],
)
def test_an_invisible_character_is_seen_and_line_ends_stay(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_every_format_character_and_separator_is_invisible() -> None:
    everything = map(chr, range(sys.maxunicode + 1))
    found = [each for each in everything if unicodedata.category(each) in ("Cf", "Zl", "Zp")]
    assert all(map(is_invisible, found))
    assert not any(map(is_invisible, " \t\n\xa0aÄ-_\ufe0f"))


FIELD = re.compile(r'\b(?:value|data-text)="\{\{(.*?)\}\}"|\{\{([^{}]*)\}\}</(?:textarea|pre)>', re.DOTALL)


@pytest.mark.parametrize("page", sorted((WEB / "templates").glob("*.html")), ids=lambda page: page.stem)
def test_what_a_form_sends_back_or_a_person_copies_is_exact(page: Path) -> None:
    # Without `| e` the page shows escapes, and a form would store them.
    found = [inner or text for inner, text in FIELD.findall(page.read_text(encoding="utf-8"))]
    assert [each for each in found if not each.rstrip().endswith("| e")] == []
