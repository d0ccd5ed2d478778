"""Rows of service tokens and of their grants."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, not_, or_, select, tuple_, update
from sqlalchemy.sql import ColumnElement

from vault.storage.rows.sessions import LABEL
from vault.storage.rows.trim import beyond
from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import ColumnValues
from vault.storage.tables import grants, sessions, tokens

_FORBIDS_ROTATION = 3
"""The row format that has `may_rotate`."""


@dataclass(frozen=True, slots=True)
class Token(SignedRow):
    """A service token."""

    id: str
    accessor: str
    user_id: str
    parent_id: str | None
    name: str
    digest: bytes
    digest_key_id: str
    previous_digest: bytes | None
    previous_digest_key_id: str | None
    previous_until_us: int | None
    created_us: int
    created_by: str
    ttl_seconds: int | None
    max_ttl_seconds: int | None
    expires_us: int | None
    renewable: bool
    uses_left: int | None
    networks: str
    metadata: str
    revoked_us: int | None
    may_rotate: bool
    certificate_pin: bytes | None

    @property
    def network_list(self) -> tuple[str, ...]:
        """The networks from which the token may be used; none means all."""
        return _list_in(self.networks)

    @property
    def metadata_map(self) -> dict[str, str]:
        """What its maker has noted about the token, by name."""
        found: dict[str, str] = json.loads(self.metadata)
        return found


@dataclass(frozen=True, slots=True)
class StoredToken(Token):
    """A token with the time of its last use, which no MAC covers."""

    last_used_us: int | None


def texts_of(networks: Sequence[str], metadata: Mapping[str, str]) -> ColumnValues:
    """Return the columns from which `Token.network_list` and `Token.metadata_map` read these."""
    return {"networks": json.dumps(list(networks)), "metadata": json.dumps(dict(metadata), sort_keys=True)}


# Each request of a token reads its networks.
@functools.lru_cache(maxsize=1024)
def _list_in(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


class Tokens(Repository[StoredToken]):
    """Service tokens. The MAC does not cover the time of the last use, because no right depends on it."""

    noun = StoredToken
    signed = SignedTable(tokens, uncovered=("last_used_us",), added={3: {"may_rotate": True, "certificate_pin": None}})

    def can_forbid_rotation(self) -> bool:
        """Report whether `may_rotate` can be stored. It cannot while a worker of an older release runs."""
        return self._signer.writes(self.signed) >= _FORBIDS_ROTATION

    def by_id(self, token_id: str, *, lock: bool = False) -> StoredToken | None:
        """Return the token with this id."""
        return self.one(tokens.c.id == token_id, lock=lock)

    def by_accessor(self, user_id: str, accessor: str) -> StoredToken | None:
        """Return the user's token with this accessor, which identifies it without its secret."""
        return self.one(tokens.c.accessor == accessor, tokens.c.user_id == user_id)

    def page(
        self, user_id: str, after: tuple[int, str] | None, limit: int, *, of_token: str | None = None
    ) -> list[StoredToken]:
        """Return a user's tokens that are not revoked, oldest first, after a position in that order.

        With `of_token`, only that token and those that it made.
        """
        statement = select(tokens).where(tokens.c.user_id == user_id, tokens.c.revoked_us.is_(None))
        if of_token is not None:
            statement = statement.where(or_(tokens.c.id == of_token, tokens.c.parent_id == of_token))
        if after is not None:
            statement = statement.where(tuple_(tokens.c.created_us, tokens.c.id) > tuple_(*after))
        return self.all(statement.order_by(tokens.c.created_us, tokens.c.id).limit(limit))

    def living_of(self, user_id: str, now_us: int, limit: int, *, of_token: str | None) -> list[StoredToken]:
        """Return a user's active tokens, oldest first. With `of_token`, only that token and those that it made."""
        statement = select(tokens).where(tokens.c.user_id == user_id, _living(now_us))
        if of_token is not None:
            statement = statement.where(or_(tokens.c.id == of_token, tokens.c.parent_id == of_token))
        return self.all(statement.order_by(tokens.c.created_us, tokens.c.id).limit(limit))

    def living_of_sessions(self, user_id: str, now_us: int) -> list[StoredToken]:
        """Return a user's active tokens that the user's stored sessions have made, oldest first."""
        labels = select(LABEL).where(sessions.c.user_id == user_id)
        made = select(tokens).where(tokens.c.user_id == user_id, _living(now_us), tokens.c.created_by.in_(labels))
        return self.all(made.order_by(tokens.c.created_us, tokens.c.id))

    def topmost(self, token_id: str) -> str:
        """Return the topmost token above this one, or this one: the token that a person has made."""
        above = select(tokens.c.id, tokens.c.parent_id).where(tokens.c.id == token_id).cte("above", recursive=True)
        # UNION drops rows that were seen before, so this ends even if somebody has written a circle.
        above = above.union(select(tokens.c.id, tokens.c.parent_id).where(tokens.c.id == above.c.parent_id))
        found: str | None = self._connection.execute(select(above.c.id).where(above.c.parent_id.is_(None))).scalar()
        return token_id if found is None else found

    def children(self, token_ids: Sequence[str]) -> list[StoredToken]:
        """Return the tokens that these tokens have made and that are not revoked."""
        return self.all(select(tokens).where(tokens.c.parent_id.in_(token_ids), tokens.c.revoked_us.is_(None)))

    def count(self, user_id: str, now_us: int) -> int:
        """Return how many tokens of the user are active."""
        return self.counts(user_id, now_us)[0]

    def counts(self, user_id: str, now_us: int) -> tuple[int, int]:
        """Return the numbers of a user's active tokens and of stored ended ones."""
        living = func.count().filter(_living(now_us))
        row = self._connection.execute(select(living, func.count()).where(tokens.c.user_id == user_id)).one()
        return int(row[0]), int(row[1] - row[0])

    def living(self, now_us: int) -> int:
        """Return how many tokens of all users are active."""
        return self._connection.execute(select(func.count()).where(_living(now_us))).scalar_one()

    def touch(self, token_id: str, used_us: int) -> None:
        """Store when a token was last used."""
        self._connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_us=used_us))

    def purge(self, before_us: int) -> int:
        """Delete tokens that expired, were revoked or were used up before `before_us`, and return how many."""
        used_us = func.coalesce(tokens.c.last_used_us, tokens.c.created_us)
        used_up = (tokens.c.uses_left == 0) & (used_us < before_us)
        ended = (tokens.c.expires_us < before_us) | (tokens.c.revoked_us < before_us) | used_up
        return self._connection.execute(delete(tokens).where(ended)).rowcount

    def trim_ended(self, user_id: str, most: int, now_us: int) -> None:
        """Delete a user's ended tokens, except the `most` newest.

        A token ends no later than the one that made it, so no active token is deleted.
        """
        newest_first = (tokens.c.created_us.desc(), tokens.c.id)
        ended = select(tokens.c.id).where(tokens.c.user_id == user_id, not_(_living(now_us)))
        past = beyond(most, ended.order_by(*newest_first))
        self._connection.execute(delete(tokens).where(tokens.c.id.in_(past)))


def _living(now_us: int) -> ColumnElement[bool]:
    """Match tokens that are neither revoked, nor expired, nor used up, like
    `vault.services.tokens.holders.is_living`.
    """
    is_used_up = func.coalesce(tokens.c.uses_left, 1) <= 0
    expires_us = func.coalesce(tokens.c.expires_us, now_us + 1)
    return tokens.c.revoked_us.is_(None) & (expires_us > now_us) & not_(is_used_up)


@dataclass(frozen=True, slots=True)
class GrantRow(SignedRow):
    """One grant of a token."""

    id: str
    token_id: str
    environment_id: str | None
    path: str | None
    globals: bool
    permissions: str


class Grants(Repository[GrantRow]):
    """What a token may do."""

    noun = GrantRow
    signed = SignedTable(grants)

    def of_tokens(self, token_ids: Sequence[str]) -> list[GrantRow]:
        """Return the grants of these tokens."""
        return self.all(select(grants).where(grants.c.token_id.in_(token_ids)).order_by(grants.c.id))
