"""Templates: names, descriptions, and never a value."""

from __future__ import annotations

import io

import dotenv

from vault.formats import FORMATS
from vault.model.environment import Variable

TEMPLATE = FORMATS["template"]


def test_writes_names_with_their_descriptions_and_no_value() -> None:
    variables = [Variable("A", "canary-5c1", description="what it is\nand\x1bwhere\n\nfrom"), Variable("B", "canary")]
    assert TEMPLATE.render(variables).text == "# what it is\n# and\\x1bwhere\n#\n# from\nA=\nB=\n"


def test_a_dotenv_reader_finds_empty_values() -> None:
    text = TEMPLATE.render([Variable("A", "1", description="x=y\rZ=1"), Variable("a.b", "2")]).text
    assert dotenv.dotenv_values(stream=io.StringIO(text)) == {"A": "", "a.b": ""}


def test_a_name_that_dotenv_cannot_carry_is_left_out_and_named() -> None:
    rendered = TEMPLATE.render([Variable("A B", "canary-5c1")])
    assert (rendered.text, rendered.warnings) == ("", ("A B is left out: a dotenv file cannot carry this name.",))
