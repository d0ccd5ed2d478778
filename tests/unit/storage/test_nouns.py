"""The noun of each table has the table's columns, with their types."""

from __future__ import annotations

import uuid
from dataclasses import FrozenInstanceError, fields
from typing import ClassVar, get_type_hints

import pytest
from sqlalchemy import BigInteger, Column, MetaData, String, Table

from vault.crypto import Key
from vault.storage.rows.users import User, Users
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.signed import Before, RowSigner, SignedTable
from vault.storage.tables.parts import signature_columns
from vault.storage.walks.reseal_walk import every_repository

SIGNATURE = ("row_version", "row_format", "mac_key_id", "mac")
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
    assert {*signed.key_names, *signed.covered, *SIGNATURE} <= names
    assert {name: hints[name] for name in names} == {name: declared(signed.table.columns[name]) for name in names}


def values_of_user() -> dict[str, object]:
    values: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "name": "Ada",
        "name_folded": "ada",
        "role": "user",
        "state": "active",
        "second_factor": False,
        "created_us": 5,
        "must_change_password": False,
    }
    return values | {"row_version": 1, "row_format": 1, "mac_key_id": "k", "mac": bytes(32)}


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
        signed = SignedTable(table, uncovered=("change_seq",), added={3: {"must_change_password": False}})
        table.append_column(Column("badge", String(36)))
        table.append_column(Column("limit_us", BigInteger, nullable=True))
        signed.append(4, self.newer)
        return signed

    def test_they_stay_with_the_row(self) -> None:
        signed = self.signed()
        values = values_of_user() | {"badge": "gold", "limit_us": 7}
        user = signed.maker(User, signed.order)(signed.ordered(values))
        assert user.others == (("badge", "gold"), ("limit_us", 7))
        assert user.values() == values

    def test_they_are_signed_again(self) -> None:
        signed = self.signed()
        signer = RowSigner(Key(str(uuid.uuid4()), bytes(32)), open_formats={"users": (3, 4)})
        row = signer.sign(signed, values_of_user() | self.newer | {"badge": "gold", "row_format": 4})
        user = signed.maker(User, signed.order)(signed.ordered(row))
        again = signer.sign(signed, {**user.values(), "name": "Countess"})
        signer.check(signed, signed.ordered(again))
        assert (again["row_format"], again["badge"]) == (4, "gold")

    def test_a_maker_of_the_earlier_columns_is_not_used_again(self) -> None:
        signed = self.signed()
        earlier = signed.maker(User, signed.order)
        signed.table.append_column(Column("seat", String(36)))
        signed.append(5, {"seat": ""})
        user = signed.maker(User, signed.order)(signed.ordered(values_of_user() | self.newer | {"seat": "b"}))
        assert dict(user.others)["seat"] == "b"
        assert signed.maker(User, signed.order) is not earlier
