"""Rows of what a person's devices have sealed for their end-to-end encrypted environments."""

from __future__ import annotations

from vault.storage.signing.repository import Record, Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.tables.sealed import client_key_sets, client_key_slots, content_key_wraps, unlock_keys


class ClientKeySets(Repository[Record]):
    """The manifest of each person, and the generation of all that belongs to it."""

    signed = SignedTable(client_key_sets)


class ClientKeySlots(Repository[Record]):
    """The client key, once for each way in."""

    signed = SignedTable(client_key_slots)


class UnlockKeys(Repository[Record]):
    """What each token may open."""

    signed = SignedTable(unlock_keys)


class ContentKeyWraps(Repository[Record]):
    """The keys of environments, for the owner and for each token."""

    signed = SignedTable(content_key_wraps)
