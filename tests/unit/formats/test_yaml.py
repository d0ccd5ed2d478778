"""YAML: strings stay strings for a reader of any YAML version."""

from __future__ import annotations

import pytest

from vault.formats import FORMATS
from vault.model.environment import Variable


@pytest.mark.parametrize("value", ["no", "012", "1e3", "2026-01-01", "~", "", "x"])
def test_every_value_is_quoted(value: str) -> None:
    assert FORMATS["yaml"].render([Variable("A", value)]).text == f'"A": "{value}"\n'


def test_a_long_value_stays_on_one_line() -> None:
    assert FORMATS["yaml"].render([Variable("A", "word " * 1000)]).text.count("\n") == 1
