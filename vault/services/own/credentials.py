"""Seals credentials under the system key, bound to the user and the row.

A password is bound only to its user: there is one, and `of_user` finds it. Every other credential is bound to its user
and its row, so it cannot be moved to another person or put in the place of another one.
"""

from __future__ import annotations

from vault.crypto import Context, context
from vault.services.own.instance import Instance
from vault.storage import ColumnValues, Credential

PASSWORD = "password"  # noqa: S105 - a kind, not a credential.


def place_of(instance_id: str, kind: str, user_id: str, credential_id: str) -> Context:
    """Return the context of a credential's blob."""
    row_id = user_id if kind == PASSWORD else f"{user_id}/{credential_id}"
    return context.system_secret(instance_id, kind, row_id)


def sealed(instance: Instance, kind: str, user_id: str, credential_id: str, plaintext: bytes) -> ColumnValues:
    """Return the columns of a sealed credential."""
    blob = instance.seal(place_of(instance.id, kind, user_id, credential_id), plaintext)
    return {"user_key_id": instance.system_key_id, "blob": blob}


def opened(instance: Instance, kind: str, user_id: str, row: Credential) -> bytes:
    """Open the credential in `row`, for this kind and person. Raises `BlobError` if it belongs to another."""
    return instance.open_blob(place_of(instance.id, kind, user_id, row.id), row.user_key_id, row.blob)
