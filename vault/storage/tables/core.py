"""Tables of the vault, its people, their keys and environments.

Ids are UUIDs as text, and times are microseconds since 1970 (UTC): both are the same on SQLite and PostgreSQL, so the
MACs cover the same bytes. `mac` covers the columns that must not be forged (see `storage/signing/signed.py`). Secrets
are only stored as sealed blobs. How to add a column: docs/contributing/adding-a-column.md.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from vault.storage.tables.parts import metadata, signature_columns, uuid_column

vault_state = Table(
    "vault_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    uuid_column("instance_id", nullable=False),
    uuid_column("active_master_key_id", ForeignKey("master_keys.id", ondelete="RESTRICT"), nullable=False),
    uuid_column("active_system_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # A reseal is running: everything made before this time is sealed again. NULL if there is none.
    Column("reseal_from_us", BigInteger, nullable=True),
    *signature_columns(proven=False),
    CheckConstraint("id = 1", name="one_row"),
)

# Whether an operator locked the vault. It has its own table, so that setting it does not wait for a transaction that
# locks the row of `vault_state`. It has no MAC, because a vault must lock even while no key is available.
lock_flag = Table(
    "lock_flag",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("locked", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# The row formats after the first that may be written. A format is added when every running worker knows it. An older
# release reads the columns of a newer format from here. The format of these rows never changes.
row_formats = Table(
    "row_formats",
    metadata,
    # `<table>.<number>`.
    Column("id", String(80), primary_key=True),
    Column("table_name", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    # JSON: the columns that it adds to the previous format, and the value of each in older rows.
    Column("columns", Text, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    # When a pass over the whole table found no row of an older format. NULL while rows must be signed again.
    Column("settled_us", BigInteger, nullable=True),
    *signature_columns(),
)

# Which older releases may use the schema: for each migration, the oldest migration that a release must know to read and
# write beside it.
schema_readers = Table(
    "schema_readers",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("oldest_reader", Integer, nullable=False),
)

master_keys = Table(
    "master_keys",
    metadata,
    uuid_column("id", primary_key=True),
    Column("version", Integer, nullable=False, unique=True),
    Column("provider", String(32), nullable=False),
    Column("ref", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    # The canary, which every worker unwraps to show that it can use this version, and the SHA-256 of the unwrapped
    # bytes.
    Column("canary", LargeBinary, nullable=False),
    Column("canary_digest", LargeBinary(32), nullable=False),
    *signature_columns(proven=False),
    CheckConstraint("state IN ('pending','active','retiring','disabled')", name="state"),
)

users = Table(
    "users",
    metadata,
    uuid_column("id", primary_key=True),
    Column("name", String(256), nullable=False),
    Column("name_folded", String(1024), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    # Whether a password alone is not enough. It is here, under the MAC, and not only in the rows of the factors:
    # deleting those must lock the account, not open it.
    Column("second_factor", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False, server_default=text("0")),
    # An operator has set the password, so the person must change it first.
    Column("must_change_password", Boolean, nullable=False, server_default=text("false")),
    *signature_columns(proven=False),
    CheckConstraint("role IN ('user','operator')", name="role"),
    CheckConstraint("state IN ('active','disabled')", name="state"),
)

user_keys = Table(
    "user_keys",
    metadata,
    uuid_column("id", primary_key=True),
    # The key without an owner is the system key.
    uuid_column("owner_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    uuid_column("master_key_id", ForeignKey("master_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("master_version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    # A digest under the key itself. It detects a provider that returns a wrong key, before the key is used.
    Column("check_value", LargeBinary(16), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *signature_columns(proven=False),
    CheckConstraint("state IN ('pending','active','retired')", name="state"),
    Index("ix_user_keys_rewrap", "master_version", "id"),
    Index(
        "uq_user_keys_active",
        "owner_id",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
)

system_secrets = Table(
    "system_secrets",
    metadata,
    uuid_column("id", primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    uuid_column("user_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    *signature_columns(proven=False),
    CheckConstraint("state IN ('pending','active','retired')", name="state"),
    Index("ix_system_secrets_purpose", "purpose"),
)

# Keys that were destroyed, so that no older backup brings them back. A key that was only replaced is not here, because
# data that it sealed may still be needed from an older backup.
destroyed_keys = Table(
    "destroyed_keys",
    metadata,
    uuid_column("key_id", primary_key=True),
    # master, user or data.
    Column("kind", String(16), nullable=False),
    # The owner of the key and, for a data key, the environment. An older backup may have keys of theirs that were
    # replaced before the erasure. Ids are never used again, and the rows that they named do not exist any more.
    uuid_column("owner_id", nullable=True),
    uuid_column("environment_id", nullable=True),
    Column("provider", String(32), nullable=True),
    Column("ref", Text, nullable=True),
    Column("version", Integer, nullable=True),
    Column("created_us", BigInteger, nullable=True),
    Column("destroyed_us", BigInteger, nullable=False),
    # When the provider confirmed that the key is gone. Until then it is asked again. Only for master keys: other keys
    # are deleted with their row.
    Column("confirmed_us", BigInteger, nullable=True),
    *signature_columns(),
    CheckConstraint("kind IN ('master','user','data')", name="kind"),
)

credentials = Table(
    "credentials",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", String(256), nullable=False),
    # A keyed digest to find a passkey or an outside identity. NULL for credentials that are found by user.
    Column("lookup", LargeBinary(32), nullable=True, unique=True),
    uuid_column("user_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_credentials_user", "user_id", "kind"),
    Index("ix_credentials_user_key", "user_key_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(12), primary_key=True),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("digest_key_id", String(36), nullable=False),
    Column("authenticated_us", BigInteger, nullable=False),
    Column("factors", String(128), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("idle_seconds", Integer, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(256), nullable=False),
    Column("revoked_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_sessions_user", "user_id", "created_us"),
    Index("ix_sessions_expires", "expires_us"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    uuid_column("accessor", nullable=False, unique=True),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", String(12), ForeignKey("tokens.id", ondelete="CASCADE"), nullable=True),
    Column("name", String(256), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("digest_key_id", String(36), nullable=False),
    Column("previous_digest", LargeBinary(32), nullable=True),
    Column("previous_digest_key_id", String(36), nullable=True),
    Column("previous_until_us", BigInteger, nullable=True),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("ttl_seconds", BigInteger, nullable=True),
    Column("max_ttl_seconds", BigInteger, nullable=True),
    Column("expires_us", BigInteger, nullable=True),
    Column("renewable", Boolean, nullable=False),
    Column("uses_left", BigInteger, nullable=True),
    Column("networks", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("revoked_us", BigInteger, nullable=True),
    Column("last_used_us", BigInteger, nullable=True),
    # Whether the token may replace its own secret. Somebody who steals such a token can lock out its service.
    Column("may_rotate", Boolean, nullable=False, server_default=text("true")),
    # SHA-256 of the public key (SPKI) of the client certificate that must come with the token.
    Column("certificate_pin", LargeBinary(32), nullable=True),
    *signature_columns(),
    Index("ix_tokens_user", "user_id", "created_us"),
    Index("ix_tokens_parent", "parent_id"),
)

grants = Table(
    "grants",
    metadata,
    uuid_column("id", primary_key=True),
    Column("token_id", String(12), ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
    uuid_column("environment_id", nullable=True),
    Column("path", String(256), nullable=True),
    Column("globals", Boolean, nullable=False),
    Column("permissions", String(128), nullable=False),
    *signature_columns(),
    Index("ix_grants_token", "token_id"),
)

environments = Table(
    "environments",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("owner_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(256), nullable=False),
    Column("sealing", String(8), nullable=False),
    # No foreign key: revisions refer to environments, and two tables that refer to each other are hard to write.
    uuid_column("current_revision_id", nullable=True),
    Column("last_number", BigInteger, nullable=False),
    Column("bytes_stored", BigInteger, nullable=False),
    Column("state_generation", BigInteger, nullable=False),
    Column("metadata_blob", LargeBinary, nullable=True),
    Column("metadata_generation", BigInteger, nullable=False),
    Column("max_versions", Integer, nullable=False),
    Column("cas_required", Boolean, nullable=False),
    Column("delete_version_after_seconds", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("deleted_us", BigInteger, nullable=True),
    # The ids of the environments beneath it, in order, separated by spaces: at most 8.
    Column("base_ids", String(300), nullable=False, server_default=text("''")),
    # When the first of its variables expires.
    Column("next_expiry_us", BigInteger, nullable=True),
    # Whether a reader must give a reason.
    Column("require_reason", Boolean, nullable=False, server_default=text("false")),
    Column("last_read_us", BigInteger, nullable=True),
    *signature_columns(),
    CheckConstraint("kind IN ('environment','globals')", name="kind"),
    CheckConstraint("sealing IN ('server','client')", name="sealing"),
    Index(
        "uq_environments_living",
        "owner_id",
        "kind",
        "name",
        unique=True,
        sqlite_where=text("deleted_us IS NULL"),
        postgresql_where=text("deleted_us IS NULL"),
    ),
    Index("ix_environments_deleted", "deleted_us"),
)

layers = Table(
    "layers",
    metadata,
    uuid_column("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    uuid_column("base_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    *signature_columns(),
)

data_keys = Table(
    "data_keys",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    uuid_column("owner_id", nullable=False),
    uuid_column("user_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *signature_columns(),
    CheckConstraint("state IN ('active','retired')", name="state"),
    Index("ix_data_keys_environment", "environment_id"),
    Index("ix_data_keys_user_key", "user_key_id"),
)

revisions = Table(
    "revisions",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("number", BigInteger, nullable=False),
    uuid_column("data_key_id", ForeignKey("data_keys.id", ondelete="RESTRICT"), nullable=True),
    Column("blob", LargeBinary, nullable=True),
    Column("size", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("deletion_us", BigInteger, nullable=True),
    Column("destroyed", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
    # Of a revision that its owner's device has sealed: the content key, the hash of the previous revision, and the
    # device's signature (Ed25519).
    uuid_column("content_key_id", nullable=True),
    Column("previous_hash", LargeBinary(32), nullable=True),
    Column("signature", LargeBinary(64), nullable=True),
    *signature_columns(),
    UniqueConstraint("environment_id", "number"),
    Index("ix_revisions_data_key", "data_key_id"),
)
