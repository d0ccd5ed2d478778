"""Rows of OAuth clients, of trusts in outside identities, and of the tokens that both give."""

from __future__ import annotations

from dataclasses import dataclass

from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.tables.identity import (
    access_tokens,
    machine_credentials,
    oauth_clients,
    refresh_families,
    refresh_tokens,
    trusts,
)


@dataclass(frozen=True, slots=True)
class OauthClient(SignedRow):
    """A program that may ask for access."""

    id: str
    user_id: str | None
    name: str
    redirect_uris: str
    grant_types: str
    scope: str
    created_us: int
    revoked_us: int | None


class OauthClients(Repository[OauthClient]):
    """Programs that may ask for tokens."""

    noun = OauthClient
    signed = SignedTable(oauth_clients)


@dataclass(frozen=True, slots=True)
class MachineCredential(SignedRow):
    """A client's credential."""

    id: str
    client_id: str
    kind: str
    digest: bytes | None
    digest_key_id: str | None
    public_key: str | None
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    used_us: int | None


class MachineCredentials(Repository[MachineCredential]):
    """How clients authenticate. `used_us` is only information."""

    noun = MachineCredential
    signed = SignedTable(machine_credentials, uncovered=("used_us",))


@dataclass(frozen=True, slots=True)
class RefreshFamily(SignedRow):
    """The refresh tokens of one consent."""

    id: str
    client_id: str
    user_id: str
    scope: str
    created_us: int
    expires_us: int
    ended_us: int | None


class RefreshFamilies(Repository[RefreshFamily]):
    """Consents. Each has the refresh tokens that follow from it."""

    noun = RefreshFamily
    signed = SignedTable(refresh_families)


@dataclass(frozen=True, slots=True)
class RefreshToken(SignedRow):
    """One refresh token."""

    id: str
    family_id: str
    digest: bytes
    digest_key_id: str
    created_us: int
    used_us: int | None
    successor_id: str | None


class RefreshTokens(Repository[RefreshToken]):
    """Refresh tokens. Only keyed digests of the secrets are stored."""

    noun = RefreshToken
    signed = SignedTable(refresh_tokens)


@dataclass(frozen=True, slots=True)
class AccessToken(SignedRow):
    """A short-lived token of a client or a trust."""

    id: str
    user_id: str
    client_id: str | None
    family_id: str | None
    trust_id: str | None
    digest: bytes
    digest_key_id: str
    grants: str
    networks: str
    certificate_pin: bytes | None
    created_us: int
    expires_us: int
    revoked_us: int | None


class AccessTokens(Repository[AccessToken]):
    """Short-lived tokens of a client or a trust."""

    noun = AccessToken
    signed = SignedTable(access_tokens)


@dataclass(frozen=True, slots=True)
class Trust(SignedRow):
    """Which outside identity gets which grants."""

    id: str
    user_id: str
    kind: str
    name: str
    issuer: str
    audience: str
    conditions: str
    keys: str
    grants: str
    networks: str
    ttl_seconds: int
    uses: int | None
    max_age_seconds: int
    jti_once: bool
    created_us: int
    revoked_us: int | None
    used_us: int | None


class Trusts(Repository[Trust]):
    """Which outside identity gets which grants. `used_us` is only information."""

    noun = Trust
    signed = SignedTable(trusts, uncovered=("used_us",))
