"""The context of a blob: the associated data that binds it to its place, one function for each type of blob.

    associated data = "SRM1" ‖ header[0:24] ‖ tail
    tail            = instance id ‖ the fields of the type, in the order of the function's arguments

An id is the 16 bytes of its UUID, a number is a u64, and text is UTF-8 after its length as a u32, so that no two
places share an encoding. A context is built from what the caller asked for and may have, never from the row that
came back: a blob moved to another user, environment, revision or row then does not open.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from vault.crypto.envelope import HEADER_BYTES, BlobType, uuid_bytes

PREFIX = b"SRM1"
SYSTEM_OWNER_ID = "00000000-0000-0000-0000-000000000000"
"""The nil UUID stands where a user key has no owner: the system key."""

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Context:
    """Where a blob belongs: its type, and the encoded ids of its place."""

    type: BlobType
    tail: bytes

    def associated_data(self, blob_or_header: bytes) -> bytes:
        """What the cipher authenticates beside the plaintext, for a blob that starts with this header."""
        return PREFIX + blob_or_header[:HEADER_BYTES] + self.tail


# These two are made for every layer of every read, and an id is looked up sooner than it is encoded.
@lru_cache(maxsize=8192)
def revision(instance_id: str, environment_id: str, revision_id: str, number: int) -> Context:
    """One revision of an environment."""
    return Context(BlobType.REVISION, _ids(instance_id, environment_id, revision_id) + _U64.pack(number))


def client_revision(instance_id: str, environment_id: str, revision_id: str, number: int) -> Context:
    """One revision that its owner's device sealed."""
    return Context(BlobType.CLIENT_REVISION, _ids(instance_id, environment_id, revision_id) + _U64.pack(number))


@lru_cache(maxsize=8192)
def data_key(instance_id: str, owner_id: str, environment_id: str, data_key_id: str) -> Context:
    """A data key of an environment, under its owner's user key."""
    return Context(BlobType.DATA_KEY, _ids(instance_id, owner_id, environment_id, data_key_id))


def user_key(instance_id: str, owner_id: str | None, user_key_id: str) -> Context:
    """A user key under the master key; without an owner it is the system key."""
    return Context(BlobType.USER_KEY, _ids(instance_id, owner_id or SYSTEM_OWNER_ID, user_key_id))


def system_secret(instance_id: str, purpose: str, row_id: str) -> Context:
    """Something of the vault's own; a password's row id is its user's id."""
    return Context(BlobType.SYSTEM_SECRET, _ids(instance_id) + _texts(purpose, row_id))


def client_slot(instance_id: str, user_id: str, environment_id: str, slot_id: str) -> Context:
    """One way in which a person's device may reach the key of an environment."""
    return Context(BlobType.CLIENT_KEY_SLOT, _ids(instance_id, user_id, environment_id, slot_id))


def metadata(instance_id: str, environment_id: str, generation: int) -> Context:
    """An environment's description and custom metadata, under its active data key."""
    return Context(BlobType.METADATA, _ids(instance_id, environment_id) + _U64.pack(generation))


def cache_entry(instance_id: str, purpose: str, subject: str) -> Context:
    """A copy in a cache, which whoever writes to the cache must not be able to make."""
    return Context(BlobType.CACHE_ENTRY, _ids(instance_id) + _texts(purpose, subject))


def stored_answer(instance_id: str, purpose: str, row_id: str) -> Context:
    """An answer kept for a replay, or wrapped for one reader."""
    return Context(BlobType.STORED_ANSWER, _ids(instance_id) + _texts(purpose, row_id))


def audit_record(instance_id: str, event_id: str) -> Context:
    """One event of the audit."""
    return Context(BlobType.AUDIT_RECORD, _ids(instance_id, event_id))


def _ids(*ids: str) -> bytes:
    return b"".join(map(uuid_bytes, ids))


def _texts(*texts: str) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(_U32.pack(len(text)) + text for text in encoded)
