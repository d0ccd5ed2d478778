"""What stands on what, without a vault: the order, and each bound at its edge."""

from __future__ import annotations

import pytest

from vault.errors import InvalidInput
from vault.model.bases import beneath, join, reached, split, standing_on

Graph = dict[str, list[str]]


def graph(text: str) -> Graph:
    """`a:b,c b:d` as a map."""
    return {name: bases.split(",") for name, _, bases in (part.partition(":") for part in text.split())}


def chain(length: int) -> Graph:
    """`0` on `1` on `2` and so on: `length` bases beneath `0`."""
    return {str(number): [str(number + 1)] for number in range(length)}


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", ""),
        ("a:b", "b"),
        ("a:b,c", "b c"),
        ("a:b b:c c:d", "d c b"),
        ("a:b,c b:x c:x", "x b c"),
        ("a:b,c b:c", "c b"),
        ("a:c,b b:c", "c b"),
        ("a:b,c b:x,y c:y,z", "x y b z c"),
        ("other:x x:other", ""),
    ],
)
def test_a_base_is_below_all_that_name_it(text: str, order: str) -> None:
    assert beneath("a", graph(text)) == tuple(order.split())


@pytest.mark.parametrize("text", ["a:a", "a:b b:a", "a:b b:c c:a", "a:x,b b:b", "a:b b:c c:d d:e e:a"])
def test_a_loop_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"be its own base|A chain of bases"):
        beneath("a", graph(text))


def test_four_bases_in_a_chain_and_not_five() -> None:
    assert beneath("0", chain(4)) == ("4", "3", "2", "1")
    with pytest.raises(InvalidInput, match="at most 4"):
        beneath("0", chain(5))


def test_a_short_way_does_not_hide_a_long_one() -> None:
    # `1` is met first as a base of `a` itself, and then at the end of a chain.
    with pytest.raises(InvalidInput, match="at most 4"):
        beneath("a", {"a": ["1", "x"], "x": ["y"], "y": ["1"], **chain(4)})


@pytest.mark.parametrize("wide", [32, 33])
def test_thirty_two_beneath_and_not_thirty_three(wide: int) -> None:
    named = {"a": [f"m{number}" for number in range(4)]}
    rest = [f"x{number}" for number in range(wide - 4)]
    named |= {f"m{number}": rest[number::4] for number in range(4)}
    if wide == 32:
        assert len(beneath("a", named)) == 32
    else:
        with pytest.raises(InvalidInput, match="at most 32"):
            beneath("a", named)


def test_a_hostile_graph_costs_little() -> None:
    looked_at = 0

    class Counting(dict[str, list[str]]):
        def get(self, key: str, default: object = None) -> list[str]:
            nonlocal looked_at
            looked_at += 1
            return [f"{key}.{number}" for number in range(10_000)]

    with pytest.raises(InvalidInput):
        beneath("a", Counting())
    assert looked_at < 100


@pytest.mark.parametrize(
    ("text", "above"), [("b:a c:b x:y", "b c"), ("b:a c:a,b", "b c"), ("", ""), ("a:b b:a", "a b")]
)
def test_all_that_stand_on_one_are_found(text: str, above: str) -> None:
    assert standing_on("a", graph(text)) == set(above.split())


def test_a_list_of_ids_is_stored_as_text() -> None:
    for ids in ((), ("x",), ("x", "y")):
        assert split(join(ids)) == ids


def test_what_is_reached_is_told_whatever_the_bases_are() -> None:
    assert reached("a", {}) == set()
    assert reached("a", {"a": ["b", "c"], "b": ["c", "d"], "x": ["y"]}) == {"b", "c", "d"}
    assert reached("a", {"a": ["b"], "b": ["a"]}) == {"a", "b"}
    assert reached("0", {str(each): [str(each + 1)] for each in range(99)}) == set(map(str, range(1, 100)))
