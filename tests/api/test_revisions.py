"""`…/revisions` and `…/rollback`."""

from __future__ import annotations

import pytest

from tests.api.conftest import Caller


@pytest.fixture(params=["/environments/prod", "/globals"])
def place(request: pytest.FixtureRequest, ada: Caller) -> str:
    """Three revisions: A=1; A=1 B=2; B=3."""
    ada.make("prod")
    where = str(request.param)
    for changes in ({"A": "1"}, {"B": "2"}, {"A": None, "B": "3"}):
        ada.ok("PATCH", f"{where}/variables", {"variables": changes})
    return where


def names(revision: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in revision["variables"]}


def test_revisions_are_listed_the_newest_first(ada: Caller, place: str) -> None:
    items = ada.ok("GET", f"{place}/revisions")["items"]
    assert [item["number"] for item in items] == [3, 2, 1]
    assert set(items[0]) == {"id", "number", "created_at", "created_by", "deletion_at", "destroyed"}
    assert {item["created_by"] for item in items} == {f"session:{ada.session_id}"}


def test_one_revision_has_its_variables(ada: Caller, place: str) -> None:
    assert names(ada.ok("GET", f"{place}/revisions/2")) == {"A": "1", "B": "2"}
    assert ada.ok("GET", f"{place}/revisions/2")["number"] == 2


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("", [("B", "changed", "2", "3"), ("A", "removed", "1", None)]),
        ("?against=1", [("B", "added", None, "3"), ("A", "removed", "1", None)]),
        ("?against=0", [("B", "added", None, "3")]),
        ("?against=3", []),
    ],
)
def test_a_diff_tells_what_changed(
    ada: Caller, place: str, query: str, changes: list[tuple[str, str, str | None, str | None]]
) -> None:
    found = ada.ok("GET", f"{place}/revisions/3/diff{query}")
    told = [
        (item["name"], item["kind"], (item["before"] or {}).get("value"), (item["after"] or {}).get("value"))
        for item in found["changes"]
    ]
    assert told == changes
    assert found["to"] == 3


def test_the_first_revision_differs_from_nothing(ada: Caller, place: str) -> None:
    found = ada.ok("GET", f"{place}/revisions/1/diff")
    assert (found["from"], [item["kind"] for item in found["changes"]]) == (0, ["added"])


def test_a_rollback_is_a_new_revision(ada: Caller, place: str) -> None:
    answer = ada("POST", f"{place}/rollback", {"revision": 1})
    assert (answer.status, answer.json) == (200, {"revision": 4})
    read = ada("GET", f"{place}/variables")
    assert (names(read.json), read.etag) == ({"A": "1"}, answer.etag)
    assert names(ada.ok("GET", f"{place}/revisions/3")) == {"B": "3"}


@pytest.mark.parametrize("number", ["0", "4", str(2**31), str(2**63 - 1), str(2**63), "9" * 40, "-1", "x", "1.0"])
def test_a_revision_that_never_was_is_not_found(ada: Caller, place: str, number: str) -> None:
    assert ada("GET", f"{place}/revisions/{number}").code == "not_found"
    # Number 0 is what was before the first.
    if number != "0":
        assert ada("GET", f"{place}/revisions/{number}/diff").code == "not_found"


@pytest.mark.parametrize("number", [4, 2**31, 2**63 - 1])
def test_a_rollback_to_what_never_was_changes_nothing(ada: Caller, place: str, number: int) -> None:
    assert ada("POST", f"{place}/rollback", {"revision": number}).code == "not_found"
    assert ada("GET", f"{place}/revisions/3/diff?against={number}").code == "not_found"
    assert len(ada.ok("GET", f"{place}/revisions")["items"]) == 3


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**30, "1", 1.0, True, None])
def test_a_rollback_takes_a_number(ada: Caller, place: str, number: object) -> None:
    answer = ada("POST", f"{place}/rollback", {"revision": number})
    assert (answer.status, answer.json["path"]) == (422, "revision")
