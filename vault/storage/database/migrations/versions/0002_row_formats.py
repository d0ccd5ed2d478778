"""Row formats, and what else a second release needs. It upgrades release 0.1.0 with a stop.

Migrations after this one run while an older release serves, so they only expand: each new column is nullable or has a
server default, nothing is dropped or renamed, and no existing column changes. One that cannot do so raises its oldest
reader (`schema_readers`). `tests/integration/storage/test_expand_only.py` holds each of them to that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OLDEST_READER = 2

_SIGNED = (
    "vault_state",
    "master_keys",
    "users",
    "user_keys",
    "system_secrets",
    "destroyed_keys",
    "tokens",
    "grants",
    "environments",
    "layers",
    "data_keys",
    "revisions",
    "audit_pruned",
)
_KIND_CHECKS = {"sessions": "ck_sessions_kind", "credentials": "ck_credentials_kind"}


def upgrade() -> None:
    for table in _SIGNED:
        op.add_column(table, _row_format())
    for table, check in _KIND_CHECKS.items():
        _drop_check(table, check, _row_format())
    _drop_check("challenges", "ck_challenges_purpose")
    _split_lock_flag()
    _make_catalogues()
    op.add_column("workers", sa.Column("release", sa.String(32), nullable=False, server_default=sa.text("''")))
    op.add_column("workers", _row_format())
    op.add_column("wrapped_answers", sa.Column("token_id", sa.String(12), nullable=True))
    op.create_index("ix_wrapped_answers_token", "wrapped_answers", ["token_id"])
    op.add_column("idempotency", sa.Column("holder", sa.String(12), nullable=True))
    op.create_index("ix_idempotency_holder", "idempotency", ["user_id", "holder", "created_us"])
    op.create_index("ix_audit_events_actor", "audit_events", ["actor_id", "at_us"])


def _row_format() -> sa.Column[int]:
    return sa.Column("row_format", sa.Integer(), nullable=False, server_default=sa.text("1"))


def _drop_check(table: str, check: str, *added: sa.Column[int]) -> None:
    """Drop a CHECK that lists kinds: a new kind would be a new table on SQLite. The code has the lists."""
    if op.get_bind().dialect.name == "sqlite":
        # The only way on SQLite is to build the table again. Nothing refers to these tables, so dropping the old one
        # deletes nothing elsewhere.
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.drop_constraint(op.f(check), type_="check")
            for column in added:
                batch.add_column(column)
        return
    op.drop_constraint(op.f(check), table, type_="check")
    for column in added:
        op.add_column(table, column)


def _split_lock_flag() -> None:
    op.create_table(
        "lock_flag",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_lock_flag_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lock_flag")),
    )
    op.execute("INSERT INTO lock_flag (id, locked, changed_us) SELECT 1, locked, 0 FROM vault_state")
    op.drop_column("vault_state", "locked")


def _make_catalogues() -> None:
    op.create_table(
        "row_formats",
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("table_name", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("settled_us", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        _row_format(),
        sa.Column("mac_key_id", sa.String(36), nullable=False),
        sa.Column("mac", sa.LargeBinary(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_row_formats_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_row_formats")),
    )
    readers = op.create_table(
        "schema_readers",
        sa.Column("revision", sa.String(32), nullable=False),
        sa.Column("oldest_reader", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_readers")),
    )
    op.bulk_insert(readers, [{"revision": revision, "oldest_reader": OLDEST_READER}])
