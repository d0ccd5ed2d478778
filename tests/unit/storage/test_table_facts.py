"""Every table answers four questions, and the answers agree with the tables and with what walks over them."""

from __future__ import annotations

import sqlalchemy as sa

from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.table_facts import TABLE_FACTS, Reseal
from vault.storage.tables import metadata
from vault.storage.walks.reseal_walk import ENDED
from vault.storage.walks.snapshot import LEFT_OUT, kept_tables

WITHOUT_REPOSITORY = {
    "layers",  # Nothing reads or writes them.
    "audit_events",  # Checked with the audit's tree.
}


def goes_with(table: sa.Table) -> set[str]:
    """The tables whose rows take rows of this one with them when they are deleted."""
    found: set[str] = set()
    waiting = [table]
    while waiting:
        for key in waiting.pop().foreign_keys:
            target = key.column.table
            if key.ondelete == "CASCADE" and target.name not in found:
                found.add(target.name)
                waiting.append(target)
    return found


def test_every_table_answers() -> None:
    assert set(TABLE_FACTS) == set(metadata.tables)


def test_signed_tables_have_a_mac_and_are_walked_over() -> None:
    signed = {name for name, facts in TABLE_FACTS.items() if facts.is_signed}
    assert signed == {name for name, table in metadata.tables.items() if "mac" in table.columns}
    assert signed - WITHOUT_REPOSITORY == set(SIGNED_TABLES)


def test_what_is_a_persons_goes_with_the_person() -> None:
    for name, facts in TABLE_FACTS.items():
        goes = name == "users" or "users" in goes_with(metadata.tables[name])
        assert goes == facts.goes_with_person, name


def test_what_is_sealed_is_sealed_again_or_ends() -> None:
    for name, table in metadata.tables.items():
        if "blob" in table.columns or "metadata_blob" in table.columns:
            assert TABLE_FACTS[name].reseal is not Reseal.NOTHING, name


def test_what_ends_with_a_reseal_is_deleted_by_it() -> None:
    gone = {table.name for table in ENDED}
    ends = {name for name, facts in TABLE_FACTS.items() if facts.reseal is Reseal.ENDS}
    # Sessions end one by one, with an entry in the audit.
    assert ends - {"sessions"} == {name for name in ends if name in gone or goes_with(metadata.tables[name]) & gone}
    assert gone <= ends


def test_what_ends_with_a_reseal_does_not_come_back_from_a_backup() -> None:
    kept = {table.name for table in kept_tables()}
    assert kept == {name for name, facts in TABLE_FACTS.items() if facts.is_kept}
    assert kept.isdisjoint(LEFT_OUT)
    assert not [name for name, facts in TABLE_FACTS.items() if facts.reseal is Reseal.ENDS and facts.is_kept]
