"""A proof that completes a challenge: its shape, before anything is asked of the database."""

from __future__ import annotations

import pytest

from vault.errors import InvalidInput
from vault.services.people.factors.kinds import FactorKind
from vault.services.people.logins import Proof


@pytest.mark.parametrize("code", ["abcd-efgh-jkmn", "ABCDEFGHJKMN", "123456x", "123-456", "１２３４５６"])
def test_what_is_no_code_of_an_app_is_told_where_to_go(code: str) -> None:
    with pytest.raises(InvalidInput, match="recovery_code") as caught:
        Proof(code=code).kind()
    assert caught.value.path == "code"
    assert code not in str(caught.value)


@pytest.mark.parametrize("code", ["123456", "123 456", "1", " 123456 ", "00000000000"])
def test_digits_are_a_code_of_an_app(code: str) -> None:
    assert Proof(code=code).kind() is FactorKind.TOTP


def test_digits_can_be_a_recovery_code() -> None:
    assert Proof(recovery_code="1234-5678-9012").kind() is FactorKind.RECOVERY
