"""Merging changes into variables, the edits of rows, and what may be stored at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput
from vault.model.environment import Variable, VariableType
from vault.services.environments.editing import RowEdit, checked, edited, merge, put, replaced
from vault.services.environments.history import compare

CURRENT = (
    Variable("A", "1"),
    Variable("B", "2", VariableType.SECRET, enabled=False, literal=True, description="d"),
    Variable("C", "3"),
)


def test_what_stays_keeps_its_place_and_what_is_new_comes_last() -> None:
    merged = merge(CURRENT, {"Z": {"value": "z"}, "B": {"value": "two"}, "A": None})
    assert [variable.name for variable in merged] == ["B", "C", "Z"]


def test_only_what_is_named_changes() -> None:
    [_, changed, _] = merge(CURRENT, {"B": {"value": "two"}})
    assert changed == Variable("B", "two", VariableType.SECRET, enabled=False, literal=True, description="d")
    assert merge(CURRENT, {"B": {}}) == CURRENT
    assert merge(CURRENT, {"NO": None}) == CURRENT


def test_a_variable_that_is_put_keeps_its_place_and_nothing_else() -> None:
    assert put(CURRENT, Variable("B", "two")) == (CURRENT[0], Variable("B", "two"), CURRENT[2])
    assert put(CURRENT, Variable("Z", "z")) == (*CURRENT, Variable("Z", "z"))


def test_a_variable_that_is_put_keeps_the_members_of_a_newer_release() -> None:
    newer = (Variable("A", "1", others=(("rotate_days", 30),)),)
    assert put(newer, Variable("A", "2")) == (Variable("A", "2", others=(("rotate_days", 30),)),)


def test_two_forms_of_one_name_are_put_in_one_place() -> None:
    assert put((Variable("caf\u00e9", "1"),), Variable("cafe\u0301", "2")) == (Variable("caf\u00e9", "2"),)


def test_what_cannot_be_stored_cannot_be_put() -> None:
    with pytest.raises(InvalidInput) as caught:
        put(CURRENT, Variable("", "1"))
    assert caught.value.path.startswith("variables.")
    with pytest.raises(InvalidInput):
        put(CURRENT, Variable("A", "\ud800"))


def test_a_new_one_needs_a_value() -> None:
    with pytest.raises(InvalidInput) as caught:
        merge(CURRENT, {"Z": {"enabled": False}})
    assert caught.value.path == "variables.Z.value"


def test_two_forms_of_one_name_are_one_variable() -> None:
    merged = merge((), {"caf\u00e9": {"value": "1"}, "cafe\u0301": {"value": "2"}})
    assert merged == (Variable("caf\u00e9", "2"),)


@pytest.mark.parametrize(
    "variable",
    [
        Variable("", "1"),
        Variable("a\x00", "1"),
        Variable("A", "\ud800"),
        Variable("A", "1", description="\udfff"),
        Variable("A", "1", description="x" * 4097),
    ],
)
def test_these_cannot_be_stored(variable: Variable) -> None:
    with pytest.raises(InvalidInput):
        checked(variable, ())


@pytest.mark.parametrize("name", ["A\u200bB", "\ufeffA", "A\u202eB", "A\u3164"])
def test_a_new_name_has_no_invisible_character_but_a_stored_one_may_stay(name: str) -> None:
    stored = Variable(name, "1")
    writes: list[Callable[[tuple[Variable, ...]], tuple[Variable, ...]]] = [
        lambda current: merge(current, {name: {"value": "2"}}),
        lambda current: put(current, Variable(name, "2")),
        lambda current: replaced(current, [Variable(name, "2")]),
    ]
    for write in writes:
        with pytest.raises(InvalidInput, match="A name must not contain the invisible character U"):
            write(())
        assert write((stored,)) == (Variable(name, "2"),)
    with pytest.raises(InvalidInput, match="invisible"):
        edited((Variable("A", "1"),), [RowEdit("A", {"name": name})])
    assert edited((stored,), [RowEdit(name, {"name": "A"})]) == (Variable("A", "1"),)
    assert merge((stored,), {name: None}) == ()


NAMES = st.sampled_from("ABCDE")
SETS = st.lists(st.builds(Variable, NAMES, st.sampled_from("12")), unique_by=lambda item: item.name).map(tuple)


@given(SETS, SETS)
def test_a_comparison_leads_from_the_one_to_the_other(
    before: tuple[Variable, ...], after: tuple[Variable, ...]
) -> None:
    changes: dict[str, Any] = {}
    for change in compare(before, after):
        assert change.before != change.after
        changes[change.name] = None if change.after is None else {"value": change.after.value}
    assert set(merge(before, changes)) == set(after)


def test_a_renamed_row_keeps_its_place_and_all_else_that_it_has() -> None:
    [_, renamed, _] = edited(CURRENT, [RowEdit("B", {"name": "Z"})])
    assert renamed == Variable("Z", "2", VariableType.SECRET, enabled=False, literal=True, description="d")


def test_names_can_be_exchanged_and_taken_over() -> None:
    exchanged = edited(CURRENT, [RowEdit("A", {"name": "B"}), RowEdit("B", {"name": "A"})])
    assert [(item.name, item.value) for item in exchanged] == [("B", "1"), ("A", "2"), ("C", "3")]
    taken = edited(
        CURRENT, [RowEdit("A", {"name": "Z"}), RowEdit(None, {"name": "A", "value": "new"}), RowEdit("C", None)]
    )
    assert [(item.name, item.value) for item in taken] == [("Z", "1"), ("B", "2"), ("A", "new")]


@pytest.mark.parametrize(
    ("edits", "path"),
    [
        ([RowEdit("A", {"value": "x"}), RowEdit("B", {"name": "C"})], "1.name"),
        ([RowEdit(None, {"name": "N"}), RowEdit(None, {"name": "N"})], "1.name"),
        ([RowEdit(None, {"name": "caf\u00e9"}), RowEdit(None, {"name": "cafe\u0301"})], "1.name"),
        ([RowEdit("A", None), RowEdit("A", {"value": "x"})], "1.name"),
        ([RowEdit("NO", None)], "0.name"),
        ([RowEdit(None, {"value": "x"})], "0.name"),
        ([RowEdit("A", {"value": "\ud800"})], "0.value"),
        ([RowEdit("A", {"description": "x" * 4097})], "0.description"),
    ],
)
def test_an_edit_that_cannot_be_is_named_by_its_position(edits: list[RowEdit], path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        edited(CURRENT, edits)
    assert caught.value.path == path
