"""Ids, keys and places that the tests of this room share."""

from __future__ import annotations

from vault.crypto import Key, context
from vault.crypto.context import Context

INSTANCE = "10000000-0000-4000-8000-000000000001"
OTHER_INSTANCE = "10000000-0000-4000-8000-0000000000ff"
OWNER = "20000000-0000-4000-8000-000000000002"
ENVIRONMENT = "30000000-0000-4000-8000-000000000003"
OTHER_ENVIRONMENT = "30000000-0000-4000-8000-0000000000ff"
ROW = "40000000-0000-4000-8000-000000000004"
OTHER_ROW = "40000000-0000-4000-8000-0000000000ff"
KEY = Key("50000000-0000-4000-8000-000000000005", bytes(range(32)))
OTHER_KEY = Key("50000000-0000-4000-8000-0000000000ff", bytes(range(1, 33)))


def revision(environment_id: str = ENVIRONMENT, revision_id: str = ROW, number: int = 7) -> Context:
    """The place of one revision."""
    return context.revision(INSTANCE, environment_id, revision_id, number)
