"""The context: no two places share an encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.crypto.places import ENVIRONMENT, INSTANCE, OTHER_INSTANCE, OTHER_ROW, OWNER, ROW
from vault.crypto import BlobType, Context, context
from vault.errors import BlobError

PLACES = [
    context.revision(INSTANCE, ENVIRONMENT, ROW, 1),
    context.data_key(INSTANCE, OWNER, ENVIRONMENT, ROW),
    context.user_key(INSTANCE, OWNER, ROW),
    context.system_secret(INSTANCE, "mac", ROW),
    context.client_slot(INSTANCE, OWNER, ENVIRONMENT, ROW),
    context.client_revision(INSTANCE, ENVIRONMENT, ROW, 1),
    context.metadata(INSTANCE, ENVIRONMENT, 1),
    context.cache_entry(INSTANCE, "session", ROW),
    context.stored_answer(INSTANCE, "idempotency", ROW),
    context.audit_record(INSTANCE, ROW),
    context.cursor(INSTANCE, OWNER),
]


def test_there_is_a_context_for_each_type_of_blob() -> None:
    assert [place.type for place in PLACES] == list(BlobType)


def test_associated_data_is_the_prefix_the_header_and_the_tail() -> None:
    header = bytes(range(24))
    assert PLACES[0].associated_data(header + b"body") == b"SRM1" + header + PLACES[0].tail


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (context.revision(INSTANCE, ENVIRONMENT, ROW, 1), context.revision(OTHER_INSTANCE, ENVIRONMENT, ROW, 1)),
        (context.revision(INSTANCE, ENVIRONMENT, ROW, 1), context.revision(INSTANCE, ROW, ENVIRONMENT, 1)),
        (context.revision(INSTANCE, ENVIRONMENT, ROW, 1), context.revision(INSTANCE, ENVIRONMENT, ROW, 2)),
        (context.user_key(INSTANCE, None, ROW), context.user_key(INSTANCE, OWNER, ROW)),
        (context.user_key(INSTANCE, OWNER, ROW), context.user_key(INSTANCE, OWNER, OTHER_ROW)),
        (context.cache_entry(INSTANCE, "ab", "c"), context.cache_entry(INSTANCE, "a", "bc")),
    ],
)
def test_another_place_has_another_tail(one: Context, other: Context) -> None:
    assert one.tail != other.tail


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_texts_never_run_into_each_other(one: tuple[str, str], other: tuple[str, str]) -> None:
    same = context.stored_answer(INSTANCE, *one).tail == context.stored_answer(INSTANCE, *other).tail
    assert same == (one == other)


def test_an_id_that_is_no_uuid_is_refused() -> None:
    with pytest.raises(BlobError):
        context.revision(INSTANCE, "prod", ROW, 1)
