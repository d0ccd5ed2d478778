"""Which tokens may give themselves a new secret: a thief of one that may not cannot lock its service out."""

from __future__ import annotations

import pytest

from tests.support.vaults import HOST, add_environment, add_token, as_token, grant, write
from vault.errors import Forbidden, NotFound
from vault.model.principal import Principal
from vault.services import Services
from vault.services.tokens.views import TokenView

READ, WIDE = "list,read", "read,update,delegate"


def rotate(vault: Services, who: Principal, token_id: str, overlap: int = 0) -> TokenView:
    return write(vault, lambda unit: vault.tokens.tokens.rotate(unit, who, token_id, overlap))


def opened(vault: Services) -> None:
    """Open the row format in which it can be stored, as the first worker of a vault does."""
    vault.keys.upgrading.open(HOST)


@pytest.mark.parametrize("overlap", [0, 3600])
@pytest.mark.parametrize("permissions", [READ, WIDE])
def test_a_new_token_does_not_rotate_itself_and_its_service_goes_on(
    vault: Services, ada: Principal, permissions: str, overlap: int
) -> None:
    opened(vault)
    add_environment(vault, ada, "prod", A="1")
    token = add_token(vault, ada, grant(permissions, environment="prod"))
    assert not token.may_rotate
    with pytest.raises(Forbidden, match="may not rotate itself"):
        rotate(vault, as_token(vault, token.secret), token.id, overlap)
    assert as_token(vault, token.secret).id == token.id
    # The person can.
    fresh = rotate(vault, ada, token.id, overlap)
    assert (as_token(vault, fresh.secret).id, fresh.may_rotate) == (token.id, False)


def test_one_that_was_made_to_rotate_itself_does(vault: Services, ada: Principal) -> None:
    opened(vault)
    token = add_token(vault, ada, grant(READ, path="prod"), may_rotate=True)
    fresh = rotate(vault, as_token(vault, token.secret), token.id)
    assert (as_token(vault, fresh.secret).id, fresh.may_rotate) == (token.id, True)


def test_the_tokens_below_one_are_rotated_by_it_and_not_by_themselves(vault: Services, ada: Principal) -> None:
    opened(vault)
    token = add_token(vault, ada, grant(WIDE, path="prod"))
    maker = as_token(vault, token.secret)
    below = add_token(vault, maker, grant("read", path="prod"))
    by_login = write(vault, lambda unit: vault.tokens.tokens.log_in(unit, maker))
    for child in (below, by_login):
        with pytest.raises(Forbidden):
            rotate(vault, as_token(vault, child.secret), child.id)
        assert rotate(vault, maker, child.id).id == child.id
    with pytest.raises(NotFound):
        rotate(vault, as_token(vault, add_token(vault, ada, grant(READ, path="prod")).secret), token.id)


def test_tokens_of_before_rotate_themselves_as_before(vault: Services, ada: Principal) -> None:
    # While a worker of an older release may run, this cannot be stored.
    token = add_token(vault, ada, grant(READ, path="prod"))
    assert token.may_rotate
    opened(vault)
    fresh = rotate(vault, as_token(vault, token.secret), token.id)
    assert (as_token(vault, fresh.secret).id, fresh.may_rotate) == (token.id, True)
