"""Tables of environments that only their owner's device can read. We seal each blob of the device once more.

The slots, the wraps and the manifest of a person are one set with one generation, replaced as a whole.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, String, Table, UniqueConstraint

from vault.storage.tables.parts import metadata, signature_columns, uuid_column


def _sealed_under() -> Column[str]:
    """Return the column with the user key of our own seal.

    The foreign key is checked at the end of a transaction: an erasure deletes first the key and then, with the person,
    these rows. A key alone cannot be deleted while it seals something.
    """
    return uuid_column("user_key_id", ForeignKey("user_keys.id", deferrable=True, initially="DEFERRED"), nullable=False)


client_key_sets = Table(
    "client_key_sets",
    metadata,
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    _sealed_under(),
    # The manifest: which environments and tokens there are, and what each may open.
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    *signature_columns(),
    Index("ix_client_key_sets_user_key", "user_key_id"),
)

# Each row has the client key, wrapped with a passphrase, a recovery key or a passkey.
client_key_slots = Table(
    "client_key_slots",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("user_id", ForeignKey("client_key_sets.user_id", ondelete="CASCADE"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    _sealed_under(),
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *signature_columns(),
    Index("ix_client_key_slots_user", "user_id"),
    Index("ix_client_key_slots_user_key", "user_key_id"),
)

# A token's part of the manifest, sealed by the device with the unlock key, which is never sent to the server.
unlock_keys = Table(
    "unlock_keys",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("user_id", ForeignKey("client_key_sets.user_id", ondelete="CASCADE"), nullable=False),
    Column("token_id", String(12), ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("generation", BigInteger, nullable=False),
    _sealed_under(),
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *signature_columns(),
    Index("ix_unlock_keys_user", "user_id"),
    Index("ix_unlock_keys_user_key", "user_key_id"),
)

# An environment's content key, wrapped for the owner (no unlock key) or for a token.
content_key_wraps = Table(
    "content_key_wraps",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("user_id", ForeignKey("client_key_sets.user_id", ondelete="CASCADE"), nullable=False),
    uuid_column("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    uuid_column("content_key_id", nullable=False),
    uuid_column("unlock_key_id", ForeignKey("unlock_keys.id", ondelete="CASCADE"), nullable=True),
    Column("generation", BigInteger, nullable=False),
    _sealed_under(),
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *signature_columns(),
    UniqueConstraint("content_key_id", "unlock_key_id"),
    Index("ix_content_key_wraps_user", "user_id"),
    Index("ix_content_key_wraps_environment", "environment_id"),
    Index("ix_content_key_wraps_unlock_key", "unlock_key_id"),
    Index("ix_content_key_wraps_user_key", "user_key_id"),
)
