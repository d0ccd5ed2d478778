"""One variable as a form, for browsers without scripts."""

from __future__ import annotations

import pytest

from tests.web.conftest import Visitor, etag_of, words


@pytest.fixture
def place(ada: Visitor) -> str:
    return ada.make("prod", A="canary-1", B="2")


def fields(ada: Visitor, place: str, **typed: str) -> dict[str, str]:
    """The form of variable A as it is loaded, with something typed into it."""
    page = ada.get(f"{place}?edit=A")
    assert page.status_code == 200
    stored = {"was": "A", "name": "A", "value": "", "type": "default", "enabled": "on", "revision": "1"}
    return stored | {"etag": etag_of(page)} | typed


def test_the_form_has_all_but_the_value(ada: Visitor, place: str) -> None:
    page = ada.get(f"{place}?edit=A")
    assert 'value="A"' in page.text
    assert "canary-1" not in page.text
    assert ada.get(f"{place}?edit=NO").status_code == 404


def test_a_value_is_shown_in_the_form_on_asking(ada: Visitor, place: str) -> None:
    page = ada.post(f"{place}/variable", {"name": "A", "show": "from table"})
    assert "canary-1" in page.text
    page = ada.post(f"{place}/variable", fields(ada, place, name="TYPED", show="here"))
    assert "canary-1" in page.text
    assert 'value="TYPED"' in page.text


def test_saving_renames_in_place_and_keeps_the_unseen_value(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/variable", fields(ada, place, name="C", description="told", type="secret"))
    assert answer.headers["Location"] == f"{place}?said=saved"
    assert ada.stored(place) == {"C": "canary-1", "B": "2"}
    shown = words(ada.get(answer.headers["Location"]))
    assert "Saved. Undo" in shown
    assert "told" in shown


def test_only_who_has_seen_a_value_can_empty_it(ada: Visitor, place: str) -> None:
    ada.post(f"{place}/variable", fields(ada, place))
    assert ada.stored(place)["A"] == "canary-1"
    ada.post(f"{place}/variable", fields(ada, place, shown="yes"))
    assert ada.stored(place)["A"] == ""


@pytest.mark.parametrize(
    ("stored", "typed", "saved"),
    [
        ("a\r\nb", "a\r\nb", "a\r\nb"),
        ("a\nb", "a\r\nb", "a\nb"),
        ("a\rb", "a\r\nb", "a\rb"),
        ("a\0b", "ab", "a\0b"),
        ("a\r\nb", "a\r\nc", "a\r\nc"),
        ("a\nb", "a\r\nc", "a\nc"),
        ("\na", "\r\na", "\na"),
    ],
)
def test_a_forms_line_ends_are_not_taken_for_a_change(ada: Visitor, stored: str, typed: str, saved: str) -> None:
    place = ada.make("prod", A=stored)
    shown = ada.post(f"{place}/variable", fields(ada, place, show="here"))
    # A parser of HTML drops the first line feed after the tag, and that one is ours.
    assert ">\n" + stored.replace("\0", "\0") in shown.text
    ada.post(f"{place}/variable", fields(ada, place, value=typed, shown="yes"))
    assert ada.stored(place)["A"] == saved


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": "B"}, "Another variable in this environment has this name."),
        ({"name": ""}, "A name has 1 to 256 characters."),
        ({"description": "x" * 4097}, "A description can have at most 4096 characters."),
        ({"was": "GONE"}, "This variable no longer exists."),
    ],
)
def test_what_cannot_be_saved_is_told_beside_its_field(
    ada: Visitor, place: str, typed: dict[str, str], sentence: str
) -> None:
    answer = ada.post(f"{place}/variable", fields(ada, place, value="kept", **typed))
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert 'aria-invalid="true"' in answer.text
    assert "kept" in answer.text
    assert ada.stored(place) == {"A": "canary-1", "B": "2"}


def test_a_conflict_keeps_what_was_typed_and_can_be_saved_on_top(ada: Visitor, place: str) -> None:
    form = fields(ada, place, value="mine")
    ada.post(f"{place}/variable", fields(ada, place, value="theirs"))
    answer = ada.post(f"{place}/variable", form)
    assert answer.status_code == 409
    assert "A was changed" in words(answer)
    assert "mine" in answer.text
    assert "theirs" not in answer.text
    ada.post(f"{place}/variable", form | {"etag": etag_of(answer), "revision": "2"})
    assert ada.stored(place)["A"] == "mine"


def test_a_new_one_comes_last_and_chosen_ones_go_at_once(ada: Visitor, place: str) -> None:
    new = {"name": "C", "value": "3", "enabled": "on", "etag": etag_of(ada.get(place))}
    ada.post(f"{place}/variable", new)
    assert list(ada.stored(place)) == ["A", "B", "C"]
    chosen = {"pick": ["A", "C"], "etag": etag_of(ada.get(place))}
    assert ada.post(f"{place}/delete-variables", chosen).headers["Location"].endswith("said=saved")
    assert ada.stored(place) == {"B": "2"}


def test_deleting_nothing_says_so_and_a_stale_page_deletes_nothing(ada: Visitor, place: str) -> None:
    etag = etag_of(ada.get(place))
    assert ada.post(f"{place}/delete-variables", {"etag": etag}).headers["Location"].endswith("said=none-chosen")
    ada.post(f"{place}/variable", fields(ada, place, value="theirs"))
    assert ada.post(f"{place}/delete-variables", {"pick": "A", "etag": etag}).status_code == 409
    assert ada.stored(place)["A"] == "theirs"
