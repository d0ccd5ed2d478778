"""What an authentication method sees of a request, and that a new header is named in one place."""

from __future__ import annotations

import pytest
from flask import Flask

from vault.auth import METHODS, VAULT_METHODS, WEB_METHODS, Presented
from vault.http import Routes, presented
from vault.model.budgets import BUDGETS, RouteClass
from vault.model.credential_headers import CREDENTIAL_HEADERS
from vault.observe import mask_secrets
from vault.server.callers import Credentials


class _Read(dict[str, str]):
    """Headers that remember which of them were read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __missing__(self, name: str) -> str:
        self.names.add(name)
        return ""


def test_every_header_that_a_method_reads_is_declared() -> None:
    read = _Read()
    for method in (*METHODS, *VAULT_METHODS, *WEB_METHODS):
        # Without a credential no method asks the services.
        assert method(None, Presented(read, {}, "192.0.2.1", "r", "GET")) is None  # type: ignore[arg-type]  # without a credential, no method asks the services
    differ = read.names ^ (set(CREDENTIAL_HEADERS) - {"Cookie"})
    assert not differ, (
        "CREDENTIAL_HEADERS in vault/model/credential_headers.py and what the methods in the tuples of "
        f"vault/auth/__init__.py read differ: {differ}. See docs/contributing/to-add.md."
    )


def test_a_header_that_is_not_declared_cannot_be_read() -> None:
    with Flask("x").test_request_context(headers={"X-New-Credential": "srm_t_x"}):
        found = presented()
    with pytest.raises(KeyError, match="X-New-Credential"):
        found.headers["X-New-Credential"]


@pytest.mark.parametrize("name", CREDENTIAL_HEADERS)
def test_a_declared_header_is_presented_and_counts_as_a_credential(name: str) -> None:
    app = Flask("x")
    with app.test_request_context(headers={name: "__Host-strongroom=srm_s_x"}):
        found = presented()
    assert [found.headers[each] for each in CREDENTIAL_HEADERS if each != name] == [""] * (len(CREDENTIAL_HEADERS) - 1)
    assert found.headers[name] == "__Host-strongroom=srm_s_x"
    assert found.cookies.get("__Host-strongroom", "") == ("srm_s_x" if name == "Cookie" else "")
    sent = {name.lower().encode(): b"__Host-strongroom=srm_s_x"}
    assert Credentials().digest(sent) != b""


@pytest.mark.parametrize("name", CREDENTIAL_HEADERS)
def test_no_log_shows_a_declared_header(name: str) -> None:
    shown = mask_secrets(None, "", {name: "canary", "headers": {name.lower(): "canary"}})
    assert "canary" not in str(shown), f"Add {name} to MASKED_NAMES in vault/observe.py."


def test_without_a_declared_header_a_request_has_the_smallest_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = Routes(Flask("x"))
    monkeypatch.setattr(routes, "class_of", lambda _endpoint: RouteClass.TOKEN)
    least, most = (BUDGETS[each].body_bytes for each in (RouteClass.PUBLIC, RouteClass.TOKEN))
    assert routes.body_limit("POST", "/", {}) == routes.body_limit("POST", "/", {b"x-other": b"x"}) == least
    for name in CREDENTIAL_HEADERS:
        assert routes.body_limit("POST", "/", {name.lower().encode(): b"x"}) == most


def test_what_is_presented_is_not_shown() -> None:
    with Flask("x").test_request_context(headers={"Authorization": "Bearer srm_t_x", "Cookie": "a=srm_s_x"}):
        assert "srm_" not in repr(presented())
