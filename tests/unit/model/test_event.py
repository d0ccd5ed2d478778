"""Leaves: no two events share one, and what may be erased is in them only as a commitment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model.event import Event, SpooledEvent, commit, leaf_data

SALT = bytes(16)
EVENT = Event(
    id="e1", at_us=1, user_id="u", actor_id="u", actor="session:s", action="values.read", result="ok",
    environment_id="v", revision=3, blob_sha256=None, request_id="r", details="", rows="", address="192.0.2.1",
    names="ab cd", salt=SALT, commitment=commit(SALT, "192.0.2.1", "ab cd"),
)  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"id": "e2"}, {"at_us": 2}, {"user_id": None}, {"actor_id": "w"}, {"actor": "token:s"}, {"action": "export"},
        {"result": "unchanged"}, {"environment_id": None}, {"revision": 30}, {"revision": None},
        {"blob_sha256": bytes(32)}, {"request_id": ""}, {"details": "{}"}, {"rows": "[]"}, {"commitment": bytes(32)},
    ],
)  # fmt: skip
def test_each_fact_changes_the_leaf(change: dict[str, object]) -> None:
    assert leaf_data(EVENT._replace(**change)) != leaf_data(EVENT)  # type: ignore[arg-type]  # each change has a value of its field's type


def test_erasing_leaves_the_leaf_as_it_was() -> None:
    assert leaf_data(EVENT._replace(address="", names="", salt=None)) == leaf_data(EVENT)


def test_the_leaf_holds_neither_address_nor_names() -> None:
    leaf = leaf_data(EVENT)
    assert b"192.0.2.1" not in leaf
    assert b"ab cd" not in leaf


@given(st.tuples(*[st.text(max_size=3)] * 3), st.tuples(*[st.text(max_size=3)] * 3))
def test_texts_never_run_into_each_other(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    first, second = (
        leaf_data(EVENT._replace(actor=texts[0], action=texts[1], result=texts[2])) for texts in (one, other)
    )
    assert (first == second) == (one == other)


@given(st.tuples(st.text(max_size=3), st.text(max_size=3)), st.tuples(st.text(max_size=3), st.text(max_size=3)))
def test_commitments_neither(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (commit(SALT, *one) == commit(SALT, *other)) == (one == other)


def test_a_spooled_event_has_the_fields_of_an_event_in_their_order() -> None:
    # Records of the spool and the leaves of the tree depend on this order.
    assert ("id", *SpooledEvent._fields, "salt", "commitment") == Event._fields
