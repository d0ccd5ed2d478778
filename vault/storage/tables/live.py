"""Tables of the change feed and of reads that are kept in memory. None is signed, because none gives anybody rights."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from vault.storage.tables.parts import metadata, uuid_column

# The epoch of the feed's numbers. After a restore or a promotion numbers repeat, so the epoch changes.
feed = Table(
    "feed",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    uuid_column("epoch", nullable=False),
    Column("began_us", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# A ticket opens one WebSocket of a page, once, within 30 seconds.
sync_tickets = Table(
    "sync_tickets",
    metadata,
    # A keyed digest of the ticket.
    Column("digest", LargeBinary(32), primary_key=True),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("session_id", String(12), ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("ix_sync_tickets_user", "user_id"),
    Index("ix_sync_tickets_session", "session_id"),
    Index("ix_sync_tickets_expires", "expires_us"),
)

# A number for each person. It rises with every change that can change the result of a read.
read_marks = Table(
    "read_marks",
    metadata,
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("read_seq", BigInteger, nullable=False),
)
