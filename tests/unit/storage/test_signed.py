"""Which columns a MAC covers, and that the memo of checked rows cannot be tricked."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, text

from vault.crypto import Key, new_key
from vault.errors import MacError
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import RowSigner, SignedTable
from vault.storage.tables import grants, metadata, tokens
from vault.storage.tables.parts import signature_columns

UNCOVERED = {
    "environments": {"last_read_us"},  # Tells only when.
    "machine_credentials": {"used_us"},
    "trusts": {"used_us"},
    "users": {"change_seq"},  # It only counts, and moves with every write.
    "credentials": {"used_us"},
    "tokens": {"last_used_us"},
    "revisions": {"blob"},  # Sealed to this very row by its own context.
    "row_formats": {"settled_us"},  # Only says whether rows wait to be signed again.
}
"""Every column without authority, listed here a second time so that none is left out by accident."""

RELEASED = {
    ("access_tokens", 1): "3ca5c443960e4b62",
    ("audit_pruned", 1): "e66cb680ebbee480",
    ("client_key_sets", 1): "b7656bea52112187",
    ("client_key_slots", 1): "3a7d1dd4b847954b",
    ("content_key_wraps", 1): "81507020284695fa",
    ("credentials", 1): "621be50500442650",
    ("data_keys", 1): "f05e05cc47a1f151",
    ("destroyed_keys", 1): "2684462cfc9683be",
    ("environments", 1): "dc2992091c157436",
    ("environments", 3): "4ab460585d65428f",
    ("grants", 1): "b050f9ea5966efe4",
    ("machine_credentials", 1): "562a450e5140d247",
    ("master_keys", 1): "933763abefb52125",
    ("oauth_clients", 1): "9345e139f3ad278c",
    ("refresh_families", 1): "5b91e4a972ad667d",
    ("refresh_tokens", 1): "1d12765177a3ca34",
    ("revisions", 1): "1d289f8eea4f2413",
    ("revisions", 3): "7056e428282bd011",
    ("row_formats", 1): "b69f5d089f2f3ca8",
    ("sessions", 1): "323f9ceb703faf7b",
    ("system_secrets", 1): "055eefd41c16c87a",
    ("tokens", 1): "3917fd7e0f209d7b",
    ("tokens", 3): "6255dd3ccdbc097a",
    ("trusts", 1): "5f3439e128b1d21c",
    ("unlock_keys", 1): "1aa5529cb09ff842",
    ("user_keys", 1): "0b254a2549d008c6",
    ("users", 1): "510c3f0c2477dc63",
    ("users", 3): "0e95bbce43f06417",
    ("vault_state", 1): "fa5ec5602d0f3d6f",
}
"""SHA-256 of the columns that each released row format covers: rows that were signed with it must verify for ever."""

GRANTS = SignedTable(grants)
ROW = {
    "id": "3f0e1c9a-0000-4000-8000-000000000001",
    "token_id": "abcdefabcdef",
    "environment_id": None,
    "path": "prod",
    "globals": False,
    "permissions": "read",
    "row_version": 1,
}


def signed_row(signer: RowSigner, **changes: Any) -> tuple[Any, ...]:
    return GRANTS.ordered(signer.sign(GRANTS, ROW) | changes)


def test_every_table_of_authority_has_a_repository_that_checks_it() -> None:
    with_mac = {table.name for table in metadata.tables.values() if "mac" in table.columns}
    checked = {repository.signed.table.name for repository in Repository.__subclasses__()}
    # Layers have a place in the schema and no verb yet; events are checked with the audit's tree.
    assert with_mac - checked <= {"layers", "audit_events"}
    assert checked <= with_mac


def test_all_columns_are_covered_but_those_listed() -> None:
    for repository in Repository.__subclasses__():
        signed = repository.signed
        names = {column.name for column in signed.table.columns}
        left_out = names - {*signed.key_names, *signed.covered, "row_format", "mac", "mac_key_id"}
        differ = left_out ^ UNCOVERED.get(signed.table.name, set())
        assert not differ, f"`uncovered` of {signed.table.name} and `UNCOVERED` in this file differ: {sorted(differ)}."


def test_released_formats_never_change() -> None:
    for (table, number), digest in RELEASED.items():
        columns = ",".join(sorted(SIGNED_TABLES[table].layouts[number].format.columns))
        assert hashlib.sha256(columns.encode()).hexdigest()[:16] == digest, (
            f"A column joined or left the released format {number} of {table}. Name a new column in `added`: "
            "docs/contributing/adding-a-column.md."
        )
    assert {table for table, _ in RELEASED} <= set(SIGNED_TABLES)


def defaults_that_differ(signed: SignedTable) -> list[str]:
    """Columns whose value before they existed is not what the database puts into older rows."""
    found = []
    for name, before in signed.before.items():
        default = signed.table.c[name].server_default
        text = None if default is None else str(default.arg.text).strip("'")  # type: ignore[attr-defined]  # every default of ours is a text clause
        if text != (None if before is None else str(before).lower()):
            found.append(f"{signed.table.name}.{name}: `added` says {before!r}, the server default is {text!r}.")
    return found


def test_what_a_column_held_before_it_existed_is_its_server_default() -> None:
    assert [fault for signed in SIGNED_TABLES.values() for fault in defaults_that_differ(signed)] == []


@pytest.mark.parametrize(
    ("default", "before", "is_right"),
    [
        (None, None, True), ("''", "", True), ("false", False, True), ("0", 0, True),
        ("''", None, False), (None, "", False), ("true", False, False), ("1", 0, False),
    ],
)  # fmt: skip
def test_another_default_is_seen(default: str | None, before: bool | int | str | None, is_right: bool) -> None:
    new = Column("new", String, server_default=None if default is None else text(default))
    table = Table("things", MetaData(), Column("id", String, primary_key=True), new, *signature_columns(proven=False))
    assert (defaults_that_differ(SignedTable(table, added={3: {"new": before}})) == []) is is_right


def test_a_row_is_accepted_as_it_was_signed() -> None:
    signer = RowSigner(new_key())
    signer.check(GRANTS, signed_row(signer))


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"permissions": "read,update"},
        {"path": "*"},
        {"globals": True},
        {"environment_id": ROW["id"]},
        {"token_id": "bbbbbbbbbbbb"},
        {"id": "3f0e1c9a-0000-4000-8000-000000000002"},
        {"row_version": 2},
        {"mac": bytes(32)},
        {"mac": None},
        {"mac_key_id": "3f0e1c9a-0000-4000-8000-0000000000ff"},
        {"mac_key_id": None},
    ],
)
def test_any_change_is_refused_also_after_the_true_row_was_seen(change: dict[str, Any], warm: bool) -> None:
    signer = RowSigner(new_key())
    signature = signer.sign(GRANTS, ROW)
    if warm:
        signer.check(GRANTS, GRANTS.ordered(signature))
    for _ in range(2):
        with pytest.raises(MacError):
            signer.check(GRANTS, GRANTS.ordered(signature | change))


def test_a_forged_row_is_not_remembered_as_good() -> None:
    signer, forger = RowSigner(new_key()), RowSigner(new_key())
    forged = signed_row(forger, mac_key_id=signer.sign(GRANTS, ROW)["mac_key_id"])
    for _ in range(3):
        with pytest.raises(MacError):
            signer.check(GRANTS, forged)


def test_another_vaults_row_is_refused() -> None:
    signer, other = RowSigner(new_key()), RowSigner(new_key())
    with pytest.raises(MacError):
        signer.check(GRANTS, signed_row(other))


def test_a_row_of_another_table_is_refused_also_when_its_values_were_seen() -> None:
    signer = RowSigner(new_key())
    row = signed_row(signer)
    signer.check(GRANTS, row)
    twin = SignedTable(grants.to_metadata(type(metadata)(), name="twins"))
    assert twin.order == GRANTS.order
    with pytest.raises(MacError):
        signer.check(twin, row)


def test_a_retired_key_still_checks_and_the_active_one_signs() -> None:
    old, new = new_key(), new_key()
    row = signed_row(RowSigner(old))
    signer = RowSigner(new, [old])
    signer.check(GRANTS, row)
    assert signer.sign(GRANTS, ROW)["mac_key_id"] == new.id


def test_a_key_is_found_by_its_exact_id() -> None:
    key = new_key()
    twin = Key("3f0e1c9a-0000-4000-8000-0000000000aa", key.secret)
    with pytest.raises(MacError):
        RowSigner(twin).check(GRANTS, signed_row(RowSigner(key)))


def test_an_uncovered_column_is_not_under_the_mac() -> None:
    signed = SignedTable(tokens, uncovered=("last_used_us",))
    assert "last_used_us" not in signed.order
    assert "uses_left" in signed.covered
