"""Bounded fields look at the length first, and stop at the first fault."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError, fields

from vault.api.schemas.bounded import Body, BoundedList, BoundedMap, BoundedText, WholeNumber


class Counted(fields.Field[Any]):
    """Takes everything but `bad`, and notes what it was asked."""

    # marshmallow copies the fields inside of a list or a map, so the notes are a list of the test's own.
    def __init__(self, asked: list[Any]) -> None:
        super().__init__()
        self.asked = asked

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> Any:
        self.asked.append(value)
        if value == "bad":
            raise ValidationError("bad")
        return value


def fault(field: fields.Field[Any], value: Any) -> Any:
    with pytest.raises(ValidationError) as raised:
        field.deserialize(value)
    return raised.value.messages


def test_of_a_list_that_is_too_long_no_item_is_looked_at() -> None:
    asked: list[Any] = []
    field = BoundedList(Counted(asked), most=3)
    assert field.deserialize(["a"] * 3) == ["a"] * 3 == asked
    assert fault(field, ["a"] * 4) == ["At most 3 items are allowed."]
    assert len(asked) == 3


def test_of_a_map_that_is_too_long_no_name_is_looked_at() -> None:
    asked: list[Any] = []
    field = BoundedMap(Counted(asked), Counted(asked), most=3)
    assert field.deserialize({"a": 1, "b": 2, "c": 3}) == {"a": 1, "b": 2, "c": 3}
    assert fault(field, dict.fromkeys("abcd")) == ["At most 3 names are allowed."]
    assert len(asked) == 6


def test_of_a_text_that_is_too_long_no_validator_is_asked() -> None:
    asked: list[str] = []
    field = BoundedText(most=3, validate=[asked.append])
    assert fault(field, "abcd") == ["At most 3 characters are allowed."]
    assert asked == []
    assert (field.deserialize("abc"), asked) == ("abc", ["abc"])


def test_the_first_fault_ends_a_list_and_a_map() -> None:
    asked: list[Any] = []
    listed = BoundedList(Counted(asked), most=10)
    assert fault(listed, ["a", "bad", "bad", "bad"]) == {1: ["bad"]}
    assert asked == ["a", "bad"]
    mapped = BoundedMap(Counted(asked), Counted(asked), most=10)
    assert fault(mapped, {"a": 1, "b": "bad", "bad": "bad"}) == {"b": {"value": ["bad"]}}
    assert fault(mapped, {"a": 1, "bad": "bad"}) == {"bad": {"key": ["bad"]}}


@pytest.mark.parametrize("value", ["abc", {"a": 1}, 5, None, True, ("a",)])
def test_a_list_is_a_list(value: Any) -> None:
    assert fault(BoundedList(Counted([]), most=3), value)


@pytest.mark.parametrize("value", ["abc", ["a"], 5, None])
def test_a_map_is_a_map(value: Any) -> None:
    assert fault(BoundedMap(most=3), value)


class Wanted(Body):
    count = WholeNumber(least=1, most=200)


@pytest.mark.parametrize("count", ["5", "٣", True, 1.0, None, 0, 201, 10**4000])
def test_in_json_a_number_is_a_number(count: Any) -> None:
    assert Wanted().load({"count": 5}) == {"count": 5}
    with pytest.raises(ValidationError):
        Wanted().load({"count": count})


def test_of_many_unknown_names_one_is_told() -> None:
    with pytest.raises(ValidationError) as raised:
        Wanted().load({str(number): 1 for number in range(10_000)})
    assert raised.value.messages == {"0": ["Unknown field."]}
