"""Problems become the same exception classes, by code; what is not ours is told as such."""

from __future__ import annotations

import pytest

from tests.unit.client.fake_transport import FakeTransport, answer, problem
from vault import errors
from vault.client import Client, Response


def raised(client: Client, server: FakeTransport, response: Response) -> errors.StrongroomError:
    server.on("GET", "/me", response)
    with pytest.raises(errors.StrongroomError) as caught:
        client.me()
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_input", errors.InvalidInput),
        ("bad_format", errors.FormatError),
        ("quota_exceeded", errors.QuotaExceeded),
        ("resolution_too_large", errors.ResolutionTooLarge),
        ("too_large", errors.TooLarge),
        ("not_authenticated", errors.NotAuthenticated),
        ("bad_login", errors.BadLogin),
        ("second_factor_required", errors.SecondFactorRequired),
        ("forbidden", errors.Forbidden),
        ("password_change_required", errors.PasswordChangeRequired),
        ("factor_setup_required", errors.FactorSetupRequired),
        ("step_up_required", errors.StepUpRequired),
        ("not_found", errors.NotFound),
        ("revision_deleted", errors.RevisionDeleted),
        ("method_not_allowed", errors.MethodNotAllowed),
        ("conflict", errors.Conflict),
        ("name_taken", errors.NameTaken),
        ("precondition_failed", errors.PreconditionFailed),
        ("precondition_required", errors.PreconditionRequired),
        ("idempotency_mismatch", errors.IdempotencyMismatch),
        ("client_sealed", errors.ClientSealed),
        ("internal", errors.ServerError),
    ],
)
def test_a_code_is_its_class(
    code: str, kind: type[errors.StrongroomError], client: Client, server: FakeTransport
) -> None:
    error = raised(client, server, problem(418, code, "A sentence."))
    assert type(error) is kind
    assert str(error).startswith("A sentence.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, errors.InvalidInput), (401, errors.NotAuthenticated), (404, errors.NotFound), (500, errors.ServerError)],
)
def test_a_code_of_a_newer_server_is_told_by_its_status(
    status: int, kind: type[errors.StrongroomError], client: Client, server: FakeTransport
) -> None:
    assert type(raised(client, server, problem(status, "not_invented_yet"))) is kind


@pytest.mark.parametrize("code", ["transport", "bad_settings", "bad_keyring", "bad_storage"])
def test_a_server_cannot_speak_for_this_side(code: str, client: Client, server: FakeTransport) -> None:
    assert type(raised(client, server, problem(500, code))) is errors.ServerError


def test_the_request_and_its_id_are_attached(client: Client, server: FakeTransport) -> None:
    error = raised(client, server, problem(404, "not_found"))
    assert error.request == ("GET", "/api/v1/me")
    assert error.request_id == "req-9"


def test_a_field_is_named(client: Client, server: FakeTransport) -> None:
    error = raised(client, server, problem(422, "invalid_input", "No.", path="variables.3.name"))
    assert isinstance(error, errors.InvalidInput)
    assert error.path == "variables.3.name"


def test_a_failure_of_the_servers_says_what_its_operator_can_look_for(client: Client, server: FakeTransport) -> None:
    assert "req-9" in str(raised(client, server, problem(500, "internal")))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, client: Client, server: FakeTransport) -> None:
    error = raised(client, server, answer(status=status, location="https://elsewhere.test/"))
    assert type(error) is errors.TransportError
    assert "redirect" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 418, 500])
def test_an_error_page_of_something_else_is_not_taken_for_ours(
    status: int, client: Client, server: FakeTransport
) -> None:
    error = raised(client, server, Response(status, {"content-type": "text/html"}, b"<h1>canary-5c1</h1>"))
    assert type(error) is errors.TransportError
    assert "canary" not in str(error)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_whose_server_is_away_is_repeated_and_told(status: int, client: Client, server: FakeTransport) -> None:
    error = raised(client, server, Response(status, {"content-type": "text/html"}, b"<h1>Bad gateway</h1>"))
    assert isinstance(error, errors.Unavailable)
    assert len(server.requests) == 4


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id": 1}', b"[" * 100_000, b"\xff"])
def test_a_success_that_is_not_ours_is_told_as_such(body: bytes, client: Client, server: FakeTransport) -> None:
    error = raised(client, server, Response(200, {}, body))
    assert type(error) is errors.TransportError


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"code": 5}'])
def test_a_problem_that_cannot_be_read_is_not_ours(body: bytes, client: Client, server: FakeTransport) -> None:
    error = raised(client, server, Response(404, {"content-type": "application/problem+json"}, body))
    assert type(error) is errors.TransportError


def test_a_second_factor_that_is_asked_for_says_how_to_go_on(client: Client, server: FakeTransport) -> None:
    challenge = {"id": "c1", "kinds": ["totp", "passkey"], "expires_at": "2026-11-22T09:00:00Z", "passkey": {"x": 1}}
    error = raised(client, server, problem(401, "second_factor_required", challenge=challenge))
    assert isinstance(error, errors.SecondFactorRequired)
    assert (error.challenge_id, error.kinds, error.passkey) == ("c1", ("totp", "passkey"), {"x": 1})


@pytest.mark.parametrize("challenge", [None, 1, [], {}, {"id": 1}, {"id": "c1", "kinds": 1, "passkey": 1}])
def test_a_challenge_of_another_shape_does_no_harm(challenge: object, client: Client, server: FakeTransport) -> None:
    error = raised(client, server, problem(401, "second_factor_required", challenge=challenge))
    assert isinstance(error, errors.SecondFactorRequired)
    assert (error.kinds, error.passkey) == ((), None)
