"""A write either stores its answer for an Idempotency-Key or refuses the header: a walk over all routes."""

from __future__ import annotations

import re
import uuid

import pytest
from werkzeug.routing import Rule

from tests.api.conftest import Caller, Vault
from tests.support.vaults import PASSWORD
from vault.auth import SAFE_METHODS
from vault.http.marks import is_kept_view

ADVICE = 'See "Route of the API" in docs/contributing/to-add.md.'


def writes(vault: Vault) -> list[tuple[str, Rule]]:
    """Every route that may change something, with its method."""
    return [
        (method, rule)
        for rule in vault.app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if method not in SAFE_METHODS
    ]


def test_a_write_keeps_its_answer_or_refuses_the_key(vault: Vault) -> None:
    stranger, faces = vault.anyone(), set()
    for method, rule in writes(vault):
        path = re.sub("<[^>]*>", "1", re.sub("<id:[^>]*>", str(uuid.uuid4()), rule.rule))
        answer = stranger.at(method, path, {}, Idempotency_Key="k")
        is_refused = b"Idempotency-Key" in answer.body
        is_kept = is_kept_view(vault.app.view_functions[rule.endpoint])
        assert is_kept != is_refused, (method, rule.rule, answer, ADVICE)
        # Pages answer 422 where the API answers 400.
        assert not is_refused or answer.status in (400, 422), (method, rule.rule, answer)
        faces.add((rule.rule.split("/")[1], is_refused))
    assert {("api", True), ("api", False), ("v1", True), ("login", True)} <= faces


def test_only_the_api_stores_answers(vault: Vault) -> None:
    kept = {rule.rule for _, rule in writes(vault) if is_kept_view(vault.app.view_functions[rule.endpoint])}
    assert {rule.rpartition("/api/v1/")[0] for rule in kept} == {""}
    assert len(kept) > 20


def test_a_login_refuses_the_key_before_it_counts_an_attempt(vault: Vault, ada: Caller) -> None:
    body = {"username": ada.username, "password": "wrong"}
    for _ in range(12):
        answer = vault.anyone()("POST", "/sessions", body, Idempotency_Key="k")
        assert (answer.status, answer.code) == (400, "idempotency_unsupported")
    assert vault.anyone()("POST", "/sessions", body | {"password": PASSWORD}).status == 201


def test_a_secret_of_a_factor_is_not_made_with_the_key(ada: Caller) -> None:
    answer = ada("POST", "/me/factors/totp", None, Idempotency_Key="k")
    assert (answer.status, answer.code) == (400, "idempotency_unsupported")


def test_a_vault_client_hears_it_in_vaults_form(ada: Caller) -> None:
    answer = ada.at("POST", "/v1/secret/data/x", {"data": {"A": "1"}}, X_Vault_Token=ada.secret, Idempotency_Key="k")
    assert answer.status == 400
    assert ["Idempotency-Key" in sentence for sentence in answer.json["errors"]] == [True]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_read_ignores_the_key(ada: Caller, method: str) -> None:
    assert ada(method, "/environments", Idempotency_Key="k").status == 200


def test_an_unknown_address_and_a_wrong_method_are_answered_as_ever(ada: Caller) -> None:
    assert ada("POST", "/nowhere", {}, Idempotency_Key="k").status == 404
    assert ada("POST", "/me", {}, Idempotency_Key="k").status == 405
