"""Rows that people's devices have sealed, for end-to-end encrypted environments."""

from __future__ import annotations

from dataclasses import dataclass

from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.tables.sealed import client_key_sets, client_key_slots, content_key_wraps, unlock_keys


@dataclass(frozen=True, slots=True)
class ClientKeySet(SignedRow):
    """The manifest of one person."""

    user_id: str
    generation: int
    user_key_id: str
    blob: bytes
    created_us: int
    changed_us: int


class ClientKeySets(Repository[ClientKeySet]):
    """The manifest of each person, and the generation of the set."""

    noun = ClientKeySet
    signed = SignedTable(client_key_sets)


@dataclass(frozen=True, slots=True)
class ClientKeySlot(SignedRow):
    """The client key, wrapped for one way to unlock it."""

    id: str
    user_id: str
    generation: int
    kind: str
    user_key_id: str
    blob: bytes
    created_us: int


class ClientKeySlots(Repository[ClientKeySlot]):
    """The client key, wrapped once for each way to unlock it."""

    noun = ClientKeySlot
    signed = SignedTable(client_key_slots)


@dataclass(frozen=True, slots=True)
class UnlockKey(SignedRow):
    """What one token may open."""

    id: str
    user_id: str
    token_id: str
    generation: int
    user_key_id: str
    blob: bytes
    created_us: int


class UnlockKeys(Repository[UnlockKey]):
    """What each token may open."""

    noun = UnlockKey
    signed = SignedTable(unlock_keys)


@dataclass(frozen=True, slots=True)
class ContentKeyWrap(SignedRow):
    """The key of an environment, for its owner or a token."""

    id: str
    user_id: str
    environment_id: str
    content_key_id: str
    unlock_key_id: str | None
    generation: int
    user_key_id: str
    blob: bytes
    created_us: int


class ContentKeyWraps(Repository[ContentKeyWrap]):
    """The content keys of environments, wrapped for the owner and for each token."""

    noun = ContentKeyWrap
    signed = SignedTable(content_key_wraps)
