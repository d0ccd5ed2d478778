"""One environment as a table, and what the table's script asks for."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import Vault
from tests.web.conftest import ORIGIN, Visitor, etag_of, words
from vault.jobs.drain import drain
from vault.model.event import Event
from vault.model.principal import host_operator
from vault.model.printable import visible
from vault.storage import Search

HOSTILE = '"><script>alert(1)</script>{{"xy"*3}}'


@pytest.fixture(params=["environment", "globals"])
def place(request: pytest.FixtureRequest, ada: Visitor) -> str:
    """The path of an environment, and of the globals, with variables A (1) and B ({{A}})."""
    if request.param == "environment":
        return ada.make("prod", A="1", B="{{A}}")
    edits = [
        {"name": None, "attributes": {"name": name, "value": value}} for name, value in (("A", "1"), ("B", "{{A}}"))
    ]
    assert ada.ask("/globals/save", {"etag": "", "edits": edits}).status_code == 200
    return "/globals"


def save(visitor: Visitor, place: str, *edits: tuple[str | None, dict[str, Any] | None], **more: Any) -> Any:
    etag = more.pop("etag", None) or etag_of(visitor.get(place))
    sent = [{"name": name, "attributes": attributes} for name, attributes in edits]
    return visitor.ask(f"{place}/save", {"etag": etag, "revision": 1, "edits": sent, **more})


def events(vault: Vault, environment: str) -> list[Event]:
    drain(vault.services)
    search = Search(environment_id=environment.rpartition("/")[2])
    return [seen.event for seen in vault.services.audit.trail.search(host_operator("test"), search, None, 100)]


def test_the_table_has_names_and_no_value(ada: Visitor, place: str) -> None:
    save(ada, place, ("A", {"value": "canary-1", "description": "told", "type": "secret", "literal": True}))
    page = ada.get(place)
    assert page.status_code == 200
    assert "canary-1" not in page.text
    for shown in ("A", "told", "secret", "literal", "Revision 2", "2 variables"):
        assert shown in words(page), shown


def test_an_empty_table_says_how_to_begin(ada: Visitor) -> None:
    shown = words(ada.get(ada.make("new")))
    assert "Nothing is saved yet" in shown
    assert "There is no variable yet." in shown


def test_the_search_works_without_a_script(ada: Visitor) -> None:
    place = ada.make("prod", API_KEY="1", LOG_LEVEL="2")
    shown = words(ada.get(f"{place}?q=api"))
    assert "API_KEY" in shown
    assert "LOG_LEVEL" not in shown
    assert "No variable has “zzz” in its name." in words(ada.get(f"{place}?q=zzz"))


def test_a_save_is_one_revision_of_many_edits(ada: Visitor, place: str) -> None:
    answer = save(ada, place, ("A", None), ("B", {"name": "C"}), (None, {"name": "A", "value": "new"}))
    assert answer.json["revision"] == 2
    assert answer.json["changed"] is True
    assert ada.stored(place) == {"A": "new", "C": "{{A}}"}
    page = ada.get(place)
    assert etag_of(page) == answer.json["etag"]
    assert re.findall(r'href="\?edit=(\w)"', page.text) == ["C", "A"]


def test_a_save_that_changes_nothing_makes_no_revision(ada: Visitor, place: str) -> None:
    answer = save(ada, place, ("A", {"value": "1"}))
    assert (answer.json["revision"], answer.json["changed"]) == (1, False)


def test_a_save_over_somebody_elses_says_what_they_changed(ada: Visitor, place: str) -> None:
    etag = etag_of(ada.get(place))
    save(ada, place, ("A", {"value": "canary-2"}), ("B", None), (None, {"name": "C", "value": "3"}))
    answer = save(ada, place, ("A", {"value": "mine"}), etag=etag)
    assert (answer.status_code, answer.json["code"], answer.json["revision"]) == (409, "precondition_failed", 2)
    told = {change["name"]: change["kind"] for change in answer.json["changes"]}
    assert told == {"A": "changed", "B": "removed", "C": "added"}
    assert "canary-2" not in answer.text
    again = save(ada, place, ("A", {"value": "mine"}), etag=answer.json["etag"])
    assert again.status_code == 200
    assert ada.stored(place) == {"A": "mine", "C": "3"}


def test_the_first_save_of_two_wins(ada: Visitor) -> None:
    place = ada.make("new")
    sent = {"etag": "", "revision": 0, "edits": [{"name": None, "attributes": {"name": "A", "value": "1"}}]}
    assert ada.ask(f"{place}/save", sent).status_code == 200
    answer = ada.ask(f"{place}/save", sent)
    assert answer.status_code == 409
    assert answer.json
    assert [(change["name"], change["kind"]) for change in answer.json["changes"]] == [("A", "added")]


def test_a_conflict_with_what_is_pruned_by_now_is_told_too(ada: Visitor) -> None:
    place = ada.make("prod", A="1")
    etag = etag_of(ada.get(place))
    ada.post(f"{place}/settings", {"name": "prod", "max_versions": "1"})
    save(ada, place, ("A", {"value": "2"}))
    answer = save(ada, place, ("A", {"value": "mine"}), etag=etag)
    assert (answer.status_code, answer.json["revision"], answer.json["is_whole"]) == (409, 2, True)
    assert [(change["name"], change["kind"]) for change in answer.json["changes"]] == [("A", "listed")]


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        ((None, {"name": "", "value": "1"}), "1.name"),
        ((None, {"name": "A", "value": "1"}), "1.name"),
        ((None, {"name": "x" * 257}), "1.name"),
        (("B", {"name": "A"}), "1.name"),
        (("GONE", {"value": "1"}), "1.name"),
        (("GONE", None), "1.name"),
        (("B", {"description": "x" * 4097}), "1.description"),
        (("B", {"value": 5}), "1.value"),
        (("B", {"type": "any"}), "1.type"),
        (("B", {"enabled": "yes"}), "1.enabled"),
        (("B", {"unknown": "1"}), "1.unknown"),
        ((5, {"value": "1"}), "1.name"),
        (("B", "x"), "1.name"),
    ],
)
def test_an_edit_that_cannot_be_is_told_by_its_position_and_field(
    ada: Visitor, place: str, edit: Any, path: str
) -> None:
    answer = save(ada, place, ("A", {"value": "1.5"}), edit)
    assert (answer.status_code, answer.json["path"]) == (422, path)
    assert ada.stored(place) == {"A": "1", "B": "{{A}}"}


@pytest.mark.parametrize(
    "body", [[], "x", {}, {"etag": 1, "edits": []}, {"etag": "", "edits": {}}, {"etag": "", "edits": [1]}]
)
def test_what_is_no_save_is_refused(ada: Visitor, place: str, body: Any) -> None:
    assert ada.ask(f"{place}/save", body).status_code == 422


def test_a_stale_or_made_up_etag_saves_nothing(ada: Visitor, place: str) -> None:
    for etag in ("0" * 32, "*x", ""):
        edits = [{"name": "A", "attributes": {"value": "2"}}]
        assert ada.ask(f"{place}/save", {"etag": etag, "revision": 1, "edits": edits}).status_code == 409, etag
    assert ada.stored(place)["A"] == "1"


def test_each_value_that_is_asked_for_is_in_the_audit(vault: Vault, ada: Visitor) -> None:
    place = ada.make("prod", A="1", B="2")
    before = len(events(vault, place))
    ada.get(place)
    assert ada.ask(f"{place}/values", {"name": "A"}).json["values"] == {"A": "1"}  # type: ignore[index]  # it answers JSON
    assert ada.ask(f"{place}/values", {}).json["values"] == {"A": "1", "B": "2"}  # type: ignore[index]  # it answers JSON
    ada.ask(f"{place}/references", {})
    found = sorted((event.action, bool(event.names)) for event in events(vault, place)[: -before or None])
    assert found == [
        ("values.read", False),
        ("variables.list", False),
        ("variables.read", False),
        ("variables.read", True),
    ]


def test_a_value_that_is_not_there_is_not_found(ada: Visitor, place: str) -> None:
    assert ada.ask(f"{place}/values", {"name": "NO"}).status_code == 404


def test_references_are_resolved_for_those_that_have_some(ada: Visitor) -> None:
    place = ada.make("prod", A="canary-3", B="b {{A}}", C="{{NO}}")
    answer = ada.ask(f"{place}/references", {}).json
    assert answer
    assert answer["resolved"] == {"B": "b canary-3", "C": "{{NO}}"}
    assert answer["warnings"] == [{"name": "C", "text": "In C: the reference {{NO}} is unknown."}]
    shown = words(ada.post(f"{place}/references"))
    assert "b canary-3" in shown
    assert "the reference {{NO}} is unknown" in shown


def test_a_block_of_lines_is_read_by_the_servers_own_reader(ada: Visitor) -> None:
    answer = ada.ask("/lines", {"text": "export A='1'\nB=\"x\\ny\"\nA=2\n"}).json
    assert answer
    assert answer["rows"] == [{"name": "A", "value": "2"}, {"name": "B", "value": "x\ny"}]
    assert answer["warnings"] == ["A is on line 1 and again on line 3. The last one is used."]
    assert ada.ask("/lines", {"text": "A='canary-4\n"}).status_code == 422
    assert "canary-4" not in ada.ask("/lines", {"text": "A='canary-4\n"}).text
    assert ada.ask("/lines", {"text": 5}).status_code == 422


def test_a_rollback_is_undone_by_another(ada: Visitor, place: str) -> None:
    save(ada, place, ("A", {"value": "2"}))
    page = ada.get(f"{place}?said=saved")
    answer = ada.post(f"{place}/rollback", {"revision": "1", "etag": etag_of(page)})
    assert answer.headers["Location"] == f"{place}?said=rolled-back"
    assert ada.stored(place)["A"] == "1"
    page = ada.get(answer.headers["Location"])
    assert 'name="revision" value="2"' in page.text
    ada.post(f"{place}/rollback", {"revision": "2", "etag": etag_of(page)})
    assert ada.stored(place)["A"] == "2"


def test_the_first_save_is_undone_to_nothing(ada: Visitor) -> None:
    place = ada.make("prod", A="1")
    page = ada.get(f"{place}?said=saved")
    ada.post(f"{place}/rollback", {"revision": "0", "etag": etag_of(page)})
    assert ada.stored(place) == {}


def test_an_undo_does_not_undo_what_somebody_saved_later(ada: Visitor, place: str) -> None:
    save(ada, place, ("A", {"value": "2"}))
    page = ada.get(f"{place}?said=saved")
    save(ada, place, ("A", {"value": "theirs"}))
    assert ada.post(f"{place}/rollback", {"revision": "1", "etag": etag_of(page)}).status_code == 409
    assert ada.stored(place)["A"] == "theirs"


@pytest.mark.parametrize("number", ["", "x", "-1", "99", str(2**63), "9" * 40])
def test_a_rollback_to_what_never_was_says_so(ada: Visitor, place: str, number: str) -> None:
    assert ada.post(f"{place}/rollback", {"revision": number}).status_code in (404, 422)


def test_an_environment_that_wants_an_etag_gets_one_from_every_page(ada: Visitor) -> None:
    place = ada.make("prod", A="1")
    ada.post(f"{place}/settings", {"name": "prod", "max_versions": "10", "cas_required": "on"})
    assert save(ada, place, ("A", {"value": "2"})).status_code == 200
    page = ada.get(f"{place}?edit=A")
    fields = {"was": "A", "name": "A", "value": "3", "enabled": "on", "etag": etag_of(page)}
    assert ada.post(f"{place}/variable", fields).status_code == 303
    assert ada.post(f"{place}/rollback", {"revision": "1"}).status_code == 303
    assert ada.stored(place) == {"A": "1"}


def test_another_persons_environment_is_not_found_at_any_address(ada: Visitor, bob: Visitor) -> None:
    place = ada.make("prod", A="canary-5")
    bob.make("own")
    for path in ("", "?edit=A", "/settings", "/history", "/diff?from=0&to=1", "/import", "/export"):
        assert bob.get(place + path).status_code == 404, path
    edits = [{"name": "A", "attributes": None}]
    for path, body in (("/save", {"etag": "", "edits": edits}), ("/values", {}), ("/references", {}), ("/news", {})):
        assert bob.ask(place + path, body).status_code == 404, path
    forms: dict[str, dict[str, str]] = {
        "/variable": {"name": "A", "value": "1"},
        "/delete-variables": {"pick": "A"},
        "/rollback": {"revision": "1"},
        "/settings": {"name": "taken", "max_versions": "1"},
        "/copy": {"copy": "mine"},
        "/delete": {},
        "/undelete": {},
        "/diff": {"from": "0", "to": "1"},
        "/import": {"text": "A=1", "apply": "yes"},
        "/export": {"format": "dotenv"},
    }
    for path, fields in forms.items():
        answer = bob.post(place + path, fields)
        assert (answer.status_code, "canary-5" in answer.text) == (404, False), path
    sealed = {"environment": place.rpartition("/")[2], "format": "dotenv", "passphrase": "x", "again": "x"}
    assert bob.post("/export/passphrase", sealed).status_code == 404
    assert ada.stored(place) == {"A": "canary-5"}


def test_no_text_of_a_person_becomes_markup(ada: Visitor) -> None:
    place = ada.make(HOSTILE, **{HOSTILE: HOSTILE})
    save(ada, place, (HOSTILE, {"description": HOSTILE}))
    ada.post(f"{place}/settings", {"name": HOSTILE, "description": HOSTILE, "max_versions": "5"})
    paths = ("", "?q=" + "%3Cscript%3Ealert", "/settings", "/history", "/diff?from=0&to=2", "/import", "/export")
    answers = [ada.get(place + path) for path in paths]
    answers.append(ada.client.get(place, query_string={"edit": HOSTILE}, base_url=ORIGIN))
    answers.append(ada.post(f"{place}/variable", {"name": HOSTILE, "show": "from table"}))
    answers.append(ada.post(f"{place}/diff", {"from": "0", "to": "2"}))
    answers.append(ada.post(f"{place}/references"))
    answers.append(ada.post(f"{place}/import", {"text": f"'{HOSTILE}'=1\nA=2\n"}))
    answers.append(ada.post(f"{place}/import", {"text": f"{HOSTILE} '"}))
    for answer in answers:
        assert answer.status_code in (200, 422)
        assert "<script>alert" not in answer.text
        assert "xyxyxy" not in answer.text


def test_an_ordinary_page_is_light(ada: Visitor) -> None:
    place = ada.make("prod", **{f"SERVICE_{number}_URL": f"https://{number}.example" for number in range(30)})
    page = ada.get(place)
    loaded = [part.partition('"')[0] for part in page.text.split('"/static/')[1:]]
    gzip = {"Accept-Encoding": "gzip"}
    answers = [ada.client.get(f"/static/{name}", base_url=ORIGIN, headers=gzip) for name in set(loaded)]
    assert len(answers) == 11
    sizes = [answer.content_length or 0 for answer in answers]
    assert len(page.data) + sum(sizes) <= 60_000


EXACT = re.compile(r'(?:value|data-text)="[^"]*"|<textarea.*?</textarea>', re.DOTALL)


@pytest.mark.parametrize("name", ["API\u200bKEY", "A\u202eB", "A\u3164"])
def test_every_page_shows_invisible_characters_and_forms_keep_them(
    ada: Visitor, place: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("vault.services.environments.editing.check_visible", lambda name, **_: name)
        row = {"name": name, "value": f"{{{{A}}}}{name}", "description": name}
        assert save(ada, place, (None, row)).status_code == 200
    table = ada.get(place)
    revision = table.text.partition('data-revision="')[2].partition('"')[0]
    etag = {"etag": etag_of(table)}
    pages = [
        table,
        ada.get(f"{place}?edit={quote(name)}"),
        ada.post(f"{place}/references"),
        ada.post(f"{place}/diff", {"from": "1", "to": revision}),
        ada.post(f"{place}/import", {"text": "A=1", "mode": "replace"}),
        ada.post(f"{place}/export", {"format": "shell"}),
        ada.post(f"{place}/variable", etag | {"name": name, "show": "from table"}),
    ]
    for page in pages:
        assert page.status_code == 200
        assert visible(name) in page.text
        assert name not in EXACT.sub("", page.text)
    assert f'name="was" value="{name}"' in pages[-1].text
    assert f'data-text="{name}"' in table.text
    # What the form of the page has is what it sends back.
    form = etag | {"was": name, "name": name, "value": "", "description": name, "enabled": "on"}
    assert ada.post(f"{place}/variable", form).headers["Location"] == f"{place}?said=saved"
    assert ada.stored(place)[name] == f"{{{{A}}}}{name}"


@pytest.mark.parametrize("name", ["1BAD", "my-key", "bad name"])
def test_a_new_name_that_shells_do_not_take_is_told(ada: Visitor, place: str, name: str) -> None:
    (told,) = save(ada, place, (None, {"name": name, "value": "1"})).json["warnings"]
    assert told.startswith(f"{name} is a name that shells")
    assert save(ada, place, (name, {"value": "2"})).json["warnings"] == []
    new = {"name": f"{name}2", "value": "1", "enabled": "on", "etag": etag_of(ada.get(place))}
    answer = ada.post(f"{place}/variable", new)
    assert answer.headers["Location"] == f"{place}?said=saved-odd"
    page = ada.get(answer.headers["Location"])
    assert "Shells and some exports leave out the new name." in words(page)
    assert "Undo" in words(page)
    plan = ada.post(f"{place}/import", {"text": json.dumps({f"{name}3": "1"}), "format": "json"})
    assert f"{name}3 is a name that shells" in words(plan)
