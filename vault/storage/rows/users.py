"""Rows of users, their credentials, and the addresses of their logins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from vault.errors import NotFound
from vault.storage.database.upsert import upsert
from vault.storage.rows.keys import VaultState
from vault.storage.rows.trim import beyond
from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import ColumnValue
from vault.storage.tables import credentials, known_addresses, users

_DEMANDS_CHANGE = 3
"""The row format of `must_change_password`."""

_OPERATING = (users.c.role == "operator", users.c.state == "active")


@dataclass(frozen=True, slots=True)
class User(SignedRow):
    """A person."""

    id: str
    name: str
    name_folded: str
    role: str
    state: str
    second_factor: bool
    created_us: int
    must_change_password: bool


class Users(Repository[User]):
    """People. The MAC does not cover `change_seq`: it is only a counter, and it changes with every write."""

    noun = User
    signed = SignedTable(users, uncovered=("change_seq",), added={3: {"must_change_password": False}})

    def can_demand_change(self) -> bool:
        """Report whether `must_change_password` can be stored. It cannot while a worker of an older release runs."""
        return self._signer.writes(self.signed) >= _DEMANDS_CHANGE

    def by_id(self, user_id: str, *, lock: bool = False) -> User | None:
        """Return the user with this id."""
        return self.one(users.c.id == user_id, lock=lock)

    def by_name(self, name_folded: str, *, lock: bool = False) -> User | None:
        """Return the user with this folded name."""
        if "\0" in name_folded:
            # PostgreSQL refuses to look up such a text, and no user has such a name.
            return None
        return self.one(users.c.name_folded == name_folded, lock=lock)

    def list(self) -> list[User]:
        """Return all users by name."""
        return self.all(select(users).order_by(users.c.name_folded))

    def page(self, after: str, limit: int, name_folded: str | None = None) -> Sequence[User]:
        """Return users after `after`, by their folded names, or only the one with `name_folded`."""
        statement = select(users).where(users.c.name_folded > after)
        if name_folded is not None:
            statement = statement.where(users.c.name_folded == name_folded)
        return self.all(statement.order_by(users.c.name_folded).limit(limit))

    def hold_operators(self) -> Sequence[User]:
        """Lock and return the active operators, by id. All code that locks several rows does it in this order."""
        return self.all(select(users).where(*_OPERATING).order_by(users.c.id).with_for_update())

    def has_operator(self) -> bool:
        """Report whether there is an active operator."""
        return self._connection.execute(select(users.c.id).where(*_OPERATING).limit(1)).first() is not None

    def known(self, ids: set[str]) -> set[str]:
        """Return those of `ids` that belong to a user."""
        return set(self._connection.execute(select(users.c.id).where(users.c.id.in_(ids))).scalars())

    def count(self) -> int:
        """Return how many users there are."""
        return self._connection.execute(select(func.count()).select_from(users)).scalar_one()

    def change(self, record: User, **changes: ColumnValue) -> User:
        """Change a user under the fence: no foreign key would refuse a signature with a deleted key here."""
        VaultState(self._connection, self._signer, self._journal).fence()
        return super().change(record, **changes)

    def next_change(self, user_id: str) -> int:
        """Return the user's next change number. This locks everything of the user.

        Every unit of work that writes something of a user starts here. With one order of locks, there is no deadlock.
        """
        statement = update(users).where(users.c.id == user_id).values(change_seq=users.c.change_seq + 1)
        number = self._connection.execute(statement.returning(users.c.change_seq)).scalar_one_or_none()
        if number is None:
            raise NotFound()
        self._journal.count(user_id)
        return int(number)


@dataclass(frozen=True, slots=True)
class Credential(SignedRow):
    """A password or a second factor. Its secret or public key is sealed in `blob`."""

    id: str
    user_id: str
    kind: str
    label: str
    lookup: bytes | None
    user_key_id: str
    blob: bytes
    counter: int
    created_us: int
    used_us: int | None


class Credentials(Repository[Credential]):
    """Passwords and second factors, as sealed blobs."""

    noun = Credential
    signed = SignedTable(credentials, uncovered=("used_us",))

    def of_user(self, user_id: str, kind: str) -> list[Credential]:
        """Return a user's credentials of one kind."""
        theirs = (credentials.c.user_id == user_id) & (credentials.c.kind == kind)
        return self.all(select(credentials).where(theirs).order_by(credentials.c.created_us, credentials.c.id))

    def some(self, kind: str, start: str) -> Credential | None:
        """Return the first credential of this kind whose id is `start` or after it, or else the first of all."""
        ordered = select(credentials).where(credentials.c.kind == kind).order_by(credentials.c.id).limit(1)
        found = self.all(ordered.where(credentials.c.id >= start)) or self.all(ordered)
        return found[0] if found else None

    def by_lookup(self, digests: Sequence[bytes]) -> Credential | None:
        """Return the credential with one of these keyed digests."""
        return self.one(credentials.c.lookup.in_(digests))

    def with_lookup(self, after: str, limit: int) -> list[Credential]:
        """Return credentials with a digest, by id, after `after`."""
        found = credentials.c.lookup.is_not(None) & (credentials.c.id > after)
        return self.all(select(credentials).where(found).order_by(credentials.c.id).limit(limit))


KNOWN_ADDRESSES_MOST = 100
"""The addresses of last logins that are kept for each person."""


class KnownAddresses:
    """Addresses from which a user has logged in. The throttle treats them better."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, user_id: str, address: bytes, now_us: int) -> None:
        """Store a successful login from `address` (a keyed digest)."""
        row = {"user_id": user_id, "address": address, "succeeded_us": now_us}
        self._connection.execute(
            upsert(self._connection, known_addresses)
            .values(row)
            .on_conflict_do_update(index_elements=["user_id", "address"], set_={"succeeded_us": now_us})
        )
        theirs = known_addresses.c.user_id == user_id
        newest_first = (known_addresses.c.succeeded_us.desc(), known_addresses.c.address)
        past = beyond(KNOWN_ADDRESSES_MOST, select(known_addresses.c.address).where(theirs).order_by(*newest_first))
        self._connection.execute(delete(known_addresses).where(theirs, known_addresses.c.address.in_(past)))

    def has(self, user_id: str, address: bytes, since_us: int) -> bool:
        """Report whether the user has logged in from `address` since `since_us`."""
        statement = select(known_addresses.c.succeeded_us).where(
            known_addresses.c.user_id == user_id,
            known_addresses.c.address == address,
            known_addresses.c.succeeded_us >= since_us,
        )
        return self._connection.execute(statement).first() is not None

    def purge(self, before_us: int) -> int:
        """Delete logins older than `before_us`, and return how many."""
        return self._connection.execute(
            delete(known_addresses).where(known_addresses.c.succeeded_us < before_us)
        ).rowcount
