"""What an environment is called and how it is kept; its copy, its deletion, and the way back."""

from __future__ import annotations

import pytest

from tests.api.conftest import Vault
from tests.support.bases import stand
from tests.support.vaults import HOST, add_environment, as_session, log_in
from tests.web.conftest import Visitor, words


@pytest.fixture
def place(ada: Visitor) -> str:
    return ada.make("prod", A="1")


def test_all_settings_are_changed_at_once(ada: Visitor, place: str) -> None:
    typed = {"name": "shop/prod", "description": "the real one", "max_versions": "7", "cas_required": "on"}
    assert ada.post(f"{place}/settings", typed).headers["Location"] == f"{place}/settings?said=changed"
    page = ada.get(f"{place}/settings?said=changed")
    assert "The settings were saved." in words(page)
    for shown in ('value="shop/prod"', 'value="the real one"', 'value="7"', 'name="cas_required" checked'):
        assert shown in page.text, shown


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ({"name": "dev"}, 409),
        ({"name": ""}, 422),
        ({"name": "a//b"}, 422),
        ({"max_versions": "0"}, 422),
        ({"max_versions": "many"}, 422),
        ({"description": "x" * 4097}, 422),
    ],
)
def test_what_cannot_be_is_told_beside_its_field_and_kept(
    ada: Visitor, place: str, typed: dict[str, str], status: int
) -> None:
    ada.make("dev")
    answer = ada.post(f"{place}/settings", {"name": "new", "description": "kept", "max_versions": "9"} | typed)
    assert answer.status_code == status
    [field] = typed
    assert f'id="{field}"' in answer.text.partition('aria-invalid="true"')[0].rpartition("<input")[2]
    assert "kept" in answer.text or field == "description"
    assert "prod" in words(ada.get(place))


def test_globals_have_settings_and_no_name(ada: Visitor) -> None:
    page = ada.get("/globals/settings")
    assert 'name="name"' not in page.text
    assert "Delete this environment" not in page.text
    ada.post("/globals/settings", {"description": "mine", "max_versions": "5", "name": "taken"})
    assert "mine" in ada.get("/globals/settings").text


def test_a_copy_is_a_new_environment(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/copy", {"copy": "staging"})
    copied = answer.headers["Location"].partition("?")[0]
    assert copied != place
    assert ada.stored(copied) == {"A": "1"}
    taken = ada.post(f"{place}/copy", {"copy": "staging"})
    assert taken.status_code == 409
    assert "You already have an environment with this name." in words(taken)
    assert 'value="staging"' in taken.text


def test_a_deletion_is_undone_on_the_next_page(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/delete")
    listed = ada.get(answer.headers["Location"])
    assert "You can restore it" in words(listed)
    assert f'action="{place}/undelete"' in listed.text
    assert ada.get(place).status_code == 404
    assert ada.post(f"{place}/undelete").headers["Location"] == f"{place}?said=undeleted"
    assert ada.stored(place) == {"A": "1"}


def test_a_deletion_says_that_others_have_the_environment_as_a_base(ada: Visitor, vault: Vault, place: str) -> None:
    vault.services.keys.upgrading.open(HOST)
    who = as_session(vault.services, log_in(vault.services, ada.username).secret)
    add_environment(vault.services, who, "shop", URL="{{A}}")
    stand(vault.services, who, "shop", "prod")
    said = words(ada.get(ada.post(f"{place}/delete").headers["Location"]))
    assert "Other environments have it as a base, and their values lack what came from it until you restore it." in said
    ada.post(f"{place}/undelete")
    # A base of a base is one too, and an environment that is no base is deleted without this sentence.
    add_environment(vault.services, who, "top")
    stand(vault.services, who, "top", "shop")
    shop = vault.services.environments.environments.get(who, "shop").id
    said = words(ada.get(ada.post(f"/environments/{shop}/delete").headers["Location"]))
    assert "Other environments have it as a base" in said
    said = words(ada.get(ada.post(f"{place}/delete").headers["Location"]))
    assert "You can restore it" in said
    assert "as a base" not in said


def test_an_undo_whose_name_is_taken_asks_for_another(ada: Visitor, place: str) -> None:
    ada.post(f"{place}/delete")
    ada.make("prod")
    answer = ada.post(f"{place}/undelete")
    assert answer.status_code == 409
    assert "New name" in words(answer)
    assert ada.post(f"{place}/undelete", {"name": "old prod"}).status_code == 303
    assert "old prod" in words(ada.get(place))


def test_nobody_undoes_anothers_deletion_by_an_address(ada: Visitor, bob: Visitor, place: str) -> None:
    ada.post(f"{place}/delete")
    listed = bob.get(f"/environments?undo={place.rpartition('/')[2]}&said=deleted")
    assert "undelete" not in listed.text
