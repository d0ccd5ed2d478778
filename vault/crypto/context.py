"""Contexts: the associated data that binds a blob to its place. Each blob type has one function.

    associated data = "SRM1" ‖ header[0:24] ‖ tail
    tail            = instance id ‖ the fields of the type, in the order of the function's arguments

An id is the 16 bytes of its UUID, a number is a u64, and text is UTF-8 after its length as a u32. No two places
share an encoding. A context is built from what the caller asked for and may read, never from the row that came
back. So a blob that was moved to another user, environment, revision or row does not open.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from vault.crypto.envelope import HEADER_BYTES, BlobType, uuid_bytes

PREFIX = b"SRM1"
SYSTEM_OWNER_ID = "00000000-0000-0000-0000-000000000000"
"""The nil UUID is the owner of the system key, which belongs to no user."""

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Context:
    """The place of a blob: its type, and the encoded ids."""

    type: BlobType
    tail: bytes

    def associated_data(self, blob_or_header: bytes) -> bytes:
        """Return the data that the cipher authenticates in addition to the plaintext of a blob with this header."""
        return PREFIX + blob_or_header[:HEADER_BYTES] + self.tail


# `revision` and `data_key` run for every layer of every read. A cache lookup is faster than encoding the ids.
@lru_cache(maxsize=8192)
def revision(instance_id: str, environment_id: str, revision_id: str, number: int) -> Context:
    """Return one revision of an environment."""
    return Context(BlobType.REVISION, _ids(instance_id, environment_id, revision_id) + _U64.pack(number))


def client_revision(instance_id: str, environment_id: str, revision_id: str, number: int) -> Context:
    """Return the context of one revision that a device of its owner sealed."""
    return Context(BlobType.CLIENT_REVISION, _ids(instance_id, environment_id, revision_id) + _U64.pack(number))


@lru_cache(maxsize=8192)
def data_key(instance_id: str, owner_id: str, environment_id: str, data_key_id: str) -> Context:
    """Return the context of a data key of an environment, wrapped by its owner's user key."""
    return Context(BlobType.DATA_KEY, _ids(instance_id, owner_id, environment_id, data_key_id))


def user_key(instance_id: str, owner_id: str | None, user_key_id: str) -> Context:
    """Return the context of a user key, wrapped by the master key. Without an owner it is the system key."""
    return Context(BlobType.USER_KEY, _ids(instance_id, owner_id or SYSTEM_OWNER_ID, user_key_id))


def system_secret(instance_id: str, purpose: str, row_id: str) -> Context:
    """Return the context of a secret of the vault itself, or a password. A password's row id is the user's id."""
    return Context(BlobType.SYSTEM_SECRET, _ids(instance_id) + _texts(purpose, row_id))


def client_slot(instance_id: str, user_id: str, environment_id: str, slot_id: str) -> Context:
    """Return the context of one slot that lets a person's device open the key of an environment."""
    return Context(BlobType.CLIENT_KEY_SLOT, _ids(instance_id, user_id, environment_id, slot_id))


def metadata(instance_id: str, environment_id: str, generation: int) -> Context:
    """Return the context of an environment's description and custom metadata, sealed with its active data key."""
    return Context(BlobType.METADATA, _ids(instance_id, environment_id) + _U64.pack(generation))


def cache_entry(instance_id: str, purpose: str, subject: str) -> Context:
    """Return the context of a cache entry. Sealing it stops others who can write to the cache from forging one."""
    return Context(BlobType.CACHE_ENTRY, _ids(instance_id) + _texts(purpose, subject))


def stored_answer(instance_id: str, purpose: str, row_id: str) -> Context:
    """Return the context of a stored answer, kept for a replay or wrapped for one reader."""
    return Context(BlobType.STORED_ANSWER, _ids(instance_id) + _texts(purpose, row_id))


def audit_record(instance_id: str, event_id: str) -> Context:
    """Return the context of one audit event."""
    return Context(BlobType.AUDIT_RECORD, _ids(instance_id, event_id))


def cursor(instance_id: str, user_id: str) -> Context:
    """Return the context of a person's place in the feed of changes."""
    return Context(BlobType.CURSOR, _ids(instance_id, user_id))


def _ids(*ids: str) -> bytes:
    return b"".join(map(uuid_bytes, ids))


def _texts(*texts: str) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(_U32.pack(len(text)) + text for text in encoded)
