"""Two change one environment at the same time: their rows are merged. The page asks if both changed the same row."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Person, Place
from tests.browser.streams import answered, silence
from tests.browser.tabs import Tab
from tests.browser.test_editor import all_stored, blank, button, edited, row, say, sent_by, stored
from tests.support.vaults import patch, put
from vault.model.environment import Variable


@pytest.fixture
def tab(open_tab: OpenTab, place: Place, ada: Person, prod: str) -> Tab:
    """Ada's tab, at the environment. No stream tells it of changes, so that it learns of them when it saves."""
    tab = open_tab(place, ada)
    answered(tab, silence)
    tab.go(prod)
    return tab


def type_value(tab: Tab, name: str, value: str) -> None:
    row(tab, name).get_by_role("link").click()
    edited(tab).get_by_label("Value").fill(value)


def question(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("group", name=f"{name}: changed here and elsewhere")


def names(tab: Tab) -> list[str]:
    """The names in the table, in order."""
    return tab.page.locator("#rows tr .name a").all_inner_texts()


def test_changes_in_other_rows_are_merged_and_the_save_goes_on(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", B="theirs", C=None, E="5")
    button(tab, "Save").click()
    expect(say(tab)).to_contain_text("Saved as revision 3.")
    expect(say(tab)).to_contain_text("B was changed, E was added, C was removed.")
    expect(row(tab, "E")).to_contain_text("added elsewhere")
    expect(row(tab, "B")).to_contain_text("changed elsewhere")
    assert names(tab) == ["A", "B", "D", "E"]
    assert stored(place, ada) == {"A": "mine", "B": "theirs", "D": "4", "E": "5"}
    tab.inspect("merged")
    row(tab, "B").get_by_role("button", name="Show").click()
    expect(row(tab, "B").locator(".shown")).to_have_text("theirs")


def test_an_added_row_comes_where_it_is_stored_and_can_be_edited(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    stored_before = {item.name: item for item in all_stored(place, ada)}
    put(place.vault, ada.principal, "prod", Variable("FIRST", "f"), *(stored_before[name] for name in "AB"),
        Variable("MID", "m", description="told"), *(stored_before[name] for name in "CD"))  # fmt: skip
    type_value(tab, "A", "mine")
    button(tab, "Save").click()
    expect(say(tab)).to_contain_text("Saved as revision 3.")
    expect(row(tab, "MID")).to_contain_text("told")
    assert names(tab) == ["FIRST", "A", "B", "MID", "C", "D"]
    type_value(tab, "MID", "m2")
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 4.")
    assert stored(place, ada)["MID"] == "m2"


def test_the_same_row_asks_and_saves_nothing_before_the_answer(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    sent = sent_by(tab, "/save")
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", A={"value": "theirs", "description": "said there"})
    button(tab, "Save").click()
    expect(question(tab, "A")).to_contain_text("value and description")
    expect(say(tab)).to_contain_text(
        "You have changed A too. What you typed is kept: choose in the table which to keep."
    )
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")
    tab.inspect("question")
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Nothing was saved: first choose what to keep in A.")
    expect(question(tab, "A").get_by_role("button", name="Keep mine")).to_be_focused()
    assert len(sent) == 1
    assert stored(place, ada)["A"] == "theirs"


def test_both_sides_are_shown_on_asking(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", A={"value": "canary-theirs", "description": "said there"})
    button(tab, "Save").click()
    expect(question(tab, "A")).to_be_visible()
    assert "canary-theirs" not in tab.page.content()
    question(tab, "A").get_by_role("button", name="Show both").click()
    mine, theirs = question(tab, "A").locator("dd").all()
    expect(theirs).to_contain_text("canary-theirs")
    expect(theirs).to_contain_text("said there")
    expect(mine).to_contain_text("mine")
    tab.inspect("both-sides")


def test_mine_goes_on_top_of_theirs(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", A={"value": "theirs", "description": "said there"})
    button(tab, "Save").click()
    question(tab, "A").get_by_role("button", name="Keep mine").click()
    expect(edited(tab).get_by_label("Description")).to_have_value("said there")
    expect(edited(tab).get_by_label("Name")).to_be_focused()
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 3.")
    (found,) = [item for item in all_stored(place, ada) if item.name == "A"]
    assert (found.value, found.description) == ("mine", "said there")


@pytest.mark.parametrize("way", ["button", "escape", "discard"])
def test_theirs_drops_what_was_typed(tab: Tab, place: Place, ada: Person, way: str) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", A={"value": "theirs", "description": "said there"})
    button(tab, "Save").click()
    expect(question(tab, "A")).to_be_visible()
    if way == "button":
        question(tab, "A").get_by_role("button", name="Take theirs").click()
    elif way == "escape":
        edited(tab).get_by_label("Value").press("Escape")
    else:
        button(tab, "Discard all").click()
    expect(question(tab, "A")).to_have_count(0)
    expect(row(tab, "A")).to_contain_text("said there")
    expect(tab.page.locator("#count")).to_have_text("")
    row(tab, "A").get_by_role("button", name="Show").click()
    expect(row(tab, "A").locator(".shown")).to_have_text("theirs")
    assert stored(place, ada)["A"] == "theirs"


def test_a_variable_that_is_deleted_elsewhere_keeps_what_was_typed_here(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    row(tab, "B").get_by_role("link").click()
    tab.page.locator("#rows tr.editing").nth(1).get_by_label("Description").fill("of mine")
    patch(place.vault, ada.principal, "prod", A=None, B=None)
    button(tab, "Save").click()
    expect(question(tab, "A")).to_contain_text("deleted there")
    question(tab, "A").get_by_role("button", name="Keep mine").click()
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")
    question(tab, "B").get_by_role("button", name="Keep mine").click()
    # Its value was never in this page.
    lost = tab.page.locator("#rows tr.editing").nth(1).get_by_label("Value")
    expect(lost).to_be_focused()
    expect(lost).to_have_accessible_description("Its stored value is gone, and was not shown here. Type it again.")
    lost.fill("typed again")
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 3.")
    found = {item.name: (item.value, item.description) for item in all_stored(place, ada)}
    assert (found["A"], found["B"]) == (("mine", ""), ("typed again", "of mine"))


def test_a_deletion_here_of_what_changed_there_asks_too(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    button(tab, "Delete A").click()
    button(tab, "Delete B").click()
    button(tab, "Delete C").click()
    patch(place.vault, ada.principal, "prod", A="theirs", B="theirs", C=None)
    button(tab, "Save").click()
    question(tab, "A").get_by_role("button", name="Take theirs").click()
    question(tab, "B").get_by_role("button", name="Keep mine").click()
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 3.")
    assert stored(place, ada) == {"A": "theirs", "D": "4"}
    assert names(tab) == ["A", "D"]


@pytest.mark.parametrize(("choice", "value"), [("Keep mine", "mine"), ("Take theirs", "theirs")])
def test_the_same_new_name_on_both_sides_asks(tab: Tab, place: Place, ada: Person, choice: str, value: str) -> None:
    tab.expects_status(409)
    blank(tab).get_by_label("Name").fill("NEW")
    tab.page.locator("#new-rows tr").first.get_by_label("Value").fill("mine")
    patch(place.vault, ada.principal, "prod", NEW="theirs")
    button(tab, "Save").click()
    expect(question(tab, "NEW")).to_contain_text("added there with the same name")
    question(tab, "NEW").get_by_role("button", name=choice).click()
    if choice == "Keep mine":
        button(tab, "Save").click()
        expect(say(tab)).to_have_text("Saved as revision 3.")
    expect(row(tab, "NEW")).to_be_visible()
    assert names(tab) == ["A", "B", "C", "D", "NEW"]
    assert stored(place, ada)["NEW"] == value
    expect(blank(tab).get_by_label("Name")).to_have_value("")


@pytest.mark.parametrize(("choice", "value"), [("Keep all mine", "mine"), ("Take all theirs", "theirs")])
def test_many_questions_have_one_answer(tab: Tab, place: Place, ada: Person, choice: str, value: str) -> None:
    tab.expects_status(409)
    for name in "AB":
        row(tab, name).get_by_role("link").click()
        tab.page.locator("#rows tr.editing").last.get_by_label("Value").fill("mine")
    patch(place.vault, ada.principal, "prod", A="theirs", B="theirs")
    button(tab, "Save").click()
    button(tab, choice).click()
    if value == "mine":
        button(tab, "Save").click()
        expect(say(tab)).to_have_text("Saved as revision 3.")
    expect(tab.page.locator(".question:visible")).to_have_count(0)
    expect(tab.page.locator("#count")).to_have_text("")
    assert stored(place, ada) == {"A": value, "B": value, "C": "3", "D": "4"}


def test_the_settings_and_the_name_alone_are_no_conflict(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    change = place.vault.environments.environments.change
    wishes = {"description": "new", "name": "shop"}
    place.vault.storage.transaction(lambda unit: change(unit, ada.principal, "prod", wishes))  # type: ignore[arg-type]  # a plain dict
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 2. The environment was renamed elsewhere from prod to shop.")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("shop")
    assert tab.page.title() == "shop · Strongroom"
    found = place.vault.environments.variables.read(ada.principal, "shop").variables
    assert found[0].value == "mine"


def test_an_environment_that_is_deleted_elsewhere_keeps_what_was_typed(
    tab: Tab, place: Place, ada: Person, prod: str
) -> None:
    tab.expects_status(404)
    # Deleting and restoring it changes its ETag.
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    making = place.vault.environments.making
    id_ = prod.rpartition("/")[2]
    place.vault.storage.transaction(lambda unit: place.vault.environments.environments.delete(unit, ada.principal, id_))
    button(tab, "Save").click()
    expect(say(tab)).to_contain_text("The environment was deleted elsewhere, so nothing was saved.")
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")
    place.vault.storage.transaction(lambda unit: making.undelete(unit, ada.principal, id_, None))
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 2.")
    assert stored(place, ada)["A"] == "mine"


def test_others_who_go_on_saving_do_not_stop_a_save(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    rounds = iter(range(2))

    def meddle(_: object) -> None:
        if next(rounds, None) is not None:
            patch(place.vault, ada.principal, "prod", B=f"theirs {place.vault.clock()}")

    tab.page.on("request", lambda request: meddle(request) if request.url.endswith("/save") else None)
    patch(place.vault, ada.principal, "prod", C="theirs")
    button(tab, "Save").click()
    expect(say(tab)).to_contain_text("Saved as revision")
    assert stored(place, ada)["A"] == "mine"


def test_more_changes_than_the_table_can_draw_are_loaded_after_the_save(tab: Tab, place: Place, ada: Person) -> None:
    tab.expects_status(409)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", **{f"N{number}": "1" for number in range(501)})
    button(tab, "Save").click()
    expect(say(tab)).to_contain_text("more than 500 rows")
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")
    button(tab, "Save").click()
    expect(row(tab, "N500")).to_be_visible()
    assert stored(place, ada)["A"] == "mine"
