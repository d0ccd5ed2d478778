"""Rows of OAuth clients, of trusts in outside identities, and of the tokens that both give."""

from __future__ import annotations

from vault.storage.signing.repository import Record, Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.tables.identity import (
    access_tokens,
    machine_credentials,
    oauth_clients,
    refresh_families,
    refresh_tokens,
    trusts,
)


class OauthClients(Repository[Record]):
    """Programs that may ask for tokens."""

    signed = SignedTable(oauth_clients)


class MachineCredentials(Repository[Record]):
    """What clients prove themselves with. `used_us` only tells when."""

    signed = SignedTable(machine_credentials, uncovered=("used_us",))


class RefreshFamilies(Repository[Record]):
    """Consents, each with the tokens that came of it."""

    signed = SignedTable(refresh_families)


class RefreshTokens(Repository[Record]):
    """The secrets themselves are never stored, only their keyed digests."""

    signed = SignedTable(refresh_tokens)


class AccessTokens(Repository[Record]):
    """Short tokens of a client or a trust."""

    signed = SignedTable(access_tokens)


class Trusts(Repository[Record]):
    """Which outside identity gets which grants. `used_us` only tells when."""

    signed = SignedTable(trusts, uncovered=("used_us",))
