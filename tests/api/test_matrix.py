"""Every route, from the URL map, against everybody who may not: a new route without a case here fails.

`CASES` says how each route is called in ada's world; bob then makes the same calls with ada's ids.
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

from tests.api.conftest import Answer, Caller, Vault
from tests.support.vaults import PASSWORD, log_in
from vault.app import takes_password
from vault.crypto import TokenKind, mint
from vault.http.marks import is_password_view

PUBLIC = {
    ("POST", "/api/v1/sessions"),
    ("POST", "/api/v1/sessions/challenges"),
    ("POST", "/api/v1/sessions/challenges/<id:challenge_id>"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/reference"),
    ("GET", "/readyz"),
    ("GET", "/.well-known/security.txt"),
}
"""All that may be asked without a credential (and `/livez`, which the front door answers)."""

PERMISSIONS = ["create", "delegate", "delete", "history", "list", "read", "update"]


ADVICE = 'See "Route of the API" in docs/contributing/to-add.md.'
OPERATORS = "/api/v1/operator/"
ELSEWHERE = ("/v1/", "/v1", OPERATORS)
"""The Vault face has a walk of its own in `tests/kv/test_system.py`; operators' routes are walked below."""


class Case(NamedTuple):
    """How a route is called. `{name}` in path and body stand for what is in the world."""

    path: str
    body: Any = None
    if_match: str = ""
    person_only: bool = False


GRANT = {"environment_id": "{env}", "permissions": ["read"]}
VARIABLES = [{"name": "B", "value": "2"}]

ENVIRONMENT_CASES = {
    ("GET", "/variables"): Case("/variables"),
    ("PUT", "/variables"): Case("/variables", {"variables": VARIABLES}, "*"),
    ("PATCH", "/variables"): Case("/variables", {"variables": {"A": "2"}}),
    ("GET", "/variables/<name>"): Case("/variables/A"),
    ("PUT", "/variables/<name>"): Case("/variables/A", {"value": "2"}),
    ("DELETE", "/variables/<name>"): Case("/variables/A"),
    ("GET", "/values"): Case("/values"),
    ("GET", "/export"): Case("/export?format=json"),
    ("GET", "/revisions"): Case("/revisions"),
    ("GET", "/revisions/<number>"): Case("/revisions/1"),
    ("GET", "/revisions/<number>/diff"): Case("/revisions/1/diff"),
    ("POST", "/rollback"): Case("/rollback", {"revision": 1}),
    ("GET", ""): Case(""),
    ("PATCH", ""): Case("", {"description": "new"}),
}

CASES: dict[tuple[str, str], Case] = {
    **{(method, f"/environments/<env>{rule}"): case._replace(path="/environments/{env}" + case.path)
       for (method, rule), case in ENVIRONMENT_CASES.items()},
    **{(method, f"/globals{rule}"): case._replace(path="/globals" + case.path)
       for (method, rule), case in ENVIRONMENT_CASES.items()},
    ("GET", "/environments"): Case("/environments?name={name}"),
    ("POST", "/environments"): Case("/environments", {"name": "{new}"}),
    ("DELETE", "/environments/<env>"): Case("/environments/{env}"),
    ("POST", "/environments/<env>/undelete"): Case("/environments/{deleted}/undelete", {}),
    ("POST", "/environments/<env>/copy"): Case("/environments/{env}/copy", {"name": "{new}"}),
    ("GET", "/tokens"): Case("/tokens"),
    ("POST", "/tokens"): Case("/tokens", {"name": "t", "grants": [GRANT]}),
    ("GET", "/tokens/<token_id>"): Case("/tokens/{token}"),
    ("POST", "/tokens/<token_id>/rotate"): Case("/tokens/{token}/rotate", {}),
    ("DELETE", "/tokens/<token_id>"): Case("/tokens/{token}"),
    ("POST", "/import"): Case("/import", {"environment": "{env}", "format": "dotenv", "text": "Z=1"}),
    ("GET", "/sessions"): Case("/sessions", person_only=True),
    ("DELETE", "/sessions/<session_id>"): Case("/sessions/{session}", person_only=True),
    ("GET", "/audit"): Case("/audit", person_only=True),
    ("GET", "/me"): Case("/me", person_only=True),
    ("PUT", "/me/password"): Case(
        "/me/password", {"current_password": PASSWORD, "new_password": PASSWORD + "!"}, person_only=True
    ),
    ("POST", "/sessions/step-up"): Case("/sessions/step-up", {"password": PASSWORD + "!"}, person_only=True),
    ("DELETE", "/sessions"): Case("/sessions", person_only=True),
    ("DELETE", "/me"): Case("/me", {"password": PASSWORD + "!"}, person_only=True),
}  # fmt: skip

# Whoever calls these with success changes how they log in: `test_factors.py` does, and tries them as somebody else.
FACTOR_CASES: dict[tuple[str, str], Case] = {
    ("GET", "/me/factors"): Case("/me/factors", person_only=True),
    ("POST", "/me/factors/totp"): Case("/me/factors/totp", person_only=True),
    ("POST", "/me/factors/totp/<enrolment_id>"): Case("/me/factors/totp/{id}", {"code": "123456"}, person_only=True),
    ("POST", "/me/factors/passkeys"): Case("/me/factors/passkeys", person_only=True),
    ("POST", "/me/factors/passkeys/<enrolment_id>"): Case(
        "/me/factors/passkeys/{id}", {"passkey": {"id": "x"}}, person_only=True
    ),
    ("DELETE", "/me/factors/<factor_id>"): Case("/me/factors/{id}", person_only=True),
    ("POST", "/me/factors/recovery-codes"): Case("/me/factors/recovery-codes", person_only=True),
    ("POST", "/sessions/step-up/challenges"): Case("/sessions/step-up/challenges", person_only=True),
    ("POST", "/sessions/step-up/challenges/<challenge_id>"): Case(
        "/sessions/step-up/challenges/{id}", {"code": "123456"}, person_only=True
    ),
}

ALL_CASES = CASES | FACTOR_CASES


@dataclass(frozen=True)
class World:
    """What one person has."""

    env: str
    name: str
    deleted: str
    token: str
    session: str
    new: str = "new"
    id: str = "0b8c6c38-6bd0-4a4e-9d7e-0d4f6f3d8c11"
    """Of a factor or a challenge: one that never was."""

    def fill(self, item: Any) -> Any:
        """`item` with the names in braces filled in."""
        if isinstance(item, str):
            for name in ("env", "name", "deleted", "token", "session", "new", "id"):
                item = item.replace("{" + name + "}", getattr(self, name))
            return item
        if isinstance(item, dict):
            return {key: self.fill(inner) for key, inner in item.items()}
        return [self.fill(inner) for inner in item] if isinstance(item, list) else item


def make_world(vault: Vault, person: Caller) -> World:
    name = f"world-{secrets.token_hex(4)}"
    person.ok("PATCH", "/globals/variables", {"variables": {"A": "secret-of-ada"}})
    deleted = person.make(name + "-deleted", A="1")["id"]
    person.ok("DELETE", f"/environments/{deleted}")
    return World(
        person.make(name, A="secret-of-ada")["id"],
        name,
        deleted,
        person.token({"path": name, "permissions": PERMISSIONS}).id,
        log_in(vault.services, person.username).session.id,
        f"{name}-new",
    )


def never() -> World:
    """Ids and names that never were."""
    ids = [str(uuid.uuid4()) for _ in range(2)]
    tokens = [mint(kind).id for kind in (TokenKind.SERVICE, TokenKind.SESSION)]
    return World(ids[0], "never-was", ids[1], tokens[0], tokens[1], f"new-{secrets.token_hex(4)}")


def call(who: Caller, method: str, case: Case, world: World) -> Answer:
    headers: dict[str, Any] = {"If_Match": case.if_match} if case.if_match else {}
    body = None if case.body is None else world.fill(case.body)
    return who(method, world.fill(case.path), body, **headers)


def routes(vault: Vault) -> set[tuple[str, str]]:
    """All but the pages, which `tests/web/test_guard.py` walks."""
    return {
        (method, rule.rule)
        for rule in vault.app.url_map.iter_rules()
        if not rule.endpoint.startswith("web_") and rule.endpoint != "asset"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def bare(rule: str) -> str:
    """The rule without its converters."""
    return re.sub(r"<[^>]*?(\w+)>", r"<\1>", rule.removeprefix("/api/v1"))


def meaning(answer: Answer) -> tuple[int, Any]:
    """What an answer tells, which is everything but the request's id."""
    told = answer.json if answer.body else None
    return answer.status, {key: told[key] for key in told if key != "request_id"} if isinstance(told, dict) else told


def everything(person: Caller) -> Any:
    """All that `person` has, as far as the API tells."""
    environments = person.ok("GET", "/environments")["items"]
    within = [person.ok("GET", f"/environments/{item['id']}/variables") for item in environments]
    rest = ["/environments?deleted=true", "/globals", "/globals/variables", "/tokens", "/me"]
    sessions = {item["id"] for item in person.ok("GET", "/sessions")["items"]}
    return environments, within, [person.ok("GET", path) for path in rest], sessions


def test_every_route_has_a_case(vault: Vault) -> None:
    found = {(method, rule) for method, rule in routes(vault) if not rule.startswith(ELSEWHERE)}
    assert found >= PUBLIC
    known = {(method, bare(rule)) for method, rule in found - PUBLIC}
    assert not known - set(ALL_CASES), f"Add to `CASES` or `PUBLIC`: {sorted(known - set(ALL_CASES))}. {ADVICE}"
    assert not set(ALL_CASES) - known, f"No route is registered for: {sorted(set(ALL_CASES) - known)}. {ADVICE}"


def test_every_route_of_the_operators_refuses_nobody_and_everybody_else(vault: Vault, ada: Caller) -> None:
    found = [(method, rule) for method, rule in routes(vault) if rule.startswith(OPERATORS)]
    assert found
    token = vault.anyone(ada.token({"path": "*", "permissions": PERMISSIONS}).secret)
    for method, rule in found:
        path = re.sub(r"<[^>]*>", "1", rule.removeprefix("/api/v1"))
        statuses = [who(method, path, {}).status for who in (vault.anyone(), ada, token)]
        assert statuses == [401, 403, 403], (method, rule)


def test_every_case_works_for_its_owner(vault: Vault, ada: Caller) -> None:
    # Without this, a case that is wrong would be refused to everybody and prove nothing.
    refused = []
    for (method, rule), case in CASES.items():
        person = ada
        if case.person_only and rule in ("/sessions", "/me") and method == "DELETE":
            person = vault.person("ada")
            body = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
            person = replace(person, secret=person.ok("PUT", "/me/password", body)["session"]["secret"])
        answer = call(person, method, case, make_world(vault, person))
        if not 200 <= answer.status < 300:
            refused.append((method, rule, answer))
        if rule in ("/sessions/step-up", "/me/password") and not refused:
            ada = replace(ada, secret=(answer.json.get("session") or answer.json)["secret"])
    assert refused == []


def test_without_a_credential_every_route_but_the_public_ones_answers_401(vault: Vault, ada: Caller) -> None:
    world, nobody = make_world(vault, ada), vault.anyone()
    before = everything(ada)
    answers = {(method, rule): call(nobody, method, case, world) for (method, rule), case in ALL_CASES.items()}
    for (_, rule), case in ALL_CASES.items():
        for method in ("HEAD", "OPTIONS", "TRACE", "BREW"):
            answers[method, rule] = call(nobody, method, case, world)
    answers["GET", "unknown"] = nobody("GET", "/no-such-address")
    told = {meaning(answer)[0] for answer in answers.values()}
    assert told == {401}, {route: answer.status for route, answer in answers.items() if answer.status != 401}
    bodies = {str(meaning(answer)) for (method, _), answer in answers.items() if method != "HEAD"}
    assert len(bodies) == 1
    assert all(answer.headers["www-authenticate"] == "Bearer" for answer in answers.values())
    assert everything(ada) == before


def credentials(vault: Vault, ada: Caller) -> dict[str, str]:
    """Authorization fields that are worth nothing."""
    token = ada.token({"path": "*", "permissions": PERMISSIONS}).secret
    revoked = ada.token({"path": "*", "permissions": PERMISSIONS})
    ada.ok("DELETE", f"/tokens/{revoked.id}")
    return {
        "empty": "",
        "a scheme alone": "Bearer",
        "junk": "Bearer junk",
        "another scheme": f"Basic {token}",
        "no scheme": token,
        "never issued": f"Bearer {mint(TokenKind.SERVICE).text}",
        "a session never issued": f"Bearer {mint(TokenKind.SESSION).text}",
        "another secret of a real id": f"Bearer {mint(TokenKind.SERVICE, token[6:18]).text}",
        "another secret of a real session": f"Bearer {mint(TokenKind.SESSION, ada.secret[6:18]).text}",
        "a wrong checksum": f"Bearer {token[:-1]}{'0' if token[-1] != '0' else '1'}",
        "the wrong kind": f"Bearer {token.replace('srm_t_', 'srm_s_')}",
        "cut": f"Bearer {token[:-1]}",
        "longer": f"Bearer {token}0",
        "twice": f"Bearer {token}, Bearer {token}",
        "a browser's session": f"Bearer {log_in(vault.services, ada.username, 'web').secret}",
        "revoked": f"Bearer {revoked.secret}",
        "beyond latin": "Bearer \u00ff\u00fe",
        "very long": "Bearer srm_t_" + "A" * 5000,
    }


def test_a_credential_that_is_worth_nothing_is_no_credential(vault: Vault, ada: Caller) -> None:
    worthless = credentials(vault, ada)
    before = everything(ada)
    expected = meaning(vault.anyone()("GET", "/me"))
    assert expected[0] == 401
    for what, text in worthless.items():
        # All pass through one door, so one route shows it for each; the next test shows each route for one.
        assert meaning(vault.anyone()("GET", "/me", Authorization=text)) == expected, what
    assert everything(ada) == before


def test_a_worthless_credential_opens_no_route(vault: Vault, ada: Caller) -> None:
    world, stranger = make_world(vault, ada), vault.anyone(mint(TokenKind.SERVICE).text)
    before = everything(ada)
    opened = [route for route, case in ALL_CASES.items() if call(stranger, route[0], case, world).status != 401]
    assert opened == []
    assert everything(ada) == before


ROUTES_WITH_IDS = [
    route for route, case in CASES.items() if "{" in case.path.partition("?")[0] or "{env}" in str(case.body)
]


@pytest.mark.parametrize("holder", ["session", "token"])
@pytest.mark.parametrize("by", ["id", "name"])
def test_anothers_ids_are_as_ids_that_never_were(vault: Vault, ada: Caller, bob: Caller, holder: str, by: str) -> None:
    theirs, none = make_world(vault, ada), never()
    if by == "name":
        theirs = World(theirs.name, theirs.name, f"{theirs.name}-deleted", theirs.token, theirs.session, none.new)
        none = World("never-was", "never-was", "never-was", none.token, none.session, none.new)
    who = bob
    if holder == "token":
        who = bob.token({"path": "*", "permissions": PERMISSIONS}, {"globals": True, "permissions": PERMISSIONS})
    before, bobs = everything(ada), everything(bob)
    assert len(ROUTES_WITH_IDS) > 20
    for method, rule in ROUTES_WITH_IDS:
        case = CASES[method, rule]
        if case.person_only and holder == "token":
            continue
        if rule == "/import" and by == "name":
            continue  # It makes an environment of that name for bob, as it should.
        # A grant by name, where the case has it by id.
        case = case if by == "id" else case._replace(body=_by_name(case.body))
        answer, expected = (call(who, method, case, world) for world in (theirs, none))
        assert meaning(answer) == meaning(expected), (method, rule)
        assert answer.status == (422 if rule == "/import" else 404), (method, rule, answer)
    assert (everything(ada), everything(bob)) == (before, bobs)


def _by_name(body: Any) -> Any:
    if isinstance(body, dict) and "grants" in body:
        return {**body, "grants": [{"environment": "{env}", "permissions": ["read"]}]}
    return body


def test_what_has_no_id_tells_nothing_of_anybody_else(vault: Vault, ada: Caller, bob: Caller) -> None:
    world = make_world(vault, ada)
    before = everything(ada)
    secret = (world.env, world.name, world.deleted, world.token, world.session, ada.id, ada.username, "secret-of-ada")
    for (method, rule), case in CASES.items():
        if (method, rule) in ROUTES_WITH_IDS or (method == "DELETE" and rule in ("/me", "/sessions")):
            continue
        answer = call(bob, method, case, never())
        assert not [word for word in secret if word.encode() in answer.body], (method, rule)
    assert everything(ada) == before


def test_a_service_token_makes_no_call_that_is_for_persons(vault: Vault, ada: Caller) -> None:
    world = make_world(vault, ada)
    service = ada.token({"path": "*", "permissions": PERMISSIONS}, {"globals": True, "permissions": PERMISSIONS})
    before = everything(ada)
    person_only = {route: case for route, case in ALL_CASES.items() if case.person_only}
    assert len(person_only) >= 8 + len(FACTOR_CASES)
    for (method, rule), case in person_only.items():
        answer = call(service, method, case, world)
        assert (answer.status, answer.code) == (403, "forbidden"), (method, rule, answer)
    assert everything(ada) == before


def test_a_token_without_grants_on_it_finds_nothing_of_its_owners(vault: Vault, ada: Caller) -> None:
    world, none = make_world(vault, ada), never()
    service = ada.token({"path": "somewhere-else", "permissions": PERMISSIONS})
    before = everything(ada)
    for (method, rule), case in CASES.items():
        if case.person_only or (rule == "/tokens" and method == "GET") or rule == "/environments":
            continue
        answer = call(service, method, case, world)
        assert answer.status in (404, 422), (
            f"{method} {rule} answers {answer.status} to a token without a grant there. Ask for the permission on the "
            f"verb's first line, or refuse tokens with `principal.require_person()` and set `person_only=True` in the "
            f"route's case. {ADVICE} {answer}"
        )
        if (method, rule) in ROUTES_WITH_IDS:
            assert meaning(answer) == meaning(call(service, method, case, none)), (
                f"{method} {rule} tells a token without a grant whether the thing exists. Raise `NotGranted` before "
                f"it is looked for. {ADVICE}"
            )
    assert service.ok("GET", "/environments")["items"] == []
    assert service("POST", "/environments", {"name": "anywhere"}).code == "not_found"
    assert everything(ada) == before


def test_slashes_before_an_address_open_nothing(vault: Vault, ada: Caller) -> None:
    # Werkzeug takes them away before it looks for the route.
    for address in ("//api/v1/me", "///api/v1/environments", "//api/v1/globals/values"):
        assert vault.anyone().at("GET", address).status == 401
        assert ada.at("GET", address).status == 200


def test_a_request_that_hashes_a_password_is_known_however_its_path_is_written(vault: Vault) -> None:
    # The front door gives these a pool of their own; one that it misses takes memory that nothing bounds.
    marked = [
        (method, rule.rule.replace("<user>", "ada"))
        for rule in vault.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS"}
        if is_password_view(vault.app.view_functions[rule.endpoint])
    ]
    # Four in the API, four pages, and Vault's login by POST and by PUT.
    assert len(marked) == 10
    matcher, is_known = vault.app.url_map.bind("localhost"), takes_password(vault.app)
    for method, path in marked:
        for spelling in (path, path + "/", "/" + path, "//" + path + "/"):
            assert matcher.match(spelling, method)
            assert is_known(method, spelling)
            assert is_known(method.lower(), spelling)
        assert not is_known("OPTIONS", path)
        assert not is_known("GET", path)


def test_a_request_that_hashes_no_password_is_not_known_as_one(vault: Vault) -> None:
    is_known = takes_password(vault.app)
    for method, rule in routes(vault):
        view = vault.app.view_functions[_endpoint(vault, method, rule)]
        path = re.sub(r"<[^>]*>", "1", rule)
        assert is_known(method, path) == is_password_view(view), (method, rule)


def _endpoint(vault: Vault, method: str, rule: str) -> str:
    found = (each for each in vault.app.url_map.iter_rules() if each.rule == rule and method in (each.methods or ()))
    return str(next(found).endpoint)
