"""Numbers that callers write in addresses, queries, forms and bodies: a few ASCII digits, or no number."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of

NO_NUMBERS = ["٣", "１", "1_0", "+1", "-1", "1e0", "1.0", "0x1", "9" * 5000, "0" * 5000 + "1", "9" * 19 + "9"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_in_an_address_is_no_other_text(vault: Vault, ada: Caller, text: str) -> None:
    ada.make("numbered", A="1")
    for caller, status in ((ada, 404), (vault.anyone(), 401)):
        assert caller("GET", f"/environments/numbered/revisions/{quote(text)}").status == status
        assert caller("GET", f"/globals/revisions/{quote(text)}/diff").status == status
        assert caller("POST", f"/operator/keys/{quote(text)}/retire", {}).status in (status, 403)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_in_a_query_is_no_other_text(ada: Caller, text: str) -> None:
    ada.make("numbered", A="1")
    for path in ("/environments?limit=", "/tokens?limit=", "/environments/numbered/revisions/1/diff?against="):
        answer = ada("GET", path + quote(text))
        assert (answer.status, answer.code) == (422, "invalid_input"), path
    kv = kv_of(ada)
    for path in ("secret/data/numbered?version=", "secret/subkeys/numbered?depth="):
        assert kv("GET", path + quote(text)).status == 400, path


@pytest.mark.parametrize("text", ["٣", "1_0", "9" * 5000, "true", "null", "1.5", "1e999", "9" * 4000, "-1"])
def test_a_number_in_a_body_is_no_other_thing(ada: Caller, text: str) -> None:
    ada.make("numbered", A="1")
    written = text if text.isascii() and "_" not in text else f'"{text}"'
    for path, body in (
        ("/tokens", '{"name":"t","grants":[{"path":"a","permissions":["list"]}],"uses":%s}'),
        ("/tokens", '{"name":"t","grants":[{"path":"a","permissions":["list"]}],"max_ttl_seconds":%s}'),
        ("/environments/numbered/rollback", '{"revision":%s}'),
        ("/environments", '{"name":"other","max_versions":%s}'),
    ):
        answer = ada("POST", path, raw=(body % written).encode(), If_Match="*")
        # For a token, null is a number of uses without end.
        assert answer.status in ((400, 422) if text != "null" or "tokens" not in path else (201,)), (path, answer)
    kv = kv_of(ada)
    for path, body in (
        ("secret/delete/numbered", '{"versions":[%s]}'),
        ("secret/data/numbered", '{"data":{"A":"1"},"options":{"cas":%s}}'),
        ("secret/metadata/numbered", '{"max_versions":%s}'),
        ("auth/token/create", '{"ttl":%s}'),
    ):
        status = kv("POST", path, (body % written).encode()).status
        assert status in (200, 204, 400), (path, status)


CODES = ["0200", "02041", "03041", "05991", "0200" + "9" * 3000, "0200" + "0" * 4400, "-200", "+200", "２００", "2_0",
         "199", "600", "20", "", " 200", "200 ", "2e2", "200.0", "٢٠٠"]  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_what_is_not_three_digits_from_200_to_599_is_no_status(vault: Vault, code: str) -> None:
    answer = Kv(vault.app)("GET", f"sys/health?activecode={quote(code)}&sealedcode={quote(code)}")
    assert (answer.status, answer.json["initialized"]) == (200, True)


@pytest.mark.parametrize("code", [204, 205, 304])
def test_a_status_that_carries_no_body_has_none(vault: Vault, code: int) -> None:
    answer = Kv(vault.app)("GET", f"sys/health?activecode={code}")
    assert (answer.status, answer.body) == (code, b"")
    assert answer.headers.get("content-length", "0") == "0"


@pytest.mark.parametrize("code", [200, 299, 429, 473, 599])
def test_any_other_status_is_the_one_that_was_asked_for(vault: Vault, code: int) -> None:
    answer = Kv(vault.app)("GET", f"sys/health?activecode={code}")
    assert (answer.status, answer.json["initialized"]) == (code, True)
