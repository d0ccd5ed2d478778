"""Which tokens may give themselves a new secret: at the API and in the form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Vault, open_for_tests
from tests.support.vaults import HOST
from tests.web.conftest import Visitor, words
from tests.web.test_tokens import filled, made


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """A vault whose newest row format is open, as after the start of its first worker."""
    opened = open_for_tests(tmp_path, f"sqlite:///{tmp_path / 'strongroom.db'}")
    opened.services.keys.upgrading.open(HOST)
    yield opened
    opened.services.close()


@pytest.mark.parametrize("may_rotate", [None, False, True])
def test_only_a_token_that_may_gives_itself_a_new_secret(vault: Vault, may_rotate: bool | None) -> None:
    ada = vault.person("ada")
    prod = ada.make("prod", A="1")["id"]
    wish = {} if may_rotate is None else {"may_rotate": may_rotate}
    service = ada.token({"environment_id": prod, "permissions": ["list", "read"]}, **wish)
    assert service.ok("GET", f"/tokens/{service.id}")["may_rotate"] is bool(may_rotate)
    answer = service("POST", f"/tokens/{service.id}/rotate", {"overlap_seconds": 0})
    assert (answer.status, answer.json.get("code")) == ((200, None) if may_rotate else (403, "forbidden"))
    assert service("GET", f"/environments/{prod}/values").status == (401 if may_rotate else 200)


@pytest.mark.parametrize("sent", [{}, {"may_rotate": "yes"}])
def test_a_token_rotates_itself_only_if_that_was_chosen(vault: Vault, sent: dict[str, str]) -> None:
    ada = Visitor(vault.app.test_client(), vault.person("ada").username)
    ada.log_in()
    page = ada.get(f"/tokens/{made(ada, **sent)}")
    assert f"Rotates itself {'yes' if sent else 'no'}" in words(page)
    # The form keeps the choice while a row is added.
    again = ada.post("/tokens", filled(ada, do="row", **sent))
    assert bool(re.search(r'name="may_rotate" value="yes" checked', again.text)) == bool(sent)
