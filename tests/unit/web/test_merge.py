"""What a change made elsewhere does to the rows of a page: the rules of `merge.js`, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.web.conftest import Call

MODULE = "merge.js"
FIELDS = ["value", "type", "enabled", "literal", "description"]


def variable(name: str, **more: Any) -> dict[str, Any]:
    """A stored variable as the page knows it: without its value."""
    return {"name": name, "type": "default", "enabled": True, "literal": False, "description": "", **more}


def row(name: str, *, new: bool = False, typed: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A row of the page, with what was typed into it."""
    was = None if new else variable(name)
    now = {**variable(name, **({"value": ""} if new else {})), **(typed or {})}
    facts = {"was": was, "now": now, "isChanged": new or bool(typed), "isGone": False, "isHeld": False}
    return {**facts, "question": None, **more}


def change(kind: str, name: str, *fields: str, after: str | None = None, **theirs: Any) -> dict[str, Any]:
    if kind == "removed":
        return {"name": name, "kind": kind}
    told = list(fields) or FIELDS
    return {"name": name, "kind": kind, "fields": told, "row": variable(name, **theirs), "after": after}


def news(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"revision": 2, "is_whole": False, "is_deleted": False, "by": ["token ci"], "age_seconds": 0}
    return {**told, "changes": list(changes), **more}


def steps(call: Call, rows: list[dict[str, Any]], told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["do"], step["change"]["name"]) for step in call("steps", rows, told)]


def test_rows_that_nobody_has_touched_here_are_merged(call: Call) -> None:
    told = news(change("changed", "A", "value"), change("removed", "B"), change("added", "D", after="C"))
    assert steps(call, [row("A"), row("B"), row("C")], told) == [("take", "A"), ("drop", "B"), ("add", "D")]


def test_rows_that_were_typed_in_stay_if_others_changed_other_rows(call: Call) -> None:
    assert steps(call, [row("A", typed={"value": "mine"}), row("B")], news(change("changed", "B", "value"))) == [
        ("take", "B")
    ]


@pytest.mark.parametrize(
    "told",
    [change("changed", "A", "value"), change("changed", "A", "description"), change("removed", "A")],
)
@pytest.mark.parametrize("typed", [{"value": "mine"}, {"description": "mine"}, {"name": "A2"}])
def test_the_same_row_asks(call: Call, told: dict[str, Any], typed: dict[str, Any]) -> None:
    assert steps(call, [row("A", typed=typed)], news(told)) == [("ask", "A")]


def test_a_row_that_is_deleted_here_and_changed_there_asks(call: Call) -> None:
    rows = [row("A", isGone=True, isChanged=True)]
    assert steps(call, rows, news(change("changed", "A", "value"))) == [("ask", "A")]


def test_a_row_that_is_deleted_on_both_sides_just_goes(call: Call) -> None:
    assert steps(call, [row("A", isGone=True, isChanged=True)], news(change("removed", "A"))) == [("drop", "A")]


def test_a_new_row_with_the_name_of_an_added_one_asks(call: Call) -> None:
    assert steps(call, [row("A", new=True)], news(change("added", "A"))) == [("ask", "A")]


def test_a_row_in_which_somebody_works_does_not_vanish(call: Call) -> None:
    rows = [row("A", isHeld=True)]
    assert steps(call, rows, news(change("removed", "A"))) == [("ask", "A")]
    assert steps(call, rows, news(change("changed", "A", "value"))) == [("take", "A")]


def test_an_open_question_is_asked_again_with_what_is_new(call: Call) -> None:
    asked = {"theirs": variable("A"), "fields": ["value"]}
    gone: dict[str, Any] = {"theirs": None, "fields": []}
    open_row, gone_row = row("A", typed={"value": "x"}, question=asked), row("A", typed={"value": "x"}, question=gone)
    assert steps(call, [open_row], news(change("removed", "A"))) == [("ask", "A")]
    assert steps(call, [gone_row], news(change("removed", "A"))) == []
    assert steps(call, [gone_row], news(change("added", "A"))) == [("ask", "A")]
    new_row = row("A", new=True, question=asked)
    assert steps(call, [new_row], news(change("removed", "A"))) == [("unask", "A")]


def test_a_page_of_a_search_takes_no_row_that_it_does_not_show(call: Call) -> None:
    assert steps(call, [row("A")], news(change("changed", "B", "value"), change("removed", "C"))) == []


def test_without_the_older_revision_every_typed_row_asks_and_the_others_follow(call: Call) -> None:
    rows = [row("A", typed={"value": "x"}), row("B"), row("C"), row("D")]
    listed = [
        change("listed", "A"),
        change("listed", "B", description="new"),
        change("listed", "C"),
        change("listed", "E"),
    ]
    told = news(*listed, is_whole=True)
    assert steps(call, rows, told) == [("drop", "D"), ("ask", "A"), ("take", "B"), ("take", "C"), ("add", "E")]
    kinds = {step["change"]["name"]: step["change"]["kind"] for step in call("steps", rows, told)}
    assert kinds == {"A": "unknown", "B": "changed", "C": "unknown", "D": "removed", "E": "added"}
    assert call("sentence", told, call("steps", rows, told)) == (
        "Changed elsewhere by token ci just now: D was removed, B was changed, E was added. "
        "You have changed A too. What you typed is kept: choose in the table which to keep."
    )


def asked(mine: dict[str, Any], theirs: dict[str, Any] | None, *fields: str) -> dict[str, Any]:
    return {**mine, "question": {"theirs": theirs, "fields": list(fields)}}


def test_mine_is_what_was_typed_on_top_of_theirs(call: Call) -> None:
    mine = asked(row("A", typed={"value": "mine"}), variable("A", description="theirs"), "value", "description")
    assert call("decided", "mine", mine) == {
        "was": variable("A", description="theirs"),
        "now": variable("A", description="theirs", value="mine"),
        "isGone": False,
    }


def test_theirs_drops_what_was_typed(call: Call) -> None:
    mine = asked(row("A", typed={"value": "mine"}), variable("A", description="theirs"), "description")
    theirs = variable("A", description="theirs")
    assert call("decided", "theirs", mine) == {"was": theirs, "now": theirs, "isGone": False}


def test_mine_of_a_row_that_is_deleted_there_is_a_new_row(call: Call) -> None:
    mine = asked(row("A", typed={"description": "mine"}), None)
    now = variable("A", description="mine", value="")
    assert call("decided", "mine", mine) == {"was": None, "now": now, "isGone": False}
    assert call("decided", "theirs", mine) is None


def test_mine_of_a_deletion_stays_a_deletion(call: Call) -> None:
    mine = asked(row("A", isGone=True, isChanged=True), variable("A", type="secret"), "type")
    stored = variable("A", type="secret")
    assert call("decided", "mine", mine) == {"was": stored, "now": stored, "isGone": True}
    assert call("decided", "theirs", mine) == {"was": stored, "now": stored, "isGone": False}


def test_mine_of_a_new_row_changes_the_one_that_was_added_there(call: Call) -> None:
    mine = asked(row("A", new=True, typed={"value": "mine"}), variable("A", description="theirs"), *FIELDS)
    found = call("decided", "mine", mine)
    assert found["was"] == variable("A", description="theirs")
    assert found["now"] == variable("A", value="mine")


@pytest.mark.parametrize(("fields", "is_kept"), [(["description"], True), (["value"], False)])
def test_a_value_that_is_shown_is_hidden_if_it_is_another_one_now(call: Call, fields: list[str], is_kept: bool) -> None:
    stored = variable("A", value="shown")
    shown = {**row("A"), "was": stored, "now": stored}
    found = call("taken", shown, change("changed", "A", *fields, description="x"))
    assert ("value" in found["was"]) is ("value" in found["now"]) is is_kept
    typed = asked({**shown, "now": {**stored, "description": "mine"}}, variable("A"), *fields)
    found = call("decided", "mine", typed)
    assert ("value" in found["was"]) is ("value" in found["now"]) is is_kept
    assert found["now"]["description"] == "mine"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"), (59, "just now"), (60, "1 minute ago"), (3599, "59 minutes ago"),
        (3600, "1 hour ago"), (86_399, "23 hours ago"), (200_000, "2 days ago"),
    ],
)  # fmt: skip
def test_the_age_of_a_change_is_told_in_words(call: Call, seconds: int, words: str) -> None:
    assert call("ago", seconds) == words


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ([], "Changed elsewhere just now"),
        (["you"], "Changed elsewhere by you just now"),
        (["token a", "you", "token b"], "Changed elsewhere by token a, you and token b just now"),
    ],
)
def test_those_who_changed_it_are_named(call: Call, by: list[str], words: str) -> None:
    assert call("origin", {"by": by, "age_seconds": 1}) == words


def test_many_changes_are_told_in_one_short_sentence(call: Call) -> None:
    told = news(*(change("added", f"N{number}") for number in range(9)))
    assert call("sentence", told, call("steps", [], told)) == (
        "Changed elsewhere by token ci just now: N0 was added, N1 was added, N2 was added, N3 was added, 5 more."
    )
    assert call("sentence", news(), []) == ""


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"theirs": None, "fields": []}, "Changed elsewhere by you just now: deleted there. Keep mine adds it again."),
        ({"kind": "added"}, "Changed elsewhere by you just now: added there with the same name."),
        ({"fields": ["value", "enabled", "literal"]}, "Changed elsewhere by you just now: value and use."),
        ({"fields": []}, "Changed elsewhere by you just now: something."),
        ({"kind": "unknown"}, "Its value may have been changed elsewhere. Keep mine saves what you typed on top."),
    ],
)  # fmt: skip
def test_a_question_says_what_was_changed_and_by_whom(call: Call, question: dict[str, Any], words: str) -> None:
    base = {"theirs": variable("A"), "fields": FIELDS, "kind": "changed", "by": ["you"], "age_seconds": 0}
    assert call("questionOf", {**base, **question}) == words


def test_a_deletion_speaks_of_what_was_typed_only_if_something_was(call: Call) -> None:
    assert call("deleted", True) == (
        "The environment was deleted elsewhere. What you typed stays on this page: restore the environment in another "
        "tab, then save."
    )
    assert call("deleted", False) == "The environment was deleted elsewhere. To go on, restore it in another tab."
