"""Shell: what the lines look like, and what no shell can hold."""

from __future__ import annotations

import pytest

from vault.formats import FORMATS
from vault.model.environment import Variable

SHELL = FORMATS["shell"]


def test_quotes_so_that_nothing_is_expanded() -> None:
    assert SHELL.render([Variable("A", "it's $(id)")]).text == "export A='it'\"'\"'s $(id)'\n"


@pytest.mark.parametrize("name", ["_", "PPID", "RANDOM", "OPTIND", "BASHOPTS"])
def test_a_name_that_shells_keep_for_themselves_is_left_out(name: str) -> None:
    rendered = SHELL.render([Variable(name, "1")])
    assert (rendered.text, rendered.warnings) == ("", (f"{name} is left out: shells use this name themselves.",))


def test_a_value_with_nul_is_left_out() -> None:
    rendered = SHELL.render([Variable("A", "x\0y")])
    assert rendered.text == ""
    assert rendered.warnings == (
        "A is left out: its value contains a NUL character, which no shell variable can contain.",
    )
