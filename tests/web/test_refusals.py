"""A page that shows a refusal beside its field: the audit records the refusal first, and once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Vault
from tests.support.vaults import PASSWORD
from tests.web.conftest import Visitor
from vault.services.audit import ReadLog

WRONG = {
    "/prove": {"password": "wrong"},
    "/security/password": {"current": "wrong", "new": PASSWORD + "!", "again": PASSWORD + "!"},
    "/security/delete": {"password": "wrong"},
}
"""Forms with a wrong password."""


@pytest.mark.parametrize("path", WRONG)
def test_a_refusal_that_cannot_be_recorded_is_503(ada: Visitor, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    fields = {**WRONG[path], "username": ada.username}
    with monkeypatch.context() as broken:
        broken.setattr("vault.storage.spool.spool_file.os.pwrite", refuse)
        assert ada.post(path, fields).status_code == 503
    assert ada.post(path, fields).status_code == 401


@pytest.mark.parametrize("path", WRONG)
def test_a_refusal_is_recorded_once(vault: Vault, ada: Visitor, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    told: list[str] = []
    turned_away = ReadLog.turned_away

    def counted(self: ReadLog, error: Any, *given: Any, **named: Any) -> None:
        told.append(error.code)
        turned_away(self, error, *given, **named)

    monkeypatch.setattr(ReadLog, "turned_away", counted)
    assert ada.post(path, {**WRONG[path], "username": ada.username}).status_code == 401
    assert told == ["bad_login"]
