"""The other pages of an environment: its history, files and settings; and all of it without a script."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Person, Place
from tests.browser.tabs import Tab
from tests.support.vaults import add_environment, patch, values


@pytest.fixture
def tab(open_tab: OpenTab, place: Place, ada: Person) -> Tab:
    """Ada's tab, at the history of her environment `prod`, which has three revisions."""
    stored = {"DATABASE_URL": "postgresql://db.example", "API_KEY": "s3cret"}
    made = add_environment(place.vault, ada.principal, "prod", **stored)
    patch(place.vault, ada.principal, "prod", API_KEY="n3w", LOG_LEVEL="debug")
    patch(place.vault, ada.principal, "prod", DATABASE_URL=None, LOG_LEVEL={"description": "how much"})
    tab = open_tab(place, ada, accept_downloads=True)
    tab.go(f"/environments/{made.id}")
    return tab


def test_the_history_compares_and_goes_back(tab: Tab, place: Place, ada: Person) -> None:
    page = tab.page
    page.get_by_role("link", name="History").click()
    tab.inspect("history")
    page.get_by_label("from revision 1").check()
    page.get_by_label("to revision 3").check()
    page.get_by_role("button", name="Compare the two").click()
    expect(page.get_by_role("heading", name="From revision 1 to 3")).to_be_visible()
    tab.inspect("diff")
    assert "s3cret" not in page.content()
    page.get_by_role("button", name="Show the values").click()
    expect(page.get_by_text("s3cret")).to_be_visible()
    tab.inspect("diff-shown")
    page.get_by_role("button", name="Go back to revision 1").click()
    expect(page.get_by_text("The older revision was restored")).to_be_visible()
    tab.inspect("said")
    assert values(place.vault, ada.principal, "prod")["API_KEY"] == "s3cret"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Revision 5")).to_be_visible()
    assert values(place.vault, ada.principal, "prod")["API_KEY"] == "n3w"


def test_an_import_shows_its_plan_first(tab: Tab, place: Place, ada: Person) -> None:
    page = tab.page
    page.get_by_role("link", name="Import").click()
    tab.inspect("import")
    content = b'{"API_KEY": "3", "NEW": "4"}'
    file: FilePayload = {"name": "prod.json", "mimeType": "application/json", "buffer": content}
    page.get_by_label("A file").set_input_files(file)
    page.get_by_label("are removed").check()
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("1 added")).to_be_visible()
    tab.inspect("plan")
    assert values(place.vault, ada.principal, "prod")["API_KEY"] == "n3w"
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("The file was imported.")).to_be_visible()
    assert dict(values(place.vault, ada.principal, "prod")) == {"API_KEY": "3", "NEW": "4"}


def test_exports_are_downloads(tab: Tab) -> None:
    page = tab.page
    page.get_by_role("link", name="Export").click()
    tab.inspect("export")
    with page.expect_download() as plain:
        page.get_by_role("button", name="Download as plain text").click()
    assert plain.value.suggested_filename == "prod.env"
    page.get_by_label("Passphrase", exact=True).fill("lantern gravel ninefold")
    page.get_by_label("Repeat the passphrase").fill("lantern gravel ninefold")
    with page.expect_download() as sealed:
        page.get_by_role("button", name="Download with a passphrase").click()
    assert sealed.value.suggested_filename == "prod.env.age"


def test_the_settings_rename_copy_and_delete_with_an_undo(tab: Tab) -> None:
    page = tab.page
    tab.expects_status(422)
    page.get_by_role("link", name="Settings").click()
    tab.inspect("settings")
    page.get_by_label("Name", exact=True).fill("a//b")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Name", exact=True)).to_have_accessible_description(
        "An environment's name must not have an empty, '.' or '..' segment between its slashes."
    )
    tab.inspect("settings-fault")
    page.get_by_label("Name", exact=True).fill("shop/prod")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="shop/prod")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("heading", name="shop/prod copy")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Delete this environment").click()
    tab.inspect("deleted")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="shop/prod copy")).to_be_visible()


def test_an_empty_environment_says_what_to_do(open_tab: OpenTab, place: Place, ada: Person) -> None:
    made = add_environment(place.vault, ada.principal, "new")
    tab = open_tab(place, ada)
    tab.go(f"/environments/{made.id}")
    tab.inspect("empty")
    tab.go("/globals")
    tab.inspect("globals")
    tab.go(f"/environments/{made.id}/history")
    tab.inspect("empty-history")


def test_the_main_journey_needs_no_script(open_tab: OpenTab, small_place: Place) -> None:
    ada = small_place.newcomer("ada")
    tab = open_tab(small_place, java_script_enabled=False)
    page = tab.page
    tab.log_in(ada)
    page.get_by_label("Name", exact=True).fill("prod")
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Name", exact=True).fill("API_KEY")
    page.get_by_label("Value", exact=True).fill("s3cret")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_text("Paste a block", exact=True).click()
    page.get_by_label("Lines of NAME=value").fill("A=1\nB=2\n")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Apply").click()
    assert dict(values(small_place.vault, ada.principal, "prod")) == {"API_KEY": "s3cret", "A": "1", "B": "2"}
    assert "s3cret" not in page.content()
    page.get_by_role("button", name="Show API_KEY").click()
    expect(page.get_by_label("Value")).to_have_value("s3cret")
    page.get_by_label("Value").fill("n3w")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="A", exact=True).click()
    page.get_by_label("Description").fill("of the shop")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Choose B").check()
    page.get_by_role("button", name="Delete the chosen").click()
    expect(page.get_by_text("Revision 5")).to_be_visible()
    assert dict(values(small_place.vault, ada.principal, "prod")) == {"API_KEY": "n3w", "A": "1"}
    page.get_by_role("button", name="Undo").click()
    assert dict(values(small_place.vault, ada.principal, "prod")) == {"API_KEY": "n3w", "A": "1", "B": "2"}
