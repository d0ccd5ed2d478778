"""Checks a service token: compares its secret, checks its limits, and counts a use."""

from __future__ import annotations

import functools
import ipaddress

from vault.crypto import TokenKind, digest, parse, same_digest
from vault.errors import Forbidden, MacError, NotAuthenticated
from vault.model.clock import Clock
from vault.model.grant import Grant, Permission
from vault.model.networks import Network, is_within
from vault.model.principal import Principal, PrincipalKind, Role
from vault.services.own.instance import Instance
from vault.services.touches import Touches
from vault.storage import FoundToken, GrantRow, HotReads, Storage, Token

HEADER_WRITES = "header_writes"
"""The metadata name that lets a token write as a Basic or API-key credential, if its value is `true`."""


class TokenHolders:
    """Finds the principal of a service token."""

    def __init__(self, storage: Storage, hot: HotReads, instance: Instance, touches: Touches, clock: Clock) -> None:
        self._storage = storage
        self._hot = hot
        self._instance = instance
        self._touches = touches
        self._clock = clock

    def authenticate(self, text: str, address: str, request_id: str) -> Principal:
        """Return the principal of a token, and count a use if its uses are limited. Raises `NotAuthenticated` for every
        cause.
        """
        parsed = parse(text)
        if parsed.kind is not TokenKind.SERVICE:
            raise NotAuthenticated()
        found = self._hot.token(parsed.id)
        token = found.token if found else None
        is_current, was_replaced = self._match(text, token)
        if not (is_current or was_replaced) or found is None or token is None:
            raise NotAuthenticated()
        now = self._clock()
        self._require_usable(found, address, now)
        if token.uses_left is not None:
            self._spend(token.id)
        self._touches.token(token.id, found.last_used_us, now)
        self._renew_digest(text, token)
        digests = self._digests(text, token) if is_current else (token.previous_digest or b"",)
        return _principal(found, address, request_id, digests, is_current=is_current)

    def again(self, before: Principal) -> tuple[Principal, Token]:
        """Return the principal of a token that was authenticated before, as it is now, and the token.

        This counts no use, so it raises `Forbidden` for a token whose uses are counted. Raises `NotAuthenticated` for
        every other cause.
        """
        found = self._hot.token(before.id)
        if found is None:
            raise NotAuthenticated()
        token, now = found.token, self._clock()
        presented = before.presented_digests
        is_current = any(same_digest(each, token.digest) for each in presented)
        is_rotated = (token.previous_until_us or 0) > now
        was_replaced = is_rotated and any(same_digest(each, token.previous_digest) for each in presented)
        if not (is_current or was_replaced):
            raise NotAuthenticated()
        if token.uses_left is not None:
            raise Forbidden("A token whose uses are counted cannot follow changes.")
        self._require_usable(found, before.address, now)
        return _principal(found, before.address, before.request_id, presented, is_current=is_current), token

    @staticmethod
    def _require_usable(found: FoundToken, address: str, now: int) -> None:
        if not is_living(found.token, now) or found.user.state != "active" or not _is_at_home(found.token, address):
            raise NotAuthenticated()

    def is_secret(self, text: str, token: Token | None) -> bool:
        """Report whether this is the token's secret, or an old one that still works after a rotation."""
        return any(self._match(text, token))

    def _match(self, text: str, token: Token | None) -> tuple[bool, bool]:
        """Report whether this is the token's secret, and whether it is an old one that still works after a rotation."""
        key_id = token.digest_key_id if token else ""
        key = self._instance.secret_by_id("token", key_id) or self._instance.secret("token")
        given = digest(key, text)
        is_current = same_digest(given, token.digest if token else None)
        # Always make the second comparison. Otherwise the response time would show whether the token was rotated.
        is_rotated = token is not None and (token.previous_until_us or 0) > self._clock()
        old = token if is_rotated else None
        old_key = self._instance.secret_by_id("token", old.previous_digest_key_id or "") if old else None
        given_then = given if old_key is None or old_key is key else digest(old_key, text)
        was_replaced = same_digest(given_then, old.previous_digest if old else None)
        return is_current, was_replaced

    def _digests(self, text: str, token: Token) -> tuple[bytes, ...]:
        """Return the stored digest of the current secret, and the one that `_renew_digest` stores in its place."""
        key = self._instance.secret("token")
        return (token.digest,) if token.digest_key_id == key.id else (token.digest, digest(key, text))

    def _renew_digest(self, text: str, token: Token) -> None:
        """Store the digest under the new key, after a reseal. This needs the secret, so it can only be done when a
        token is used.
        """
        key = self._instance.secret("token")
        if token.digest_key_id == key.id:
            return
        old = self._instance.secret_by_id("token", token.digest_key_id)
        # An old secret that still works after a rotation must not become the current one.
        if old is not None and same_digest(digest(old, text), token.digest):
            self._touches.token_digest(token.id, token.digest, {"digest": digest(key, text), "digest_key_id": key.id})

    def _spend(self, token_id: str) -> None:
        """Count one use. If many calls come at once, each use is counted exactly once."""
        with self._storage.write() as unit:
            row = unit.tokens.by_id(token_id, lock=True)
            if row is None or row.uses_left is None or not is_living(row, self._clock()):
                raise NotAuthenticated()
            unit.tokens.change(row, uses_left=row.uses_left - 1)


def _principal(
    found: FoundToken, address: str, request_id: str, digests: tuple[bytes, ...], *, is_current: bool
) -> Principal:
    return Principal(
        PrincipalKind.TOKEN,
        found.token.id,
        found.token.user_id,
        found.user.name,
        Role.USER,
        tuple(map(grant_of, found.grants)),
        address=address,
        request_id=request_id,
        header_writes=_writes_by_header(found.token),
        by_replaced_secret=not is_current,
        secret_digests=digests if is_current else (),
        presented_digests=digests,
        newest_change=found.newest_change,
    )


def grant_of(row: GrantRow) -> Grant:
    """Return the grant in a row. Raises `MacError` for an unknown permission."""
    return Grant(_permissions(row.permissions), row.environment_id, row.path, row.globals)


def is_living(token: Token, now: int) -> bool:
    """Report whether a token is active: it is not revoked, not expired, and has uses left."""
    if token.revoked_us is not None or (token.expires_us is not None and token.expires_us <= now):
        return False
    return token.uses_left is None or token.uses_left > 0


@functools.lru_cache(maxsize=256)
def _permissions(text: str) -> frozenset[Permission]:
    try:
        return frozenset(Permission(part) for part in text.split(","))
    except ValueError as error:
        raise MacError() from error


def _is_at_home(token: Token, address: str) -> bool:
    networks = _networks(token.network_list)
    return not networks or is_within(address, networks)


@functools.lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


def _writes_by_header(token: Token) -> bool:
    # Search the text first: this runs for each request, and nearly no token has this name.
    return HEADER_WRITES in token.metadata and token.metadata_map.get(HEADER_WRITES) == "true"
