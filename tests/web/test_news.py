"""What the table's script is told of changes by others: names and outlines, who made them, and never a value."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Vault
from tests.support.vaults import PASSWORD, add_token, as_token, grant, write
from tests.web.conftest import Visitor, etag_of
from vault.jobs.drain import drain
from vault.model.principal import Principal, host_operator
from vault.services.environments.editing import RowEdit
from vault.services.environments.variables import NO_PRECONDITION
from vault.storage import Search


@pytest.fixture
def place(ada: Visitor) -> str:
    """The path of an environment with variables A, B and C."""
    return ada.make("prod", A="1", B="2", C="3")


def save(visitor: Visitor, place: str, *edits: tuple[str | None, dict[str, Any] | None]) -> None:
    sent = [{"name": name, "attributes": attributes} for name, attributes in edits]
    assert visitor.ask(f"{place}/save", {"etag": etag_of(visitor.get(place)), "edits": sent}).status_code == 200


def news(visitor: Visitor, place: str, revision: Any = 1) -> Any:
    visitor.get(place)
    answer = visitor.ask(f"{place}/news", {"revision": revision})
    assert answer.status_code == 200
    return answer.json


def again(ada: Visitor, vault: Vault, agent: str = "") -> Visitor:
    """Ada at another browser."""
    other = Visitor(vault.app.test_client(), ada.username)
    other.get("/login")
    fields = {"username": ada.username, "password": PASSWORD}
    assert other.post("/login", fields, **({"User_Agent": agent} if agent else {})).status_code == 303
    other.get("/environments")
    return other


def test_each_change_is_told_with_its_outline_and_its_place(ada: Visitor, place: str) -> None:
    save(
        ada,
        place,
        ("A", {"value": "canary-1", "description": "told"}),
        ("B", None),
        (None, {"name": "D", "value": "canary-2"}),
    )
    told = news(ada, place)
    assert (told["revision"], told["since"], told["name"], told["count"], told["is_whole"]) == (2, 1, "prod", 3, False)
    outline = {"type": "default", "enabled": True, "literal": False}
    everything = ["value", "type", "enabled", "literal", "description"]
    assert told["changes"] == [
        {"name": "A", "kind": "changed", "fields": ["value", "description"], "after": None,
         "row": {"name": "A", "description": "told", **outline}},
        {"name": "D", "kind": "added", "fields": everything, "after": "C",
         "row": {"name": "D", "description": "", **outline}},
        {"name": "B", "kind": "removed"},
    ]  # fmt: skip
    assert "canary" not in str(told)
    assert told["etag"] == etag_of(ada.get(place))
    assert 0 <= told["age_seconds"] < 3600


def test_the_page_with_the_newest_revision_has_no_news(ada: Visitor, place: str) -> None:
    told = news(ada, place)
    assert (told["revision"], told["changes"], told["by"], told["is_whole"]) == (1, [], [], False)


@pytest.mark.parametrize("way", ["settings", "rename"])
def test_a_change_of_the_environment_alone_has_a_new_etag_or_name(ada: Visitor, place: str, way: str) -> None:
    before = etag_of(ada.get(place))
    fields = {"name": "renamed" if way == "rename" else "prod", "description": "new", "max_versions": "10"}
    assert ada.post(f"{place}/settings", fields).status_code == 303
    told = news(ada, place)
    assert (told["revision"], told["changes"], told["name"]) == (1, [], fields["name"])
    assert told["etag"] == etag_of(ada.get(place))
    assert before


def test_without_the_older_revision_every_variable_is_listed(ada: Visitor, place: str) -> None:
    ada.post(f"{place}/settings", {"name": "prod", "max_versions": "1"})
    save(ada, place, ("B", None))
    for revision in (1, 99):
        told = news(ada, place, revision)
        assert told["is_whole"] is True
        assert [(change["name"], change["kind"], change["after"]) for change in told["changes"]] == [
            ("A", "listed", None), ("C", "listed", "A")
        ]  # fmt: skip


@pytest.mark.parametrize("shown", [1, 2])
def test_a_current_revision_that_was_deleted_has_no_rows(ada: Visitor, place: str, vault: Vault, shown: int) -> None:
    save(ada, place, ("A", {"value": "4"}))
    person = principal_of(ada, vault)
    kv = vault.services.vaultkv.versions
    write(vault.services, lambda unit: kv.delete(unit, person, "prod", None))
    told = news(ada, place, shown)
    assert told["is_deleted"] is True
    assert (told["etag"], told["count"], told["is_whole"]) == ("", 0, shown == 2)
    assert [change["kind"] for change in told["changes"]] == (["removed"] * 3 if shown == 1 else [])


def principal_of(visitor: Visitor, vault: Vault) -> Principal:
    """Who the visitor's cookie is."""
    cookie = visitor.client.get_cookie("__Host-strongroom", "localhost")
    assert cookie
    return vault.services.people.sessions.authenticate(cookie.value, "web", "127.0.0.1", "test")


def test_the_person_is_told_which_of_their_own_made_the_changes(ada: Visitor, vault: Vault, place: str) -> None:
    save(ada, place, ("A", {"value": "4"}))
    assert news(ada, place)["by"] == ["you in this browser"]
    other = again(ada, vault, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    save(other, place, ("A", {"value": "5"}))
    assert news(ada, place)["by"] == ["you in Firefox on Linux", "you in this browser"]
    assert news(ada, place, 2)["by"] == ["you in Firefox on Linux"]
    other.post("/logout")
    assert news(ada, place, 2)["by"] == ["you"]
    save(again(ada, vault, "strongroom-python/0.3.0"), place, ("A", {"value": "5b"}))
    assert news(ada, place, 3)["by"] == ["you"]
    made = add_token(vault.services, principal_of(ada, vault), grant("read,update", path="prod"), name="deployer")
    by_token = as_token(vault.services, made.secret)
    edit = [RowEdit("B", {"value": "6"})]
    variables = vault.services.environments.variables
    write(vault.services, lambda unit: variables.edit(unit, by_token, "prod", edit, NO_PRECONDITION))
    assert news(ada, place, 4)["by"] == ["token deployer"]
    write(vault.services, lambda unit: vault.services.tokens.tokens.revoke(unit, principal_of(ada, vault), made.id))
    assert news(ada, place, 4)["by"] == [f"token {made.id}"]


@pytest.mark.parametrize("revision", [-1, "1", 1.5, None, True, 2**63, [1]])
def test_what_is_no_revision_is_refused(ada: Visitor, place: str, revision: Any) -> None:
    answer = ada.ask(f"{place}/news", {"revision": revision})
    assert answer.status_code == 422
    assert answer.json
    assert answer.json["path"] == "revision"


def test_news_are_in_the_audit(ada: Visitor, vault: Vault, place: str) -> None:
    save(ada, place, ("A", {"value": "4"}))
    ada.get(place)
    assert events(vault, place)[:1] == [("variables.list", 2)]
    ada.ask(f"{place}/news", {"revision": 1})
    assert sorted(events(vault, place)[:2]) == [("revision.compare", 1), ("revision.compare", 2)]
    ada.ask(f"{place}/news", {"revision": 2})
    assert events(vault, place)[:1] == [("variables.list", 2)]


def events(vault: Vault, place: str) -> list[tuple[str, int | None]]:
    """The audit of the environment, newest first."""
    drain(vault.services)
    search = Search(environment_id=place.rpartition("/")[2])
    found = vault.services.audit.trail.search(host_operator("test"), search, None, 100)
    return [(seen.event.action, seen.event.revision) for seen in found]


def test_the_form_without_a_script_still_tells_what_others_changed(ada: Visitor, place: str) -> None:
    etag = etag_of(ada.get(place))
    save(ada, place, ("A", {"value": "4"}), ("B", None))
    fields = {"was": "C", "name": "C", "value": "5", "enabled": "on", "etag": etag, "revision": "1"}
    answer = ada.post(f"{place}/variable", fields)
    assert answer.status_code == 409
    assert "<code>A</code> was changed" in answer.text
    assert "<code>B</code> was removed" in answer.text
