"""What a session may make without a new proof of identity: nothing that lets its thief stay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vaults import FakeClock, add_environment, add_token, as_token, grant, write
from vault.errors import StepUpRequired
from vault.model.principal import Principal
from vault.services import Services

DAY = 86_400
GRAVE: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("without an end", {"permissions": "read", "path": "prod"}, {"ttl_seconds": None}),
    ("beyond 90 days", {"permissions": "read", "path": "prod"}, {"ttl_seconds": 90 * DAY + 1}),
    ("renewed for ever", {"permissions": "read", "path": "prod"}, {"ttl_seconds": 60, "renewable": True}),
    ("renewed for long", {"permissions": "read", "path": "prod"}, {"renewable": True, "max_ttl_seconds": 91 * DAY}),
    ("delegate", {"permissions": "read,delegate", "path": "prod"}, {}),
    ("everything", {"permissions": "list", "path": "*"}, {}),
    ("update of globals", {"permissions": "update", "globals": True}, {}),
    ("delete of globals", {"permissions": "read,delete", "globals": True}, {}),
)
PLAIN: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("90 days", {"permissions": "read,update", "path": "prod"}, {}),
    ("short at last", {"permissions": "read", "path": "prod"}, {"ttl_seconds": None, "max_ttl_seconds": 90 * DAY}),
    ("renewed a little", {"permissions": "read", "path": "prod"}, {"renewable": True, "max_ttl_seconds": 30 * DAY}),
    ("read of globals", {"permissions": "read,list", "globals": True}, {}),
)


def made(vault: Services, who: Principal, where: dict[str, Any], wishes: dict[str, Any]) -> None:
    scope = dict(where)
    add_token(vault, who, grant(scope.pop("permissions"), **scope), **wishes)


@pytest.mark.parametrize(("where", "wishes"), [case[1:] for case in GRAVE], ids=[case[0] for case in GRAVE])
def test_a_session_of_an_hour_ago_makes_none_to_stay(
    vault: Services, ada: Principal, clock: FakeClock, where: dict[str, Any], wishes: dict[str, Any]
) -> None:
    add_environment(vault, ada, "prod")
    made(vault, ada, where, wishes)
    clock.advance(301)
    with pytest.raises(StepUpRequired, match="proof of your identity"):
        made(vault, ada, where, wishes)


@pytest.mark.parametrize(("where", "wishes"), [case[1:] for case in PLAIN], ids=[case[0] for case in PLAIN])
def test_what_ends_soon_and_reaches_little_needs_no_proof(
    vault: Services, ada: Principal, clock: FakeClock, where: dict[str, Any], wishes: dict[str, Any]
) -> None:
    add_environment(vault, ada, "prod")
    clock.advance(301)
    made(vault, ada, where, wishes)


def test_a_rotation_by_a_session_needs_a_proof_and_by_a_token_none(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    token = add_token(vault, ada, grant("read,delegate", path="*"))
    for overlap in (0, 60):
        write(vault, lambda unit, overlap=overlap: vault.tokens.tokens.rotate(unit, ada, token.id, overlap))  # type: ignore[misc]  # mypy infers no lambda with a default
    token = add_token(vault, ada, grant("read,delegate", path="*"))
    clock.advance(301)
    for overlap in (0, 60):
        with pytest.raises(StepUpRequired):
            write(vault, lambda unit, overlap=overlap: vault.tokens.tokens.rotate(unit, ada, token.id, overlap))  # type: ignore[misc]  # mypy infers no lambda with a default
    itself = as_token(vault, token.secret)
    add_token(vault, itself, grant("read,delegate", path="*"))
    write(vault, lambda unit: vault.tokens.tokens.rotate(unit, itself, token.id, 0))
