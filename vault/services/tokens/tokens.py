"""Service tokens: created by people (or, with `delegate`, by tokens), limited by grants, revoked with all they made."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Sequence
from dataclasses import replace

from vault.crypto import TokenKind, digest, mint, parse
from vault.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound, NotGranted, QuotaExceeded
from vault.model.action import Action
from vault.model.clock import DAY_SECONDS, HOUR_SECONDS, SECOND_US, Clock
from vault.model.grant import Grant, Permission, make_grant
from vault.model.networks import Network, as_ipv4
from vault.model.policy import allows_anywhere
from vault.model.principal import Principal, PrincipalKind
from vault.services import audit
from vault.services.environments.environments import Environments
from vault.services.own.instance import Instance
from vault.services.still_valid import require_still_valid
from vault.services.tokens.ending import end_below, end_token
from vault.services.tokens.holders import TokenHolders, is_living
from vault.services.tokens.request import DEFAULT_TTL_SECONDS, GrantRequest, TokenRequest
from vault.services.tokens.step_up import require_proof
from vault.services.tokens.views import TokenView, view_of, views_of
from vault.storage import ColumnValue, ColumnValues, Storage, StoredToken, UnitOfWork
from vault.storage.rows.tokens import texts_of

OVERLAP_MAX_SECONDS = DAY_SECONDS
LOGIN_TTL_SECONDS = HOUR_SECONDS
LOGIN_MAX_TTL_SECONDS = DAY_SECONDS
ENDED_MOST = 200
"""How many ended tokens of a person are kept until the purge, to look them up."""
LOGINS_MOST = 50
"""How many children one token has from logins. For another login, the oldest one ends."""


class Tokens:
    """The service tokens of all people."""

    def __init__(
        self,
        storage: Storage,
        holders: TokenHolders,
        instance: Instance,
        environments: Environments,
        reads: audit.ReadLog,
        clock: Clock,
        *,
        quota: int,
        step_up_days: int,
    ) -> None:
        """`quota` is how many active tokens a person may have. A token that lives longer than `step_up_days` needs a
        recent proof.
        """
        self._quota = quota
        self._step_up_days = step_up_days
        self._reads = reads
        self._storage = storage
        self._holders = holders
        self._instance = instance
        self._environments = environments
        self._clock = clock

    def create(self, unit: UnitOfWork, principal: Principal, request: TokenRequest) -> TokenView:
        """Create a token. A token that a token makes never has more rights or a longer life than its maker.

        Raises `Forbidden`, `NotGranted`, `NotFound` if an environment does not exist, `QuotaExceeded`, `InvalidInput`,
        `StepUpRequired`.
        """
        principal.require_current_secret()
        if not allows_anywhere(principal, (Permission.DELEGATE,)):
            raise Forbidden("This token cannot make tokens: none of its grants has the permission delegate.")
        request.check()
        grants = tuple(
            self._granted(unit, principal, wish, f"grants.{position}") for position, wish in enumerate(request.grants)
        )
        require_proof(principal, request, grants, self._step_up_days, self._clock())
        return self._add(unit, principal, request, grants)

    def log_in(self, unit: UnitOfWork, principal: Principal) -> TokenView:
        """Create a short-lived child with all rights of the token, for clients that log in with a role.

        Raises `QuotaExceeded`, and `InvalidInput` for a token with a limited number of uses.
        """
        principal.require_current_secret()
        parent = _existing(unit.tokens.by_id(principal.id))
        self._end_oldest_login(unit, principal)
        # Don't check the request again: a token that was made under older rules can still log in.
        request = TokenRequest(
            parent.name,
            (),
            ttl_seconds=LOGIN_TTL_SECONDS,
            max_ttl_seconds=LOGIN_MAX_TTL_SECONDS,
            renewable=True,
            metadata=parent.metadata_map,
        )
        return self._add(unit, principal, request, principal.grants or ())

    def _end_oldest_login(self, unit: UnitOfWork, principal: Principal) -> None:
        """Limit the children of one token. Otherwise a read-only token could use up its owner's quota."""
        unit.users.next_change(principal.user_id)
        living = [row for row in unit.tokens.children([principal.id]) if is_living(row, self._clock())]
        for row in sorted(living, key=lambda row: (row.created_us, row.id))[: max(0, len(living) + 1 - LOGINS_MOST)]:
            unit.tokens.change(row, revoked_us=self._clock())
            # The search for what a token has made follows active tokens, so none may be left below this one.
            end_below(unit, [row.id], self._clock())

    def of_accessor(self, principal: Principal, accessor: str) -> TokenView:
        """Return the active token with this accessor. Raises `NotFound`, also for another person's token."""
        with self._storage.read() as unit:
            row = unit.tokens.by_accessor(principal.user_id, accessor)
            if row is None or not is_living(row, self._clock()):
                raise NotFound()
            return view_of(unit, principal, self._visible(unit, principal, row.id))

    def of_secret(self, principal: Principal, text: str) -> TokenView:
        """Return the active token with this secret. Raises `NotFound`, also for another person's token."""
        token_id = _id_in(text)
        with self._storage.read() as unit:
            row = unit.tokens.by_id(token_id)
            if not self._holders.is_secret(text, row) or row is None or not is_living(row, self._clock()):
                raise NotFound()
            return view_of(unit, principal, self._visible(unit, principal, token_id))

    def renew(self, unit: UnitOfWork, principal: Principal, token_id: str, seconds: int | None) -> TokenView:
        """Let a token live for `seconds` from now (None: its ttl), but not beyond its maximum ttl and its maker's life.

        Raises `NotFound`, and `InvalidInput` for a token that is not renewable.
        """
        principal.require_current_secret()
        unit.users.next_change(principal.user_id)
        require_still_valid(unit, principal)
        row, now = self._visible(unit, principal, token_id), self._clock()
        if not is_living(row, now):
            raise NotFound()
        if not row.renewable:
            raise InvalidInput("This token cannot be renewed.")
        if row.expires_us is not None:
            maker = unit.tokens.by_id(row.parent_id) if row.parent_id else None
            row = unit.tokens.change(row, expires_us=_renewed(row, maker, seconds, now))
            audit.record(unit, principal, Action.TOKEN_RENEW)
        return view_of(unit, principal, row)

    def _make_room(self, unit: UnitOfWork, user_id: str, now: int) -> None:
        """Raise `QuotaExceeded` if the person has too many active tokens. Delete the oldest ended tokens."""
        living, ended = unit.tokens.counts(user_id, now)
        if living >= self._quota:
            raise QuotaExceeded("You have reached the limit of tokens. Revoke one first.")
        if ended > ENDED_MOST:
            unit.tokens.trim_ended(user_id, ENDED_MOST, now)

    def _add(self, unit: UnitOfWork, principal: Principal, request: TokenRequest, grants: Sequence[Grant]) -> TokenView:
        seq, now = unit.users.next_change(principal.user_id), self._clock()
        require_still_valid(unit, principal)
        self._make_room(unit, principal.user_id, now)
        minted = mint(TokenKind.SERVICE)
        request = self._within_parent(unit, principal, request, now)
        unit.tokens.add(
            id=minted.id,
            accessor=str(uuid.uuid4()),
            user_id=principal.user_id,
            parent_id=principal.id if principal.kind is PrincipalKind.TOKEN else None,
            created_us=now,
            created_by=principal.label,
            expires_us=_expiry(request, now),
            uses_left=request.uses,
            revoked_us=None,
            last_used_us=None,
            may_rotate=request.may_rotate or not unit.tokens.can_forbid_rotation(),
            **self._secret_columns(minted.text),
            **_asked_columns(request),
        )
        self._add_grants(unit, minted.id, grants)
        unit.changes.add(principal.user_id, seq, Action.TOKEN_CREATE, None, None, now)
        audit.record(unit, principal, Action.TOKEN_CREATE)
        return replace(view_of(unit, principal, _existing(unit.tokens.by_id(minted.id))), secret=minted.text)

    def list(self, principal: Principal, after: tuple[int, str] | None, limit: int) -> list[TokenView]:
        """Return a person's tokens, oldest first. A token gets itself and the tokens that it made."""
        with self._storage.read() as unit:
            made_by = principal.id if principal.kind is PrincipalKind.TOKEN else None
            rows = unit.tokens.page(principal.user_id, after, limit, of_token=made_by)
            views = views_of(unit, principal, rows)
        self._reads.read(principal, Action.TOKEN_LIST)
        return views

    def accessors(self, principal: Principal, limit: int) -> Sequence[str]:
        """Return the accessors of a person's active tokens. A token gets its own and those of the tokens that
        it made.
        """
        with self._storage.read() as unit:
            made_by = principal.id if principal.kind is PrincipalKind.TOKEN else None
            rows = unit.tokens.living_of(principal.user_id, self._clock(), limit, of_token=made_by)
        self._reads.read(principal, Action.TOKEN_LIST)
        return [row.accessor for row in rows]

    def get(self, principal: Principal, token_id: str) -> TokenView:
        """Return one token. Raises `NotFound`, also for another person's token."""
        with self._storage.read() as unit:
            return view_of(unit, principal, self._visible(unit, principal, token_id))

    def rotate(self, unit: UnitOfWork, principal: Principal, token_id: str, overlap_seconds: int) -> TokenView:
        """Give a token a new secret. The old one works for `overlap_seconds`.

        Without an overlap, the tokens that it made end too, as is needed after a leak. Raises `NotFound`, `Forbidden`
        (also for a token that may not rotate itself), `StepUpRequired`, `InvalidInput`.
        """
        principal.require_current_secret()
        if principal.kind is PrincipalKind.SESSION:
            principal.require_recent_proof(self._clock())
        row = self._visible(unit, principal, token_id)
        if principal.id == row.id and not row.may_rotate:
            raise Forbidden(
                "This token may not rotate itself. Its maker can rotate it, or make a token with may_rotate."
            )
        if not 0 <= overlap_seconds <= OVERLAP_MAX_SECONDS:
            raise InvalidInput("The overlap must be from 0 seconds to one day.", path="overlap_seconds")
        unit.users.next_change(row.user_id)
        require_still_valid(unit, principal)
        minted = mint(TokenKind.SERVICE, row.id)
        until = self._clock() + overlap_seconds * SECOND_US if overlap_seconds else None
        previous = (row.digest, row.digest_key_id) if overlap_seconds else (None, None)
        changed = self._secret_columns(minted.text) | {"previous_until_us": until}
        changed |= {"previous_digest": previous[0], "previous_digest_key_id": previous[1]}
        row = unit.tokens.change(row, **changed)
        if not overlap_seconds:
            end_below(unit, [row.id], self._clock())
        audit.record(unit, principal, Action.TOKEN_ROTATE)
        return replace(view_of(unit, principal, row), secret=minted.text)

    def revoke(self, unit: UnitOfWork, principal: Principal, token_id: str) -> None:
        """Revoke a token and all tokens below it, at once. Raises `NotFound`."""
        end_token(unit, principal, self._visible(unit, principal, token_id), self._clock())

    def _granted(self, unit: UnitOfWork, principal: Principal, wish: GrantRequest, where: str) -> Grant:
        environment_id = wish.environment_id
        if wish.environment is not None:
            if environment_id is not None:
                raise InvalidInput("Give the environment's name or its id, not both.", path=where)
            environment_id = self._environments.find(unit, principal, wish.environment, Permission.DELEGATE).id
        grant = make_grant(
            wish.permissions, environment_id=environment_id, path=wish.path, globals=wish.globals, where=where
        )
        if grant.environment_id is not None:
            self._environments.find(unit, principal, grant.environment_id, Permission.DELEGATE)
        if principal.grants is None:
            return grant
        # A token may delegate a grant only if one of its own grants with `delegate` covers it completely.
        if any(Permission.DELEGATE in own.permissions and grant.is_within(own) for own in principal.grants):
            return grant
        raise NotGranted()

    def _within_parent(self, unit: UnitOfWork, principal: Principal, request: TokenRequest, now: int) -> TokenRequest:
        if principal.kind is not PrincipalKind.TOKEN:
            return request
        parent = _existing(unit.tokens.by_id(principal.id, lock=True))
        if not is_living(parent, now):
            raise NotAuthenticated()
        if parent.uses_left is not None:
            raise InvalidInput("A token with a limited number of uses cannot create tokens.")
        if not _networks_within(request.networks, parent.network_list):
            raise InvalidInput("A token's networks must lie within its maker's networks.", path="networks")
        if parent.expires_us is None:
            return replace(request, networks=request.networks or parent.network_list)
        left = (parent.expires_us - now) // SECOND_US
        if left < 1:
            raise NotAuthenticated()
        wishes = (request.ttl_seconds, request.max_ttl_seconds)
        ttl, most = (min(left, wish) if wish is not None else left for wish in wishes)
        networks = request.networks or parent.network_list
        return replace(request, ttl_seconds=ttl, max_ttl_seconds=most, networks=networks)

    def _visible(self, unit: UnitOfWork, principal: Principal, token_id: str) -> StoredToken:
        row = unit.tokens.by_id(token_id)
        if row is None or row.user_id != principal.user_id or row.revoked_us is not None:
            raise NotFound()
        if principal.kind is PrincipalKind.TOKEN and principal.id not in (row.id, row.parent_id):
            raise NotFound()
        return row

    def _add_grants(self, unit: UnitOfWork, token_id: str, grants: Sequence[Grant]) -> None:
        for grant in grants:
            scope = {"environment_id": grant.environment_id, "path": grant.path, "globals": grant.globals}
            permissions = ",".join(sorted(grant.permissions))
            unit.grants.add(id=str(uuid.uuid4()), token_id=token_id, **scope, permissions=permissions)

    def _secret_columns(self, text: str) -> dict[str, ColumnValue]:
        key = self._instance.secret("token")
        return {"digest": digest(key, text), "digest_key_id": key.id}


def _existing(row: StoredToken | None) -> StoredToken:
    if row is None:
        raise NotFound()
    return row


def _networks_within(inner: Sequence[str], outer: Sequence[str]) -> bool:
    if not outer:
        return True
    narrow, wide = ([as_ipv4(ipaddress.ip_network(network)) for network in each] for each in (inner, outer))
    return all(any(_is_subnet(network, other) for other in wide) for network in narrow)


def _is_subnet(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _id_in(text: str) -> str:
    try:
        return parse(text).id
    except NotAuthenticated:
        raise NotFound() from None


def _renewed(row: StoredToken, maker: StoredToken | None, seconds: int | None, now: int) -> int:
    """Return when the token expires after a renewal. Without a maximum ttl, one renewal never exceeds its ttl."""
    ttl = row.ttl_seconds or DEFAULT_TTL_SECONDS
    wish = ttl if seconds is None else seconds
    # A renewal never shortens the token's life: the tokens that it made depend on it.
    limits = [now + (wish if row.max_ttl_seconds is not None else min(wish, ttl)) * SECOND_US]
    if row.max_ttl_seconds is not None:
        limits.append(row.created_us + row.max_ttl_seconds * SECOND_US)
    if maker is not None and maker.expires_us is not None:
        limits.append(maker.expires_us)
    return max(row.expires_us or 0, min(limits))


def _expiry(request: TokenRequest, now: int) -> int | None:
    limits = [seconds for seconds in (request.ttl_seconds, request.max_ttl_seconds) if seconds is not None]
    return now + min(limits) * SECOND_US if limits else None


def _asked_columns(request: TokenRequest) -> ColumnValues:
    return {
        "name": request.name,
        "ttl_seconds": request.ttl_seconds,
        "max_ttl_seconds": request.max_ttl_seconds,
        "renewable": request.renewable,
        **texts_of(request.networks, request.metadata),
    }
