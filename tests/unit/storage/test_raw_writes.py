"""Who writes signed rows of people without a repository: each such place is listed here, with why no mark is missing.

A repository notes whose rows it writes, and the unit of work raises their read marks. Any other statement would not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.journal import owner_of
from vault.storage.signing.signed import SignedTable
from vault.storage.table_facts import TABLE_FACTS
from vault.storage.tables import metadata

ROOT = Path(__file__).parents[3]

PERSONS = {name for name, facts in TABLE_FACTS.items() if facts.is_signed and facts.goes_with_person}

KNOWN = {
    ("vault/storage/rows/users.py", "update", "users"): "`next_change`, the number itself",
    ("vault/storage/rows/sessions.py", "delete", "sessions"): "sessions that ended before",
    ("vault/storage/rows/tokens.py", "delete", "tokens"): "tokens that ended before",
    ("vault/storage/rows/tokens.py", "update", "tokens"): "`touch`: no right depends on the time of the last use",
    ("vault/storage/rows/revisions.py", "delete", "revisions"): "old revisions, with a write that takes a number",
    ("vault/storage/walks/shredding.py", "delete", "revisions"): "their environment is removed by its repository",
    ("vault/storage/walks/shredding.py", "delete", "data_keys"): "their environment is removed by its repository",
    ("vault/storage/walks/shredding.py", "delete", "user_keys"): "their person is removed by the repository",
}
"""The file, the statement and the table."""

ANY_TABLE = {
    ("vault/storage/signing/repository.py", "insert"), ("vault/storage/signing/repository.py", "update"),
    ("vault/storage/signing/repository.py", "delete"),  # the repository
    ("vault/storage/walks/key_walk.py", "update"),  # notes each row
    ("vault/storage/walks/reseal_walk.py", "update"),  # answers, which are not signed
    ("vault/storage/walks/reseal_walk.py", "delete"),  # notes each owner
    ("vault/storage/walks/snapshot.py", "update"), ("vault/storage/database/bulk.py", "insert"),  # a restore
}  # fmt: skip
"""Statements over a table that is a variable."""


def writes(source: str) -> Iterator[tuple[str, str]]:
    """The statements that write: `insert`, `update` or `delete`, and what stands for the table."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in ("insert", "update", "delete") and node.args:
            yield called.id, ast.unparse(node.args[0])
        elif isinstance(called, ast.Name) and called.id == "upsert":
            yield "insert", ast.unparse(node.args[1])
        elif isinstance(called, ast.Attribute) and called.attr in ("insert", "update", "delete") and not node.args:
            yield called.attr, ast.unparse(called.value)


def found() -> set[tuple[str, str, str]]:
    return {
        (path.relative_to(ROOT).as_posix(), verb, table)
        for path in sorted((ROOT / "vault" / "storage").rglob("*.py"))
        for verb, table in writes(path.read_text(encoding="utf-8"))
        if "migrations" not in path.parts
    }


def test_signed_rows_of_people_are_written_by_repositories_alone() -> None:
    seen = {each for each in found() if each[2] in PERSONS}
    assert seen == set(KNOWN), "A raw write of a signed row raises no read mark. Use its repository."


def test_statements_over_any_table_are_known() -> None:
    tables = set(metadata.tables)
    seen = {(path, verb) for path, verb, table in found() if table not in tables}
    assert seen == ANY_TABLE


@pytest.mark.parametrize(
    ("source", "statements"),
    [
        ("update(sessions).where(x)", {("update", "sessions")}),
        ("sessions.delete().where(x)", {("delete", "sessions")}),
        ("execute(insert(users), rows)", {("insert", "users")}),
        ("upsert(connection, tokens).values(x)", {("insert", "tokens")}),
        ("{}.update(x)", set()),
    ],
)
def test_each_way_to_write_is_seen(source: str, statements: set[tuple[str, str]]) -> None:
    assert set(writes(source)) == statements


def test_whose_a_row_is_is_said_by_a_column_under_its_mac() -> None:
    """Somebody who can write to the database cannot make another person's mark rise in place of the owner's."""
    for name in PERSONS - {"layers"}:
        place, signed = owner_of(metadata.tables[name]), SIGNED_TABLES[name]
        assert isinstance(signed, SignedTable)
        assert place is not None
        assert place.column.name in {*signed.key_names, *signed.covered}, name
