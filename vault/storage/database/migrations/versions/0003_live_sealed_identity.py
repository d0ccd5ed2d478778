"""Columns and tables for live changes, sealed environments, identity and base environments. It only expands."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

OLDEST_READER = 2


def upgrade() -> None:
    _add_columns()
    _make_live()
    _make_sealed()
    _make_clients()
    _make_refresh()
    _make_trusts()
    readers = sa.table("schema_readers", sa.column("revision"), sa.column("oldest_reader"))
    op.bulk_insert(readers, [{"revision": revision, "oldest_reader": OLDEST_READER}])


def _add_columns() -> None:
    op.add_column("changes", sa.Column("old_name", sa.String(length=256), nullable=True))
    op.add_column("changes", sa.Column("new_name", sa.String(length=256), nullable=True))
    op.add_column(
        "environments", sa.Column("base_ids", sa.String(length=300), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("environments", sa.Column("next_expiry_us", sa.BigInteger(), nullable=True))
    op.add_column(
        "environments", sa.Column("require_reason", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("environments", sa.Column("last_read_us", sa.BigInteger(), nullable=True))
    op.add_column("idempotency", sa.Column("proof", sa.LargeBinary(length=32), nullable=True))
    op.add_column("revisions", sa.Column("content_key_id", sa.String(length=36), nullable=True))
    op.add_column("revisions", sa.Column("previous_hash", sa.LargeBinary(length=32), nullable=True))
    op.add_column("revisions", sa.Column("signature", sa.LargeBinary(length=64), nullable=True))
    op.add_column("tokens", sa.Column("may_rotate", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("tokens", sa.Column("certificate_pin", sa.LargeBinary(length=32), nullable=True))
    op.add_column(
        "users", sa.Column("must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )


def _make_live() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(length=36), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )
    op.create_table(
        "sync_tickets",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=12), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_sync_tickets_session_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sync_tickets_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sync_tickets")),
    )
    op.create_index("ix_sync_tickets_expires", "sync_tickets", ["expires_us"], unique=False)
    op.create_index("ix_sync_tickets_session", "sync_tickets", ["session_id"], unique=False)
    op.create_index("ix_sync_tickets_user", "sync_tickets", ["user_id"], unique=False)
    op.create_table(
        "read_marks",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_read_marks_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_read_marks")),
    )


def _make_sealed() -> None:
    op.create_table(
        "client_key_sets",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("user_key_id", sa.String(length=36), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_client_key_sets_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_client_key_sets_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_key_id"],
            ["user_keys.id"],
            name=op.f("fk_client_key_sets_user_key_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_client_key_sets")),
    )
    op.create_index("ix_client_key_sets_user_key", "client_key_sets", ["user_key_id"], unique=False)
    op.create_table(
        "client_key_slots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user_key_id", sa.String(length=36), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_client_key_slots_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["client_key_sets.user_id"], name=op.f("fk_client_key_slots_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_key_id"],
            ["user_keys.id"],
            name=op.f("fk_client_key_slots_user_key_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_key_slots")),
    )
    op.create_index("ix_client_key_slots_user", "client_key_slots", ["user_id"], unique=False)
    op.create_index("ix_client_key_slots_user_key", "client_key_slots", ["user_key_id"], unique=False)
    op.create_table(
        "unlock_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("token_id", sa.String(length=12), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("user_key_id", sa.String(length=36), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_unlock_keys_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_unlock_keys_token_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["client_key_sets.user_id"], name=op.f("fk_unlock_keys_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_key_id"],
            ["user_keys.id"],
            name=op.f("fk_unlock_keys_user_key_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlock_keys")),
        sa.UniqueConstraint("token_id", name=op.f("uq_unlock_keys_token_id")),
    )
    op.create_index("ix_unlock_keys_user", "unlock_keys", ["user_id"], unique=False)
    op.create_index("ix_unlock_keys_user_key", "unlock_keys", ["user_key_id"], unique=False)
    op.create_table(
        "content_key_wraps",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("content_key_id", sa.String(length=36), nullable=False),
        sa.Column("unlock_key_id", sa.String(length=36), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("user_key_id", sa.String(length=36), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_content_key_wraps_environment_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_content_key_wraps_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["unlock_key_id"], ["unlock_keys.id"], name=op.f("fk_content_key_wraps_unlock_key_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["client_key_sets.user_id"], name=op.f("fk_content_key_wraps_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_key_id"],
            ["user_keys.id"],
            name=op.f("fk_content_key_wraps_user_key_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_key_wraps")),
        sa.UniqueConstraint(
            "content_key_id", "unlock_key_id", name=op.f("uq_content_key_wraps_content_key_id_unlock_key_id")
        ),
    )
    op.create_index("ix_content_key_wraps_environment", "content_key_wraps", ["environment_id"], unique=False)
    op.create_index("ix_content_key_wraps_unlock_key", "content_key_wraps", ["unlock_key_id"], unique=False)
    op.create_index("ix_content_key_wraps_user", "content_key_wraps", ["user_id"], unique=False)
    op.create_index("ix_content_key_wraps_user_key", "content_key_wraps", ["user_key_id"], unique=False)


def _make_clients() -> None:
    op.create_table(
        "oauth_clients",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("grant_types", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_oauth_clients_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_oauth_clients_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_clients")),
    )
    op.create_index("ix_oauth_clients_user", "oauth_clients", ["user_id"], unique=False)
    op.create_table(
        "machine_credentials",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("digest_key_id", sa.String(length=36), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.id"], name=op.f("fk_machine_credentials_client_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_machine_credentials_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine_credentials")),
    )
    op.create_index("ix_machine_credentials_client", "machine_credentials", ["client_id"], unique=False)
    op.create_table(
        "oauth_codes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("user_code", sa.LargeBinary(length=32), nullable=True),
        sa.Column("user_key_id", sa.String(length=36), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=True),
        sa.Column("attempts_left", sa.Integer(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.id"], name=op.f("fk_oauth_codes_client_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_oauth_codes_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_codes")),
        sa.UniqueConstraint("user_code", name=op.f("uq_oauth_codes_user_code")),
    )
    op.create_index("ix_oauth_codes_client", "oauth_codes", ["client_id"], unique=False)
    op.create_index("ix_oauth_codes_expires", "oauth_codes", ["expires_us"], unique=False)
    op.create_index("ix_oauth_codes_user", "oauth_codes", ["user_id"], unique=False)


def _make_refresh() -> None:
    op.create_table(
        "refresh_families",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.id"], name=op.f("fk_refresh_families_client_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_refresh_families_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_refresh_families_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_families")),
    )
    op.create_index("ix_refresh_families_client", "refresh_families", ["client_id"], unique=False)
    op.create_index("ix_refresh_families_expires", "refresh_families", ["expires_us"], unique=False)
    op.create_index("ix_refresh_families_user", "refresh_families", ["user_id"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("family_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest_key_id", sa.String(length=36), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("successor_id", sa.String(length=12), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["family_id"], ["refresh_families.id"], name=op.f("fk_refresh_tokens_family_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_refresh_tokens_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["family_id"], unique=False)


def _make_trusts() -> None:
    op.create_table(
        "trusts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("grants", sa.Text(), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("ttl_seconds", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=True),
        sa.Column("max_age_seconds", sa.BigInteger(), nullable=False),
        sa.Column("jti_once", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_trusts_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_trusts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trusts")),
    )
    op.create_index("ix_trusts_user", "trusts", ["user_id"], unique=False)
    op.create_table(
        "used_jtis",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("trust_id", sa.String(length=36), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["trust_id"], ["trusts.id"], name=op.f("fk_used_jtis_trust_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_jtis")),
    )
    op.create_index("ix_used_jtis_expires", "used_jtis", ["expires_us"], unique=False)
    op.create_index("ix_used_jtis_trust", "used_jtis", ["trust_id"], unique=False)
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=True),
        sa.Column("family_id", sa.String(length=36), nullable=True),
        sa.Column("trust_id", sa.String(length=36), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("digest_key_id", sa.String(length=36), nullable=False),
        sa.Column("grants", sa.Text(), nullable=False),
        sa.Column("networks", sa.Text(), nullable=False),
        sa.Column("certificate_pin", sa.LargeBinary(length=32), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("row_format", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("mac_key_id", sa.String(length=36), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_clients.id"], name=op.f("fk_access_tokens_client_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["family_id"], ["refresh_families.id"], name=op.f("fk_access_tokens_family_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mac_key_id"], ["system_secrets.id"], name=op.f("fk_access_tokens_mac_key_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["trust_id"], ["trusts.id"], name=op.f("fk_access_tokens_trust_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_access_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_tokens")),
    )
    op.create_index("ix_access_tokens_client", "access_tokens", ["client_id"], unique=False)
    op.create_index("ix_access_tokens_expires", "access_tokens", ["expires_us"], unique=False)
    op.create_index("ix_access_tokens_family", "access_tokens", ["family_id"], unique=False)
    op.create_index("ix_access_tokens_trust", "access_tokens", ["trust_id"], unique=False)
    op.create_index("ix_access_tokens_user", "access_tokens", ["user_id"], unique=False)
