"""Merging a file into what is stored, and the plan of it."""

from __future__ import annotations

from vault.formats import ParsedFile
from vault.formats.base import Stated
from vault.model.environment import Variable, VariableType
from vault.services.environments.files import merged, plan_of

STORED = (
    Variable("A", 5432, VariableType.SECRET, description="d", literal=True),
    Variable("B", "2", enabled=False),
)


def test_text_that_is_the_same_leaves_a_json_value_what_it_is() -> None:
    parsed = ParsedFile({"A": {"value": "5432", "enabled": True}, "B": {"value": "3"}})
    assert merged(STORED, parsed, replace_all=False) == (STORED[0], Variable("B", "3", enabled=False))


def test_attributes_that_are_not_stated_stay() -> None:
    (after, _) = merged(STORED, ParsedFile({"A": {"value": "x"}}), replace_all=False)
    assert after == Variable("A", "x", VariableType.SECRET, description="d", literal=True)


def test_attributes_that_are_stated_win() -> None:
    stated: Stated = {"type": VariableType.DEFAULT, "enabled": False, "description": "new"}
    (after,) = merged(STORED, ParsedFile({"A": stated}), replace_all=True)
    assert after == Variable("A", 5432, enabled=False, literal=True, description="new")


def test_a_plan_holds_names_and_no_values() -> None:
    after = merged(STORED, ParsedFile({"A": {"value": "canary"}, "C": {"value": "canary"}}), replace_all=True)
    plan = plan_of(STORED, after)
    assert (plan.added, plan.changed, plan.removed, plan.unchanged) == (("C",), ("A",), ("B",), ())
    assert "canary" not in repr(plan)
