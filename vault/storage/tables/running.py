"""Tables of activity: changes, the audit, open logins, stored answers, counters and workers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from vault.storage.tables.parts import metadata, signature_columns, uuid_column

changes = Table(
    "changes",
    metadata,
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    uuid_column("environment_id", nullable=True),
    Column("revision", BigInteger, nullable=True),
    Column("at_us", BigInteger, nullable=False),
    # The old name of a renamed environment, for readers whose grant covered that name. Where it gets no new name,
    # `new_name` may have its former bases: see `ChangeRow`.
    Column("old_name", String(256), nullable=True),
    Column("new_name", String(256), nullable=True),
    Index("ix_changes_at", "at_us"),
)

audit_events = Table(
    "audit_events",
    metadata,
    # The columns of `vault.model.event.Event`, in its order.
    uuid_column("id", primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    # No foreign keys here: audit events remain after an erasure.
    uuid_column("user_id", nullable=True),
    uuid_column("actor_id", nullable=True),
    Column("actor", String(80), nullable=False),
    Column("action", String(64), nullable=False),
    Column("result", String(32), nullable=False),
    uuid_column("environment_id", nullable=True),
    Column("revision", BigInteger, nullable=True),
    Column("blob_sha256", LargeBinary(32), nullable=True),
    Column("request_id", String(36), nullable=False),
    Column("details", Text, nullable=False),
    # JSON: ids, versions and MACs of the signed rows that the event wrote.
    Column("rows", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("names", Text, nullable=False),
    Column("salt", LargeBinary(16), nullable=True),
    Column("commitment", LargeBinary(32), nullable=False),
    # The position in the tree. NULL for about a second, until it has one.
    Column("sequence", BigInteger, nullable=True, unique=True),
    # The MAC covers the leaf, and the position once it is known. It shows which event was changed; the root only shows
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
    # The newest checkpoint. Its signature protects the other columns.
    Column("note", Text, nullable=False),
    # The position up to which events have been forwarded.
    Column("forwarded", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

audit_pruned = Table(
    "audit_pruned",
    metadata,
    # The hashes of pruned leaves from position `first` on. The tree still needs them.
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    *signature_columns(),
)

challenges = Table(
    "challenges",
    metadata,
    uuid_column("id", primary_key=True),
    Column("purpose", String(16), nullable=False),
    # NULL for a login with a passkey alone, before the person is known.
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    # What was proven so far, and by whom. It is sealed and bound to this row, so it cannot be forged.
    Column("user_key_id", String(36), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    # A keyed digest of the address. NULL after a password or for a session.
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
    # The owner of the answer. The row is deleted with the person, and the number of rows for a person is limited.
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("blob", LargeBinary, nullable=True),
    Column("user_key_id", String(36), nullable=True),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    # The topmost token of the answer; NULL for a session. One token must not push out answers of the person's others.
    Column("holder", String(12), nullable=True),
    # A keyed digest of everything the call required of its caller. A replay must meet the same.
    Column("proof", LargeBinary(32), nullable=True),
    Index("ix_idempotency_user", "user_id", "created_us"),
    Index("ix_idempotency_holder", "user_id", "holder", "created_us"),
    Index("ix_idempotency_expires", "expires_us"),
)

wrapped_answers = Table(
    "wrapped_answers",
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    # The owner of the answer. The row is deleted with the person.
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
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
    # A keyed digest of what is counted, so names and addresses of failed logins are not stored.
    Column("bucket", LargeBinary(32), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("window_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    # When the counter ends in any case: one window after the last failure.
    Column("ends_us", BigInteger, nullable=False),
    Index("ix_throttle_ends", "ends_us"),
)

known_addresses = Table(
    "known_addresses",
    metadata,
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", LargeBinary(32), primary_key=True),
    Column("succeeded_us", BigInteger, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    uuid_column("id", primary_key=True),
    Column("host", String(256), nullable=False),
    Column("pid", Integer, nullable=False),
    # The highest version of the master key whose canary this worker has unwrapped, and the row version of `vault_state`
    # up to which it has loaded everything.
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
    uuid_column("holder", nullable=False),
    Column("until_us", BigInteger, nullable=False),
)
