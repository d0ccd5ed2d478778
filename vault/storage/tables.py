"""The tables. Ids are UUIDs as text, times are microseconds since 1970 (UTC): both read alike on SQLite and
PostgreSQL, and the MACs cover the same bytes on both.

Columns that carry authority are covered by `mac` (see `storage/signed.py`); what is secret is only ever a
sealed blob. How to add a column: docs/contributing/adding-a-column.md.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _uuid(name: str, *items: SchemaItem, **options: Any) -> Column[str]:
    return Column(name, String(36), *items, **options)


def _signature(*, proven: bool = True) -> list[Column[object]]:
    """What every row of authority carries: which key signed it, the MAC, and how often it has changed.

    The foreign key is the proof that nothing is signed with a key that goes. The rows that the MAC key itself hangs
    on do without it (`proven=False`): they would refer in a circle, and are written under the fence.
    """
    signed_by = [ForeignKey("system_secrets.id", ondelete="RESTRICT")] if proven else []
    return [
        Column("row_version", BigInteger, nullable=False),
        # Which columns the MAC covers: see `storage/signed.py`. Not under the MAC itself.
        Column("row_format", Integer, nullable=False, server_default=text("1")),
        Column("mac_key_id", String(36), *signed_by, nullable=False),
        Column("mac", LargeBinary(32), nullable=False),
    ]


vault_state = Table(
    "vault_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _uuid("instance_id", nullable=False),
    _uuid("active_master_key_id", ForeignKey("master_keys.id", ondelete="RESTRICT"), nullable=False),
    _uuid("active_system_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # What was made before this moment is sealed anew: a reseal is under way. None where none is.
    Column("reseal_from_us", BigInteger, nullable=True),
    *_signature(proven=False),
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
    *_signature(),
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
    _uuid("id", primary_key=True),
    Column("version", Integer, nullable=False, unique=True),
    Column("provider", String(32), nullable=False),
    Column("ref", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    # What every worker unwraps to prove that it can use this version, and the SHA-256 of what comes out.
    Column("canary", LargeBinary, nullable=False),
    Column("canary_digest", LargeBinary(32), nullable=False),
    *_signature(proven=False),
    CheckConstraint("state IN ('pending','active','retiring','disabled')", name="state"),
)

users = Table(
    "users",
    metadata,
    _uuid("id", primary_key=True),
    Column("name", String(256), nullable=False),
    Column("name_folded", String(1024), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    # Whether the password alone is not enough. It stands here, under the MAC, and not only in the rows of the factors:
    # whoever deletes those locks the account, and does not open it.
    Column("second_factor", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False, server_default=text("0")),
    *_signature(proven=False),
    CheckConstraint("role IN ('user','operator')", name="role"),
    CheckConstraint("state IN ('active','disabled')", name="state"),
)

user_keys = Table(
    "user_keys",
    metadata,
    _uuid("id", primary_key=True),
    # A key without an owner is the system's.
    _uuid("owner_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    _uuid("master_key_id", ForeignKey("master_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("master_version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    # A digest under the key itself: a provider that gives a wrong key is found out before the key is used.
    Column("check_value", LargeBinary(16), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *_signature(proven=False),
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
    _uuid("id", primary_key=True),
    Column("purpose", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    _uuid("user_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    *_signature(proven=False),
    CheckConstraint("state IN ('pending','active','retired')", name="state"),
    Index("ix_system_secrets_purpose", "purpose"),
)

# Keys that are gone for good, so that no older backup brings them back. A key that another one has replaced is not
# here: what it sealed is still wanted, and an older backup may need it.
destroyed_keys = Table(
    "destroyed_keys",
    metadata,
    _uuid("key_id", primary_key=True),
    # master, user or data.
    Column("kind", String(16), nullable=False),
    # Whose key it was, and for a data key which environment's: an older backup may hold keys of theirs that had been
    # replaced before the erasure. Ids are never used again, and have no row to refer to any more.
    _uuid("owner_id", nullable=True),
    _uuid("environment_id", nullable=True),
    Column("provider", String(32), nullable=True),
    Column("ref", Text, nullable=True),
    Column("version", Integer, nullable=True),
    Column("created_us", BigInteger, nullable=True),
    Column("destroyed_us", BigInteger, nullable=False),
    # When the provider said that the key is gone; until then it is asked again. Other keys than the master's go with
    # their row, and nobody need be asked.
    Column("confirmed_us", BigInteger, nullable=True),
    *_signature(),
    CheckConstraint("kind IN ('master','user','data')", name="kind"),
)

credentials = Table(
    "credentials",
    metadata,
    _uuid("id", primary_key=True),
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", String(256), nullable=False),
    # A keyed digest to find a passkey or an outside identity by; None for those that are looked up by user.
    Column("lookup", LargeBinary(32), nullable=True, unique=True),
    _uuid("user_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=True),
    *_signature(),
    Index("ix_credentials_user", "user_id", "kind"),
    Index("ix_credentials_user_key", "user_key_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(12), primary_key=True),
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
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
    *_signature(),
    Index("ix_sessions_user", "user_id", "created_us"),
    Index("ix_sessions_expires", "expires_us"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    _uuid("accessor", nullable=False, unique=True),
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
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
    *_signature(),
    Index("ix_tokens_user", "user_id", "created_us"),
    Index("ix_tokens_parent", "parent_id"),
)

grants = Table(
    "grants",
    metadata,
    _uuid("id", primary_key=True),
    Column("token_id", String(12), ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
    _uuid("environment_id", nullable=True),
    Column("path", String(256), nullable=True),
    Column("globals", Boolean, nullable=False),
    Column("permissions", String(128), nullable=False),
    *_signature(),
    Index("ix_grants_token", "token_id"),
)

environments = Table(
    "environments",
    metadata,
    _uuid("id", primary_key=True),
    _uuid("owner_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(256), nullable=False),
    Column("sealing", String(8), nullable=False),
    # No foreign key: revisions refer to environments, and a circle would tie both tables' writes together.
    _uuid("current_revision_id", nullable=True),
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
    *_signature(),
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
    _uuid("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _uuid("base_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    *_signature(),
)

data_keys = Table(
    "data_keys",
    metadata,
    _uuid("id", primary_key=True),
    _uuid("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    _uuid("owner_id", nullable=False),
    _uuid("user_key_id", ForeignKey("user_keys.id", ondelete="RESTRICT"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    *_signature(),
    CheckConstraint("state IN ('active','retired')", name="state"),
    Index("ix_data_keys_environment", "environment_id"),
    Index("ix_data_keys_user_key", "user_key_id"),
)

revisions = Table(
    "revisions",
    metadata,
    _uuid("id", primary_key=True),
    _uuid("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("number", BigInteger, nullable=False),
    _uuid("data_key_id", ForeignKey("data_keys.id", ondelete="RESTRICT"), nullable=True),
    Column("blob", LargeBinary, nullable=True),
    Column("size", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("deletion_us", BigInteger, nullable=True),
    Column("destroyed", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
    *_signature(),
    UniqueConstraint("environment_id", "number"),
    Index("ix_revisions_data_key", "data_key_id"),
)

changes = Table(
    "changes",
    metadata,
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    _uuid("environment_id", nullable=True),
    Column("revision", BigInteger, nullable=True),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_changes_at", "at_us"),
)

audit_events = Table(
    "audit_events",
    metadata,
    # The columns of `vault.model.event.Event`, in its order.
    _uuid("id", primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    # Neither of these has a foreign key: the audit outlives the account.
    _uuid("user_id", nullable=True),
    _uuid("actor_id", nullable=True),
    Column("actor", String(80), nullable=False),
    Column("action", String(64), nullable=False),
    Column("result", String(32), nullable=False),
    _uuid("environment_id", nullable=True),
    Column("revision", BigInteger, nullable=True),
    Column("blob_sha256", LargeBinary(32), nullable=True),
    Column("request_id", String(36), nullable=False),
    Column("details", Text, nullable=False),
    # Ids, versions and MACs of the rows of authority that the event wrote, as JSON.
    Column("rows", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("names", Text, nullable=False),
    Column("salt", LargeBinary(16), nullable=True),
    Column("commitment", LargeBinary(32), nullable=False),
    # Its place in the tree; nothing until it has one, at most about a second long.
    Column("sequence", BigInteger, nullable=True, unique=True),
    # Over the leaf, and over its place once it has one: it tells which event was changed, where the root tells only
    # that one was.
    Column("mac_key_id", String(36), nullable=False),
    Column("mac", LargeBinary(32), nullable=False),
    Index("ix_audit_events_user", "user_id", "at_us"),
    Index("ix_audit_events_at", "at_us"),
    Index("ix_audit_events_actor", "actor_id", "at_us"),
    Index(
        "ix_audit_events_waiting",
        "at_us",
        "id",
        sqlite_where=text("sequence IS NULL"),
        postgresql_where=text("sequence IS NULL"),
    ),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    # The right edge of the tree: see `crypto/merkle.py`.
    Column("edge", LargeBinary, nullable=False),
    # The newest checkpoint, signed: what vouches for the other columns.
    Column("note", Text, nullable=False),
    # Up to where events have been forwarded.
    Column("forwarded", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

audit_pruned = Table(
    "audit_pruned",
    metadata,
    # The hashes of pruned leaves, one after the other, from place `first` on: the tree stays whole.
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    *_signature(),
)

challenges = Table(
    "challenges",
    metadata,
    _uuid("id", primary_key=True),
    Column("purpose", String(16), nullable=False),
    # Nobody, while somebody signs in with a passkey and has not said yet who they are.
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    # What was proven so far, and by whom: sealed and bound to this row, so that nobody else can write it.
    Column("user_key_id", String(36), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    # A keyed digest of where it was asked for; None where a password or a session stands behind it.
    Column("address", LargeBinary(32), nullable=True),
    Column("attempts_left", Integer, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("ix_challenges_user", "user_id", "purpose"),
    Index("ix_challenges_address", "address"),
    Index("ix_challenges_expires", "expires_us"),
)

idempotency = Table(
    "idempotency",
    metadata,
    # A keyed digest of principal, method, path and the caller's key.
    Column("scope", LargeBinary(32), primary_key=True),
    # Whose answer it is: it goes with its person, and nobody may have any number of them.
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("blob", LargeBinary, nullable=True),
    Column("user_key_id", String(36), nullable=True),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    # The topmost token of the answer; NULL for a session. One token must not push out answers of the person's others.
    Column("holder", String(12), nullable=True),
    Index("ix_idempotency_user", "user_id", "created_us"),
    Index("ix_idempotency_holder", "user_id", "holder", "created_us"),
    Index("ix_idempotency_expires", "expires_us"),
)

wrapped_answers = Table(
    "wrapped_answers",
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    # Whose answer it is: it goes with its person.
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("user_key_id", String(36), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    # The topmost token above the caller; NULL for a session.
    Column("token_id", String(12), nullable=True),
    Index("ix_wrapped_answers_user", "user_id"),
    Index("ix_wrapped_answers_token", "token_id"),
    Index("ix_wrapped_answers_expires", "expires_us"),
)

throttle = Table(
    "throttle",
    metadata,
    # A keyed digest of what is counted: neither names nor addresses that failed lie here in the clear.
    Column("bucket", LargeBinary(32), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("window_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    # From when on it counts no more, whatever happens: its window after the last failure.
    Column("ends_us", BigInteger, nullable=False),
    Index("ix_throttle_ends", "ends_us"),
)

known_addresses = Table(
    "known_addresses",
    metadata,
    _uuid("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", LargeBinary(32), primary_key=True),
    Column("succeeded_us", BigInteger, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    _uuid("id", primary_key=True),
    Column("host", String(256), nullable=False),
    Column("pid", Integer, nullable=False),
    # The highest version of the master key that this worker has unwrapped a canary with, and the row version of
    # `vault_state` up to which it has learned everything.
    Column("knows_version", Integer, nullable=False),
    Column("state_version", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("lease_until_us", BigInteger, nullable=False),
    # Its release, and the newest row format in its code. No format is written that a running worker does not know.
    Column("release", String(32), nullable=False, server_default=text("''")),
    Column("row_format", Integer, nullable=False, server_default=text("1")),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    _uuid("holder", nullable=False),
    Column("until_us", BigInteger, nullable=False),
)
