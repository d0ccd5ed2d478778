"""Rows of service tokens and of their grants."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select, tuple_, update

from vault.storage.repository import Record, Repository
from vault.storage.signed import SignedTable
from vault.storage.tables import grants, tokens


class Tokens(Repository):
    """Service tokens. When one was last used carries no authority, and is left out of the MAC."""

    signed = SignedTable(tokens, uncovered=("last_used_us",))

    def by_id(self, token_id: str, *, lock: bool = False) -> Record | None:
        """The token with this public id."""
        return self.one(tokens.c.id == token_id, lock=lock)

    def by_accessor(self, user_id: str, accessor: str) -> Record | None:
        """The user's token with this accessor, which names it to those who may not have it."""
        return self.one(tokens.c.accessor == accessor, tokens.c.user_id == user_id)

    def page(
        self, user_id: str, after: tuple[int, str] | None, limit: int, *, of_token: str | None = None
    ) -> list[Record]:
        """A user's tokens that are not revoked, the oldest first, after a place in that order.

        With `of_token` only that token and those that it has made.
        """
        statement = select(tokens).where(tokens.c.user_id == user_id, tokens.c.revoked_us.is_(None))
        if of_token is not None:
            statement = statement.where(or_(tokens.c.id == of_token, tokens.c.parent_id == of_token))
        if after is not None:
            statement = statement.where(tuple_(tokens.c.created_us, tokens.c.id) > tuple_(*after))
        return self.all(statement.order_by(tokens.c.created_us, tokens.c.id).limit(limit))

    def children(self, token_ids: Sequence[str]) -> list[Record]:
        """The tokens that these tokens have made and that are not revoked."""
        return self.all(select(tokens).where(tokens.c.parent_id.in_(token_ids), tokens.c.revoked_us.is_(None)))

    def count(self, user_id: str, now_us: int) -> int:
        """How many tokens of the user's are living."""
        living = tokens.c.expires_us.is_(None) | (tokens.c.expires_us > now_us)
        statement = select(func.count()).where(tokens.c.user_id == user_id, tokens.c.revoked_us.is_(None), living)
        return self._connection.execute(statement).scalar_one()

    def living(self, now_us: int) -> int:
        """How many tokens of anybody's are living."""
        living = tokens.c.expires_us.is_(None) | (tokens.c.expires_us > now_us)
        statement = select(func.count()).where(tokens.c.revoked_us.is_(None), living)
        return self._connection.execute(statement).scalar_one()

    def touch(self, token_id: str, used_us: int) -> None:
        """Note when a token was last used."""
        self._connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_us=used_us))

    def purge(self, before_us: int) -> int:
        """Delete tokens that expired or were revoked before `before_us`, and say how many."""
        ended = (tokens.c.expires_us < before_us) | (tokens.c.revoked_us < before_us)
        return self._connection.execute(delete(tokens).where(ended)).rowcount


class Grants(Repository):
    """What a token may do."""

    signed = SignedTable(grants)

    def of_tokens(self, token_ids: Sequence[str]) -> list[Record]:
        """The grants of these tokens."""
        return self.all(select(grants).where(grants.c.token_id.in_(token_ids)).order_by(grants.c.id))
