"""The list of environments."""

from __future__ import annotations

import re

import pytest

from tests.api.conftest import Vault
from tests.web.conftest import Visitor, words

HOSTILE = '"><script>alert(1)</script>{{"xy"*3}}'


def test_a_new_environment_is_in_the_list(ada: Visitor) -> None:
    assert "There is no environment yet." in words(ada.get("/environments"))
    answer = ada.post("/environments", {"name": "prod", "description": "the real one"})
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("?said=created")
    shown = words(ada.get("/environments"))
    assert "prod" in shown
    assert "the real one" in shown


@pytest.mark.parametrize(("name", "status"), [("prod", 409), ("", 422), ("a//b", 422), ("x" * 257, 422)])
def test_a_name_that_cannot_be_is_told_beside_the_field_and_kept(ada: Visitor, name: str, status: int) -> None:
    ada.post("/environments", {"name": "prod"})
    answer = ada.post("/environments", {"name": name, "description": "kept"})
    assert answer.status_code == status
    assert 'aria-invalid="true"' in answer.text
    assert 'value="kept"' in answer.text


def test_the_search_finds_by_a_part_of_the_name(ada: Visitor) -> None:
    for name in ("shop/prod", "shop/dev", "blog"):
        ada.post("/environments", {"name": name})
    shown = words(ada.get("/environments?q=SHOP"))
    assert "shop/prod" in shown
    assert "shop/dev" in shown
    assert "blog" not in shown


def test_nobody_sees_another_persons_environments(ada: Visitor, bob: Visitor) -> None:
    ada.post("/environments", {"name": "prod"})
    assert "There is no environment yet." in words(bob.get("/environments"))


def test_no_text_of_a_person_becomes_markup(ada: Visitor) -> None:
    ada.post("/environments", {"name": HOSTILE, "description": HOSTILE})
    answer = ada.get("/environments", User_Agent=HOSTILE)
    assert "<script>alert" not in answer.text
    assert "xyxyxy" not in answer.text
    assert HOSTILE in words(answer)
    searched = ada.client.get("/environments", query_string={"q": HOSTILE}, base_url="https://localhost:8443")
    assert "<script>alert" not in searched.text


def test_no_page_shows_what_python_prints_of_an_object(vault: Vault, ada: Visitor) -> None:
    place = ada.post("/environments", {"name": "prod"}).headers["Location"].partition("?")[0]
    rules = [rule for rule in vault.app.url_map.iter_rules() if rule.endpoint.startswith("web_")]
    pages = {rule.rule.replace("/environments/<env>", place) for rule in rules if "GET" in (rule.methods or ())}
    shown = {page: ada.get(page) for page in pages if "<" not in page}
    bad = re.compile(r" at 0x[0-9a-f]+|built-in|None\b")
    assert [page for page, answer in shown.items() if bad.search(answer.text)] == []
    assert sum(answer.status_code == 200 for answer in shown.values()) > 12


@pytest.mark.parametrize("name", ["pr\u043ed", "\u0391PI", "\uff21PI"])
def test_a_name_with_letters_that_look_alike_is_told(ada: Visitor, name: str) -> None:
    place = ada.make("prod")
    answers = [
        ada.post("/environments", {"name": name}),
        ada.post(f"{place}/copy", {"copy": f"{name}-2"}),
        ada.post(f"{place}/settings", {"name": f"{name}-3", "description": "", "max_versions": "10"}),
    ]
    for answer in answers:
        assert answer.status_code == 303, answer.text
        assert "letters of different scripts, which can look alike" in words(ada.get(answer.headers["Location"]))
    plain = ada.post("/environments", {"name": "\u043f\u0440\u043e\u0434"})
    assert plain.headers["Location"].endswith("?said=created")
