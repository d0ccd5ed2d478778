"""Tables of OAuth 2.0 and of workload identity: clients, consents, trusts, and used tokens."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from vault.storage.tables.parts import metadata, signature_columns, uuid_column

oauth_clients = Table(
    "oauth_clients",
    metadata,
    uuid_column("id", primary_key=True),
    # NULL if an operator has made it for everybody.
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    Column("name", String(256), nullable=False),
    # JSON: exact redirect addresses, the kinds of grants, and the widest scope.
    Column("redirect_uris", Text, nullable=False),
    Column("grant_types", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_oauth_clients_user", "user_id"),
)

# How a client authenticates: with a secret, a public key, or a certificate.
machine_credentials = Table(
    "machine_credentials",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("client_id", ForeignKey("oauth_clients.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    # A keyed digest of a secret, or the SHA-256 of a certificate's public key.
    Column("digest", LargeBinary(32), nullable=True),
    Column("digest_key_id", String(36), nullable=True),
    Column("public_key", Text, nullable=True),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=True),
    Column("revoked_us", BigInteger, nullable=True),
    Column("used_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_machine_credentials_client", "client_id"),
)

# Codes that are not redeemed yet, of an authorisation or of a device.
oauth_codes = Table(
    "oauth_codes",
    metadata,
    # A keyed digest of the code.
    Column("digest", LargeBinary(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    uuid_column("client_id", ForeignKey("oauth_clients.id", ondelete="CASCADE"), nullable=False),
    # NULL while a device waits for a person.
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    # A keyed digest of the code that the person types.
    Column("user_code", LargeBinary(32), nullable=True, unique=True),
    # What was asked and allowed. It is sealed and bound to this row, so it cannot be forged.
    Column("user_key_id", String(36), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    # The family that the code started. If the code is used again, the family ends.
    uuid_column("family_id", nullable=True),
    Column("attempts_left", Integer, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("ix_oauth_codes_client", "client_id"),
    Index("ix_oauth_codes_user", "user_id"),
    Index("ix_oauth_codes_expires", "expires_us"),
)

# All refresh tokens that follow from one consent.
refresh_families = Table(
    "refresh_families",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("client_id", ForeignKey("oauth_clients.id", ondelete="CASCADE"), nullable=False),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_refresh_families_client", "client_id"),
    Index("ix_refresh_families_user", "user_id"),
    Index("ix_refresh_families_expires", "expires_us"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    uuid_column("family_id", ForeignKey("refresh_families.id", ondelete="CASCADE"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("digest_key_id", String(36), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # When it was exchanged, and for which token. A second exchange ends the family.
    Column("used_us", BigInteger, nullable=True),
    Column("successor_id", String(12), nullable=True),
    *signature_columns(),
    Index("ix_refresh_tokens_family", "family_id"),
)

# Which outside identity gets which grants.
trusts = Table(
    "trusts",
    metadata,
    uuid_column("id", primary_key=True),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(256), nullable=False),
    Column("issuer", Text, nullable=False),
    Column("audience", Text, nullable=False),
    # JSON: conditions on claims, given keys and algorithms, and the grants.
    Column("conditions", Text, nullable=False),
    Column("keys", Text, nullable=False),
    Column("grants", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("ttl_seconds", BigInteger, nullable=False),
    # The number of uses of each token, the greatest age of an outside token, and whether it works only once.
    Column("uses", BigInteger, nullable=True),
    Column("max_age_seconds", BigInteger, nullable=False),
    Column("jti_once", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger, nullable=True),
    Column("used_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_trusts_user", "user_id"),
)

# Outside tokens that work only once and have been used.
used_jtis = Table(
    "used_jtis",
    metadata,
    # A keyed digest of the trust and the token's `jti`.
    Column("digest", LargeBinary(32), primary_key=True),
    uuid_column("trust_id", ForeignKey("trusts.id", ondelete="CASCADE"), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("ix_used_jtis_trust", "trust_id"),
    Index("ix_used_jtis_expires", "expires_us"),
)

# Short-lived tokens of a client or a trust. They lock no user's row and write no change.
access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    uuid_column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    uuid_column("client_id", ForeignKey("oauth_clients.id", ondelete="CASCADE"), nullable=True),
    uuid_column("family_id", ForeignKey("refresh_families.id", ondelete="CASCADE"), nullable=True),
    uuid_column("trust_id", ForeignKey("trusts.id", ondelete="CASCADE"), nullable=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("digest_key_id", String(36), nullable=False),
    # JSON.
    Column("grants", Text, nullable=False),
    Column("networks", Text, nullable=False),
    # SHA-256 of the public key of the client certificate that must come with the token.
    Column("certificate_pin", LargeBinary(32), nullable=True),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger, nullable=True),
    *signature_columns(),
    Index("ix_access_tokens_user", "user_id"),
    Index("ix_access_tokens_client", "client_id"),
    Index("ix_access_tokens_family", "family_id"),
    Index("ix_access_tokens_trust", "trust_id"),
    Index("ix_access_tokens_expires", "expires_us"),
)
