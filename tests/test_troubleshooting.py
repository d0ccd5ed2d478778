"""The page of troubleshooting quotes sentences that the command and the SDK really say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "how-to" / "troubleshooting.md"


def _texts() -> str:
    """All texts in the code, one behind the other. Python joins literals that stand side by side."""
    found = []
    for path in sorted((ROOT / "vault").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def _quoted(page: str) -> list[str]:
    """The sentences in the first column of the table of the command and the SDK."""
    section = page.partition("\n## The command and the SDK say\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def _unknown(sentences: list[str], texts: str) -> list[str]:
    """The parts of sentences, between what differs, that no text of the code has."""
    parts = [part.strip() for sentence in sentences for part in sentence.split("…")]
    return [part for part in parts if len(part) > 3 and part not in texts]


def test_every_quoted_sentence_is_in_the_code() -> None:
    quoted = _quoted(PAGE.read_text(encoding="utf-8"))
    assert len(quoted) > 10
    assert _unknown(quoted, _texts()) == []


def test_a_sentence_that_nobody_says_is_found() -> None:
    page = "\n## The command and the SDK say\n| `Left … is not said by anybody` | a | b |\n\n## Next\n| `c` |"
    assert _unknown(_quoted(page), "Left\nRight") == ["is not said by anybody"]
