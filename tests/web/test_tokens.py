"""The pages of service tokens, and forms that happen once."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from tests.api.conftest import Vault
from tests.support.vaults import PASSWORD
from tests.web.conftest import ORIGIN, Visitor, newcomer, words

_SECRET = re.compile(r"srm_t_[0-9A-Za-z]{61}")
_ONCE = re.compile(r'name="once" value="([^"]+)"')
HOSTILE = '"><script>alert(1)</script>{{"xy"*3}}'


def filled(visitor: Visitor, **fields: object) -> dict[str, object]:
    """The form of a new token as a person would send it."""
    found = _ONCE.search(visitor.get("/tokens/new").text)
    assert found
    usual = {"name": "backend", "on-0": "path", "where-0": "*", "may-0": ["list", "read"], "ttl": "3600"}
    return {"once": found[1], "do": "create", **usual, **fields}


def made(visitor: Visitor, **fields: object) -> str:
    """The id of a new token."""
    answer = visitor.post("/tokens", filled(visitor, **fields))
    assert answer.status_code == 201, words(answer)
    found = _SECRET.search(answer.text)
    assert found
    return found[0][6:18]


def test_the_secret_is_on_the_answer_alone_and_in_no_address(ada: Visitor) -> None:
    answer = ada.post("/tokens", filled(ada))
    assert (answer.status_code, len(_SECRET.findall(answer.text))) == (201, 1)
    assert "Location" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert not _SECRET.search(ada.get("/tokens").text)


def test_a_form_that_is_sent_again_makes_nothing_and_tells_no_secret(ada: Visitor) -> None:
    fields = filled(ada)
    first = ada.post("/tokens", fields)
    again = ada.post("/tokens", fields)
    found = _SECRET.search(first.text)
    assert found
    assert again.headers["Location"] == f"/tokens/{found[0][6:18]}?said=token-made-before"
    assert ada.get("/tokens").text.count("<tr") == 2


def test_a_form_that_comes_again_with_something_else_is_refused(ada: Visitor) -> None:
    fields = filled(ada)
    ada.post("/tokens", fields)
    answer = ada.post("/tokens", fields | {"name": "another"})
    assert answer.status_code == 409
    assert ada.get("/tokens").text.count("<tr") == 2


def test_a_form_without_its_name_is_refused(ada: Visitor) -> None:
    assert ada.post("/tokens", filled(ada, once="")).status_code == 422


def test_the_name_of_anothers_form_gives_nothing_away(vault: Vault, ada: Visitor) -> None:
    fields = filled(ada)
    ada.post("/tokens", fields)
    bob = newcomer(vault, "bob")
    answer = bob.post("/tokens", fields)
    assert answer.status_code == 201
    assert bob.get("/tokens").text.count("<tr") == 2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "  "}, "A name has 1 to 256 characters, and not only spaces."),
        ({"name": "a\nb"}, "A name has no line breaks, no control characters and no invisible ones."),
        ({"on-0": "environment", "where-0": "nowhere"}, "There is no environment with this name."),
        ({"on-0": "environment", "where-0": "x" * 2000}, "A name has 1 to 256 characters."),
        ({"on-0": "everything"}, "Choose what the token may reach."),
        ({"where-0": "a//b"}, "an empty"),
        ({"may-0": []}, "Choose at least one permission."),
        ({"may-0": ["own"]}, "Choose from these permissions."),
        ({"ttl": "999999999"}, "Choose one of these."),
        ({"networks": "10.0.0.0/8 nowhere"}, "nowhere is not a network. Write one as 10.0.0.0/8."),
        ({"networks": " ".join(["10.0.0.0/8"] * 65)}, "A token can have at most 64 networks."),
        ({"uses": "0"}, "A token's uses must be 1 to 1,000,000,000, or unlimited."),
        ({"uses": "²"}, "Write a number, or leave this empty."),
        ({"uses": "9" * 5000}, "Write a number, or leave this empty."),
    ],
)
def test_what_cannot_be_is_told_and_makes_nothing(ada: Visitor, fields: dict[str, object], sentence: str) -> None:
    answer = ada.post("/tokens", filled(ada, **fields))
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert "There is no token here." in words(ada.get("/tokens"))


def test_one_more_grant_keeps_what_was_filled_in(ada: Visitor) -> None:
    answer = ada.post("/tokens", filled(ada, do="row", name="kept", uses="7"))
    assert answer.status_code == 200
    assert 'name="on-1"' in answer.text
    assert 'value="kept"' in answer.text
    assert 'value="7"' in answer.text


def test_a_grant_names_what_it_reaches(ada: Visitor) -> None:
    ada.post("/environments", {"name": "prod"})
    more = {"on-1": "globals", "may-1": "read", "on-2": "path", "where-2": "team/a", "may-2": ["list", "delegate"]}
    made(ada, **{"on-0": "environment", "where-0": "prod", **more})
    shown = words(ada.get("/tokens"))
    assert "prod list read" in shown
    assert "globals read" in shown
    assert "team/a and all below delegate list" in shown


def test_nobody_sees_rotates_or_revokes_anothers_token(ada: Visitor, bob: Visitor) -> None:
    token = made(ada)
    assert bob.get(f"/tokens/{token}").status_code == 404
    for verb in ("rotate", "revoke"):
        assert bob.post(f"/tokens/{token}/{verb}", {"once": "x", "overlap": "0"}).status_code == 404
    assert ada.get(f"/tokens/{token}").status_code == 200


def test_a_new_secret_is_told_once_and_a_revoked_token_is_gone(ada: Visitor) -> None:
    token = made(ada)
    found = _ONCE.search(ada.get(f"/tokens/{token}").text)
    assert found
    fields = {"once": found[1], "overlap": "0"}
    first, again = ada.post(f"/tokens/{token}/rotate", fields), ada.post(f"/tokens/{token}/rotate", fields)
    assert (first.status_code, bool(_SECRET.search(first.text))) == (201, True)
    assert again.headers["Location"] == f"/tokens/{token}?said=token-rotated-before"
    assert ada.post(f"/tokens/{token}/revoke").status_code == 303
    assert ada.get(f"/tokens/{token}").status_code == 404


def test_no_text_of_a_person_becomes_markup(ada: Visitor) -> None:
    ada.post("/environments", {"name": HOSTILE})
    answer = ada.post("/tokens", filled(ada, **{"name": HOSTILE, "on-0": "environment", "where-0": HOSTILE}))
    assert answer.status_code == 201
    for page in (answer, ada.get("/tokens"), ada.get("/tokens/new")):
        assert "<script>alert" not in page.text
        assert "xyxyxy" not in page.text


def test_long_lists_come_in_pages(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.web.pages.tokens._PAGE", 2)
    for name in ("one", "two", "three"):
        made(ada, name=name)
    first = ada.get("/tokens")
    assert "one" in words(first)
    assert "three" not in words(first)
    following = re.search(r'href="(/tokens\?after=[^"]+)"', first.text)
    assert following
    assert "three" in words(ada.get(following[1]))
    assert ada.client.get("/tokens?after=nonsense", base_url=ORIGIN).status_code == 422


@pytest.mark.parametrize(
    "uses", ["٣", "1_0", "0" * 12 + "1" * 5000, "000000000001" + "9" * 5000, "1" * 12, "+1", "1e1"]
)
def test_a_number_of_uses_is_a_few_ascii_digits(ada: Visitor, uses: str) -> None:
    answer = ada.post("/tokens", filled(ada, uses=uses))
    assert answer.status_code == 422
    sentence = "A token's uses must be 1 to 1,000,000,000" if uses == "1" * 12 else "Write a number"
    assert sentence in words(answer)


def test_a_grave_token_waits_for_a_proof_and_its_form_is_kept(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
    fields: dict[str, object] = {
        "name": "shop & co",
        "on-0": "path",
        "where-0": "*",
        "may-0": ["read", "list"],
        "ttl": "",
        "uses": "7",
    }
    fields |= {"once": "first"}
    ada.get("/tokens/new")
    answer = ada.post("/tokens", fields)
    wanted = answer.headers["Location"].removeprefix("/prove?next=")
    assert answer.status_code == 303
    monkeypatch.undo()
    ada.get(answer.headers["Location"])
    proven = ada.post("/prove", {"password": PASSWORD, "next": unquote(wanted)})
    page = ada.get(proven.headers["Location"])
    for part in ('value="shop &amp; co"', 'value="*"', 'value="7"', '<option value="" selected>never'):
        assert part in page.text, part
    assert page.text.count(" checked") == 2
    assert ada.post("/tokens", fields | {"once": "second"}).status_code == 201
