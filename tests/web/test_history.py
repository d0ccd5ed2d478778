"""Older revisions: listed, compared, gone back to."""

from __future__ import annotations

import pytest

from tests.web.conftest import Visitor, etag_of, words


@pytest.fixture
def place(ada: Visitor) -> str:
    """An environment of three revisions."""
    place = ada.make("prod", A="canary-1", B="2")
    for edit in ({"name": "A", "attributes": {"value": "canary-2"}}, {"name": "B", "attributes": None}):
        assert ada.ask(f"{place}/save", {"etag": etag_of(ada.get(place)), "edits": [edit]}).status_code == 200
    return place


def test_the_newest_come_first_with_their_maker(ada: Visitor, place: str) -> None:
    shown = words(ada.get(f"{place}/history"))
    assert shown.index("Revision 3") < shown.index("Revision 2") < shown.index("Revision 1")
    assert "by you" in shown
    assert "Revision 3" not in words(ada.get(f"{place}/history?before=3"))
    assert ada.get(f"{place}/history?before={10**30}").status_code == 200
    assert ada.get(f"{place}/history?before=-{10**30}").status_code == 200


def test_a_long_history_goes_on_on_another_page(ada: Visitor, place: str) -> None:
    for number in range(50):
        edit = {"name": "A", "attributes": {"value": str(number)}}
        ada.ask(f"{place}/save", {"etag": etag_of(ada.get(place)), "edits": [edit]})
    page = ada.get(f"{place}/history")
    assert f'href="{place}/history?before=4"' in page.text
    assert "Revision 3 " in words(ada.get(f"{place}/history?before=4"))


def test_a_diff_names_what_differs_and_hides_the_values(ada: Visitor, place: str) -> None:
    page = ada.get(f"{place}/diff?from=1&to=3")
    shown = words(page)
    assert "A changed" in shown
    assert "B removed" in shown
    assert "canary" not in page.text


def test_the_values_of_a_diff_are_shown_on_asking(ada: Visitor, place: str) -> None:
    ada.get(f"{place}/diff?from=1&to=3")
    page = ada.post(f"{place}/diff", {"from": "1", "to": "3"})
    assert "canary-1" in page.text
    assert "canary-2" in page.text


def test_the_older_one_stands_before_whatever_is_asked(ada: Visitor, place: str) -> None:
    assert "From revision 1 to 3" in words(ada.get(f"{place}/diff?from=3&to=1"))
    assert "hold the same variables" in words(ada.get(f"{place}/diff?from=2&to=2"))


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 422), ("from=x&to=1", 422), ("from=-1&to=1", 422), (f"from=1&to={2**63}", 422), ("from=1&to=99", 404)],
)
def test_a_diff_of_what_never_was_says_so(ada: Visitor, place: str, query: str, status: int) -> None:
    assert ada.get(f"{place}/diff?{query}").status_code == status


def test_going_back_from_the_history_needs_no_etag(ada: Visitor, place: str) -> None:
    ada.get(f"{place}/history")
    assert ada.post(f"{place}/rollback", {"revision": "1"}).status_code == 303
    assert ada.stored(place) == {"A": "canary-1", "B": "2"}


def test_the_address_of_a_form_overrules_nothing_in_it(ada: Visitor, place: str) -> None:
    """The number of a form is the form's, in each of the pages' forms that has one."""
    ada.get(f"{place}/diff?from=1&to=3")
    assert "From revision 1 to 3" in words(ada.post(f"{place}/diff?from=2&to=2", {"from": "1", "to": "3"}))
    assert ada.post(f"{place}/diff?from=1&to=3").status_code == 422
    assert ada.post(f"{place}/rollback?revision=1").status_code == 422
    ada.get(f"{place}/settings")
    ada.post(f"{place}/settings?max_versions=7", {"max_versions": "9", "name": "prod"})
    page = ada.get(f"{place}/settings").text
    assert 'value="9"' in page
    assert 'value="7"' not in page
