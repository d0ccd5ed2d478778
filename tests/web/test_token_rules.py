"""A token's rules are the same on all three faces: the same wish is refused on all, or makes a token on all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import kv_of
from tests.support.vaults import log_in
from tests.web.conftest import Visitor, newcomer
from tests.web.test_tokens import filled
from vault.services.tokens.request import TTL_MOST_SECONDS, USES_MOST, TokenRequest

GRANTS = [{"path": "*", "permissions": ["read"]}]
BEYOND = 2**40

REFUSED: list[dict[str, Any]] = [
    {"name": "a\u2028b"},
    {"name": "a\u2029b"},
    {"name": "a\u200bb"},
    {"name": "a\u202eb"},
    {"name": "\ufeffa"},
    {"name": "a\x00b"},
    {"name": "a\nb"},
    {"name": "a\x85b"},
    {"name": " \t "},
    {"name": "\u3000"},
    {"name": "a" * 257},
    {"ttl_seconds": TTL_MOST_SECONDS + 1},
    {"ttl_seconds": BEYOND},
    {"max_ttl_seconds": TTL_MOST_SECONDS + 1},
    {"uses": USES_MOST + 1},
    {"uses": -1},
    {"uses": BEYOND},
    {"metadata": {"": "a"}},
    {"metadata": {"a" * 129: "a"}},
    {"metadata": {"a": "a" * 513}},
    {"metadata": {str(number): "" for number in range(65)}},
    {"networks": ["10.0.0.1/8"]},
    {"networks": ["fe80::1%" + "a" * 80]},
    {"networks": ["10.0.0.0/8"] * 65},
    {"networks": ["nowhere"]},
]
ACCEPTED: list[dict[str, Any]] = [
    {"name": "a" * 256},
    {"name": "a\u00a0b"},
    {"name": "\u30d0\u30c3\u30af\u3000\u30a8\u30f3\u30c9"},
    {"name": "caf\u00e9 \U0001f680"},
    {"ttl_seconds": TTL_MOST_SECONDS},
    {"max_ttl_seconds": TTL_MOST_SECONDS},
    {"uses": USES_MOST},
    {"metadata": {"a" * 128: "a" * 512}},
    {"networks": ["10.0.0.0/8", "2001:db8::/32"]},
]
KV_NAMES = {
    "name": "display_name", "ttl_seconds": "ttl", "max_ttl_seconds": "explicit_max_ttl", "uses": "num_uses",
    "metadata": "meta",
}  # fmt: skip
ON_THE_FORM = ("name", "uses", "networks")
"""The form offers lives from a list, and no metadata."""


@pytest.fixture
def person(vault: Vault, ada: Visitor) -> Caller:
    """The same person as the visitor, on the other faces."""
    session = log_in(vault.services, ada.username, address="127.0.0.1")
    return Caller(vault.app, session.secret)


def answers(ada: Visitor, person: Caller, wish: dict[str, Any]) -> list[bool]:
    """Whether each face that can say the wish has made a token."""
    [(field, value)] = wish.items()
    made = [person("POST", "/tokens", {"name": "service", "grants": GRANTS, **wish}).status == 201]
    if field != "networks":
        body = {"policies": ["path:*:read"], KV_NAMES[field]: value}
        made.append(kv_of(person)("POST", "auth/token/create", body).status == 200)
    if field in ON_THE_FORM:
        text = " ".join(value) if field == "networks" else str(value)
        made.append(ada.post("/tokens", filled(ada, **{field: text})).status_code == 201)
    return made


@pytest.mark.parametrize("wish", REFUSED, ids=lambda wish: ascii(wish)[:60])
def test_no_face_makes_a_token_that_cannot_be(ada: Visitor, person: Caller, wish: dict[str, Any]) -> None:
    assert not any(answers(ada, person, wish))
    assert person.ok("GET", "/tokens")["items"] == []


@pytest.mark.parametrize("wish", ACCEPTED, ids=lambda wish: ascii(wish)[:60])
def test_every_face_makes_a_token_that_can_be(ada: Visitor, person: Caller, wish: dict[str, Any]) -> None:
    made = answers(ada, person, wish)
    assert all(made)
    assert len(person.ok("GET", "/tokens")["items"]) == len(made)


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        ({"display_name": "a\u2028b"}, "display_name: "),
        ({"ttl": "99999999h"}, "ttl: "),
        ({"num_uses": -3}, "num_uses: "),
    ],
)
def test_vaults_clients_are_told_their_own_name_of_the_field(person: Caller, wish: dict[str, Any], place: str) -> None:
    answer = kv_of(person)("POST", "auth/token/create", {"policies": ["path:*:read"], **wish})
    assert answer.json["errors"][0].startswith(place)


@pytest.mark.parametrize("name", ["a\u2028b", "a\u200bb", "\u202eb"])
def test_a_token_that_an_older_release_named_works_and_logs_in(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    visitor = newcomer(vault, "eve")
    owner = log_in(vault.services, visitor.username, address="127.0.0.1")
    person = Caller(vault.app, owner.secret)
    with monkeypatch.context() as older:
        older.setattr(TokenRequest, "check", lambda _: None)
        made = person.ok("POST", "/tokens", {"name": name, "grants": GRANTS})
    token = Caller(vault.app, made["secret"])
    assert token.ok("GET", f"/tokens/{made['id']}")["name"] == name
    role = {"role_id": made["secret"][6:18], "secret_id": made["secret"][18:61]}
    answer = kv_of(person)("POST", "auth/approle/login", role)
    assert answer.status == 200
