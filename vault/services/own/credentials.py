"""How what a person proves themselves with is sealed: under the system key, bound to whose it is and to its row.

A password's place is its user alone: there is one, and `of_user` finds it. Every other credential is bound to its user
and its row, so that none can be moved to another person, nor one put in another's stead.
"""

from __future__ import annotations

from typing import Any

from vault.crypto import Context, context
from vault.services.own.instance import Instance
from vault.storage import Credential

PASSWORD = "password"  # noqa: S105 - a kind, not a credential.


def place_of(instance_id: str, kind: str, user_id: str, credential_id: str) -> Context:
    """Where a credential's blob belongs."""
    row_id = user_id if kind == PASSWORD else f"{user_id}/{credential_id}"
    return context.system_secret(instance_id, kind, row_id)


def sealed(instance: Instance, kind: str, user_id: str, credential_id: str, plaintext: bytes) -> dict[str, Any]:
    """The columns that hold a credential."""
    blob = instance.seal(place_of(instance.id, kind, user_id, credential_id), plaintext)
    return {"user_key_id": instance.system_key_id, "blob": blob}


def opened(instance: Instance, kind: str, user_id: str, row: Credential) -> bytes:
    """What `row` holds, for the kind and the person that were asked for. Raises `BlobError` for another's."""
    return instance.open_blob(place_of(instance.id, kind, user_id, row.id), row.user_key_id, row.blob)
