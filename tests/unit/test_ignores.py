"""Each line that silences mypy says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_IGNORE = re.compile(r"#\s*type:\s*ignore(?P<rest>.*)")
_WITH_REASON = re.compile(r"\[[a-z, -]+\]\s+#\s*\S.{5,}")


def without_reason(text: str) -> list[int]:
    """The numbers of the lines that silence mypy and do not say why."""
    found = ((number, _IGNORE.search(line)) for number, line in enumerate(text.splitlines(), 1))
    return [number for number, ignore in found if ignore and not _WITH_REASON.match(ignore["rest"])]


def test_every_ignore_has_its_reason_on_its_line() -> None:
    files = [path for room in ("vault", "tests", "deploy") for path in (ROOT / room).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): without_reason(path.read_text(encoding="utf-8")) for path in files}
    del found["tests/unit/test_ignores.py"]
    assert {path: numbers for path, numbers in found.items() if numbers} == {}


@pytest.mark.parametrize("end", ["", "[misc]", "[misc]  #", "[arg-type, misc]", "  # it has no code"])
def test_the_search_finds_what_it_looks_for(end: str) -> None:
    assert without_reason(f"x = 1\ny = f()  # type: ignore{end}") == [2]
    assert without_reason("y = f()  # type: ignore[no-any-return, misc]  # the library has no types") == []
