"""One call: credential, repetition, errors, cache."""

from __future__ import annotations

import pytest

from tests.unit.client.fake_transport import ENVIRONMENT, FakeTransport, answer, page, problem
from vault import errors
from vault.client import Client, Response
from vault.client.transport import ConnectionLost, Unreachable

VALUES = "/environments/prod/values"
VARIABLES = "/environments/prod/variables"


def values(**found: str) -> Response:
    return answer({"values": found, "warnings": [], "revision": 3}, etag='"e1"')


def test_the_token_travels_as_a_bearer(client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, values(A="1"))
    client.values("prod")
    assert server.sent_headers["Authorization"] == "Bearer srm_t_canary"


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "käse", "a\x7f"])
def test_a_token_that_no_header_can_hold_is_refused_unquoted(token: str, server: FakeTransport) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        Client("https://vault.test", token, transport=server)
    assert token not in str(caught.value)


@pytest.mark.parametrize("failure", [ConnectionLost("lost"), Unreachable("refused"), problem(503, "unavailable")])
def test_a_read_is_repeated(
    failure: Response | Exception, client: Client, server: FakeTransport, pauses: list[float]
) -> None:
    server.on("GET", VALUES, failure, failure, values(A="1"))
    assert dict(client.values("prod")) == {"A": "1"}
    assert len(pauses) == 2


@pytest.mark.parametrize("failure", [ConnectionLost("lost"), Unreachable("refused"), problem(503, "outcome_unknown")])
def test_a_write_is_repeated_with_the_same_key(
    failure: Response | Exception, client: Client, server: FakeTransport
) -> None:
    server.on("PATCH", VARIABLES, failure, answer({"revision": 4}))
    assert client.environment("prod").set("A", "1") == 4
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_each_write_has_a_key_of_its_own(client: Client, server: FakeTransport) -> None:
    server.on("PATCH", VARIABLES, answer({"revision": 4}))
    client.environment("prod").set("A", "1")
    client.environment("prod").set("A", "1")
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 2


def test_repetition_ends(client: Client, server: FakeTransport, pauses: list[float]) -> None:
    server.on("GET", VALUES, ConnectionLost("lost"))
    with pytest.raises(ConnectionLost):
        client.values("prod")
    assert len(server.requests) == 4
    assert sum(pauses) < 15


def test_retry_after_is_kept(client: Client, server: FakeTransport, pauses: list[float]) -> None:
    server.on("GET", VALUES, problem(429, "too_many_requests", retry_after=3), values(A="1"))
    client.values("prod")
    assert 3 <= pauses[0] < 4


@pytest.mark.parametrize("digits", [20, 4_301, 60_000])
def test_a_retry_after_of_absurd_length_is_a_long_one(client: Client, server: FakeTransport, digits: int) -> None:
    server.on("GET", VALUES, problem(503, "vault_locked", retry_after="9" * digits))
    with pytest.raises(errors.VaultLocked) as caught:
        client.values("prod")
    assert caught.value.retry_after_seconds == 3600


def test_a_retry_after_beyond_the_budget_is_the_callers_to_decide(
    client: Client, server: FakeTransport, pauses: list[float]
) -> None:
    server.on("GET", VALUES, problem(503, "vault_locked", retry_after=60))
    with pytest.raises(errors.VaultLocked) as caught:
        client.values("prod")
    assert caught.value.retry_after_seconds == 60
    assert pauses == []


@pytest.mark.parametrize(
    "failure", [ConnectionLost("lost"), problem(429, "too_many_requests"), problem(503, "unavailable")]
)
def test_a_login_that_was_sent_is_not_repeated(
    failure: Response | Exception, client: Client, server: FakeTransport
) -> None:
    server.on("POST", "/sessions", failure)
    with pytest.raises(errors.StrongroomError):
        client.login("ada", "canary-5c1")
    assert len(server.requests) == 1
    assert "Idempotency-Key" not in server.sent_headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
def test_a_refusal_is_not_repeated(status: int, client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, problem(status, "anything"))
    with pytest.raises(errors.StrongroomError):
        client.values("prod")
    assert len(server.requests) == 1


def test_a_certificate_that_is_not_trusted_is_not_tried_again(client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, errors.TransportError("not trusted"))
    with pytest.raises(errors.TransportError):
        client.values("prod")
    assert len(server.requests) == 1


def test_values_that_still_hold_are_not_sent_again(client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, values(A="1"), Response(304))
    first, second = client.values("prod"), client.values("prod")
    assert second is first
    assert server.sent_headers["If-None-Match"] == '"e1"'


def test_values_asked_for_otherwise_are_kept_apart(client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, values(A="1")).on("GET", VALUES + "?resolve=false", values(A="{{B}}"))
    client.values("prod")
    assert dict(client.values("prod", resolve=False)) == {"A": "{{B}}"}
    assert "If-None-Match" not in server.sent_headers


def test_another_credential_sees_nothing_of_the_former_ones_answers(client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, values(A="1")).on("POST", "/sessions", problem(401, "bad_login"))
    client.values("prod")
    with pytest.raises(errors.BadLogin):
        client.login("ada", "wrong")
    client.values("prod")
    assert "If-None-Match" not in server.sent_headers
    assert "Authorization" not in server.sent_headers


def test_the_kept_answers_are_bounded(client: Client, server: FakeTransport) -> None:
    for number in range(70):
        server.on("GET", f"/environments/e{number}/values", values(A="1"))
        client.values(f"e{number}")
    client.values("e0")
    assert "If-None-Match" not in server.sent_headers
    client.values("e69")
    assert "If-None-Match" in server.sent_headers


def test_a_304_that_nobody_asked_for_is_refused(client: Client, server: FakeTransport) -> None:
    server.on("GET", VALUES, Response(304))
    with pytest.raises(errors.TransportError):
        client.values("prod")


def test_pages_are_followed_to_the_end(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments?limit=200", page(ENVIRONMENT, following="c/2"))
    server.on("GET", "/environments?limit=200&cursor=c%2F2", page(ENVIRONMENT))
    assert len(client.environments.list()) == 2


def test_a_name_with_a_slash_is_addressed_by_its_id(client: Client, server: FakeTransport) -> None:
    found = {**ENVIRONMENT, "name": "team/prod"}
    server.on("GET", "/environments?name=team%2Fprod&limit=200", page(found))
    server.on("GET", f"/environments/{found['id']}/values", values(A="1"))
    client.values("team/prod")
    client.values("team/prod")
    assert len(server.requests) == 3


def test_a_name_with_a_slash_that_was_made_again_is_looked_up_again(client: Client, server: FakeTransport) -> None:
    old, new = {**ENVIRONMENT, "name": "a/b"}, {**ENVIRONMENT, "name": "a/b", "id": "new-id"}
    server.on("GET", "/environments?name=a%2Fb&limit=200", page(old), page(new))
    server.on("GET", f"/environments/{old['id']}/values", values(A="1"), problem(404, "not_found"))
    server.on("GET", "/environments/new-id/values", values(A="2"))
    assert client.values("a/b")["A"] == "1"
    assert client.values("a/b")["A"] == "2"


def test_a_name_with_a_slash_that_is_not_there(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments?name=a%2Fb&limit=200", page())
    with pytest.raises(errors.NotFound):
        client.values("a/b")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_no_address_can_hold_is_refused_here(name: str, client: Client, server: FakeTransport) -> None:
    with pytest.raises(errors.InvalidInput):
        client.values(name)
    assert server.requests == []


def test_an_odd_name_is_quoted(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/a%3Fb%20%C3%A4/values", values(A="1"))
    client.values("a?b ä")
