"""The noun of each table has the table's columns, with their types."""

from __future__ import annotations

import uuid
from dataclasses import FrozenInstanceError, fields
from typing import ClassVar, get_type_hints

import pytest
from sqlalchemy import BigInteger, Column, MetaData, String, Table

from vault.crypto import Key
from vault.model.event import Event
from vault.storage import ChallengeRow, FailureCounter, KeptRow, StoredEvent, WorkerRow, WrappedAnswer
from vault.storage.database.schema import SCHEMA_NUMBER
from vault.storage.rows.audit import TreeHead
from vault.storage.rows.users import User, Users
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.signed import FIRST_FORMAT, Before, RowSigner, SignedTable
from vault.storage.sql_types import AnyTable
from vault.storage.tables import audit_events, audit_head, challenges, idempotency, throttle, workers, wrapped_answers
from vault.storage.tables.parts import signature_columns
from vault.storage.walks.reseal_walk import every_repository

SIGNATURE = ("row_version", "row_format", "mac_key_id", "mac")
PLAIN: list[tuple[AnyTable, type]] = [
    (challenges, ChallengeRow),
    (idempotency, KeptRow),
    (throttle, FailureCounter),
    (workers, WorkerRow),
    (wrapped_answers, WrappedAnswer),
]
LATER = {number: Users.signed.added_by(number) for number in sorted(Users.signed.own_formats - {FIRST_FORMAT})}
NEXT = SCHEMA_NUMBER + 1
NOUNS = {each.__name__: each for each in every_repository()}


def declared(column: Column[object]) -> object:
    """The type that a noun must declare for a column."""
    kind = column.type.python_type
    return kind | None if column.nullable else kind


@pytest.mark.parametrize("repository", NOUNS.values(), ids=NOUNS)
def test_a_noun_has_the_columns_of_its_table(repository: type[AnyRepository]) -> None:
    noun, signed = repository.noun, repository.signed
    hints = get_type_hints(noun)
    names = {field.name for field in fields(noun)} - {"others"}
    # Columns outside the MAC may be left out: not everyone needs them.
    missing = {*signed.key_names, *signed.covered, *SIGNATURE} - names
    assert not missing, f"Add to the class {noun.__module__}.{noun.__name__} a field for each of {missing}."
    assert {name: hints[name] for name in names} == {name: declared(signed.table.columns[name]) for name in names}


@pytest.mark.parametrize(("table", "noun"), PLAIN, ids=[noun.__name__ for _, noun in PLAIN])
def test_a_noun_of_an_unsigned_table_has_its_columns_in_order(table: AnyTable, noun: type) -> None:
    # The repositories make it from whole rows, by position.
    hints = get_type_hints(noun)
    assert list(hints) == [column.name for column in table.columns]
    assert hints == {column.name: declared(column) for column in table.columns}


def test_a_stored_event_is_an_event_with_its_place_and_its_mac() -> None:
    assert StoredEvent._fields == (*Event._fields, "sequence", "mac_key_id", "mac")
    assert {name: get_type_hints(StoredEvent)[name] for name in Event._fields} == get_type_hints(Event)
    columns = {column.name: declared(column) for column in audit_events.columns}
    assert get_type_hints(StoredEvent) | {"sequence": int | None} == columns
    row = tuple(range(len(StoredEvent._fields)))
    assert StoredEvent._make(row).event == Event._make(row[:-3])


def test_the_head_of_the_tree_has_the_columns_of_its_table() -> None:
    columns = {column.name: declared(column) for column in audit_head.columns if column.name != "id"}
    assert get_type_hints(TreeHead) == columns


def values_of_user() -> dict[str, object]:
    values: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "name": "Ada",
        "name_folded": "ada",
        "role": "user",
        "state": "active",
        "second_factor": False,
        "created_us": 5,
    }
    return values | dict(Users.signed.before) | {"row_version": 1, "row_format": 1, "mac_key_id": "k", "mac": bytes(32)}


def test_a_noun_gives_back_the_values_of_its_row() -> None:
    values = values_of_user()
    user = Users.signed.maker(User, Users.signed.order)(Users.signed.ordered(values))
    assert (user.name, user.row_version, user.others) == ("Ada", 1, ())
    assert user.values() == values


def test_a_noun_cannot_be_changed() -> None:
    user = Users.signed.maker(User, Users.signed.order)(Users.signed.ordered(values_of_user()))
    with pytest.raises(FrozenInstanceError):
        user.role = "operator"  # type: ignore[misc]  # This is what it must refuse.


class TestNewerColumns:
    """A newer release may add columns that the noun of this release does not have."""

    newer: ClassVar[dict[str, Before]] = {"badge": "", "limit_us": None}

    def signed(self) -> SignedTable:
        own = [column._copy() for column in Users.signed.table.columns if column.name not in SIGNATURE]
        table = Table("users", MetaData(), *own, *signature_columns(proven=False))
        signed = SignedTable(table, uncovered=("change_seq",), added=LATER)
        table.append_column(Column("badge", String(36)))
        table.append_column(Column("limit_us", BigInteger, nullable=True))
        signed.append(NEXT, self.newer)
        return signed

    def test_they_stay_with_the_row(self) -> None:
        signed = self.signed()
        values = values_of_user() | {"badge": "gold", "limit_us": 7}
        user = signed.maker(User, signed.order)(signed.ordered(values))
        assert user.others == (("badge", "gold"), ("limit_us", 7))
        assert user.values() == values

    def test_they_are_signed_again(self) -> None:
        signed = self.signed()
        signer = RowSigner(Key(str(uuid.uuid4()), bytes(32)), open_formats={"users": (*LATER, NEXT)})
        row = signer.sign(signed, values_of_user() | self.newer | {"badge": "gold", "row_format": NEXT})
        user = signed.maker(User, signed.order)(signed.ordered(row))
        again = signer.sign(signed, {**user.values(), "name": "Countess"})
        signer.check(signed, signed.ordered(again))
        assert (again["row_format"], again["badge"]) == (NEXT, "gold")

    def test_a_maker_of_the_earlier_columns_is_not_used_again(self) -> None:
        signed = self.signed()
        signed.table.append_column(Column("seat", String(36)))
        # A statement that selects whole rows reads the column before the format that covers it is known.
        names, values = (*signed.order, "seat"), values_of_user() | self.newer | {"seat": "b"}
        row = [values[name] for name in names]
        assert "seat" not in dict(signed.maker(User, names)(row).others)
        signed.append(NEXT + 1, {"seat": ""})
        assert dict(signed.maker(User, names)(row).others)["seat"] == "b"
