"""Cursors: only the person's own, of this epoch, neither too old nor ahead, are taken. Every refusal looks the same."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.vaults import HOST, FakeClock, opened_again
from vault.crypto import context
from vault.errors import CursorExpired, InvalidInput
from vault.model.clock import CLOCKS_DIFFER_US, DAY_SECONDS, SECOND_US
from vault.model.principal import Principal
from vault.services import Services
from vault.services.keys.system import KEPT_US
from vault.services.sync.cursor import CURSOR_CHARACTERS
from vault.storage import FeedEpoch
from vault.storage.rows.changes import CHANGES_MOST

EPOCH = FeedEpoch("10000000-0000-4000-8000-000000000001", 7)
NEWEST = 50_000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def refused(vault: Services, user_id: str, text: str, epoch: FeedEpoch = EPOCH, newest: int = NEWEST) -> str:
    with pytest.raises(CursorExpired) as caught:
        vault.sync.cursors.open(user_id, epoch, text, newest)
    return caught.value.message


@once
@given(seq=st.integers(NEWEST - CHANGES_MOST, NEWEST))
def test_a_cursor_is_read_as_it_was_made_and_all_have_one_length(vault: Services, ada: Principal, seq: int) -> None:
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, seq)
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST) == seq
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{{CURSOR_CHARACTERS}}}", text)
    # The same place twice is two texts: nobody sees that nothing has happened.
    assert text != vault.sync.cursors.seal(ada.user_id, EPOCH, seq)


def test_each_changed_character_is_refused_alike(vault: Services, ada: Principal) -> None:
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    told = set()
    for place, character in enumerate(text):
        other = ALPHABET[(ALPHABET.index(character) + 1 + place) % 64]
        if other != character:
            told.add(refused(vault, ada.user_id, text[:place] + other + text[place + 1 :]))
    assert told == {CursorExpired.sentence}


def test_each_changed_byte_is_refused_alike(vault: Services, ada: Principal) -> None:
    blob = bytearray(base64.urlsafe_b64decode(vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)))
    for place in range(len(blob)):
        changed = bytes(byte ^ (0x80 >> place % 8 if at == place else 0) for at, byte in enumerate(blob))
        assert refused(vault, ada.user_id, base64.urlsafe_b64encode(changed).decode()) == CursorExpired.sentence


@once
@given(raw=st.binary(min_size=132, max_size=132))
def test_any_other_bytes_of_the_length_are_refused_alike(vault: Services, ada: Principal, raw: bytes) -> None:
    assert refused(vault, ada.user_id, base64.urlsafe_b64encode(raw).decode()) == CursorExpired.sentence


@once
@given(text=st.text(max_size=CURSOR_CHARACTERS + 5))
def test_what_no_cursor_can_be_is_a_wrong_request(vault: Services, ada: Principal, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST)
    assert caught.value.path == "after"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text[:-1] + "=",
        lambda text: text[:-1] + "+",
        lambda text: "/" + text[1:],
        lambda text: " " + text[1:],
        lambda text: text[:-1] + "\n",
        lambda text: "ä" + text[1:],
        lambda text: "\0" + text[1:],
        lambda text: text[:0],
    ],
)
def test_another_alphabet_or_length_is_a_wrong_request(vault: Services, ada: Principal, change: object) -> None:
    assert callable(change)
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    with pytest.raises(InvalidInput):
        vault.sync.cursors.open(ada.user_id, EPOCH, change(text), NEWEST)


def test_anothers_cursor_and_a_blob_for_another_purpose_are_refused(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    refused(vault, bob.user_id, vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST))
    for place in (
        context.stored_answer(vault.instance.id, "cursor", ada.user_id),
        context.cache_entry(vault.instance.id, "cursor", ada.user_id),
        context.audit_record(vault.instance.id, ada.user_id),
        context.cursor(str(uuid.uuid4()), ada.user_id),
    ):
        blob = vault.instance.seal(place, bytes(36))
        refused(vault, ada.user_id, base64.urlsafe_b64encode(blob).decode())


def test_another_epoch_and_another_timeline_are_refused(vault: Services, ada: Principal) -> None:
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    refused(vault, ada.user_id, text, replace(EPOCH, epoch=str(uuid.uuid4())))
    refused(vault, ada.user_id, text, replace(EPOCH, timeline=8))
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST) == NEWEST


def test_one_that_is_ahead_is_refused_and_one_that_is_too_many_changes_old(vault: Services, ada: Principal) -> None:
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    refused(vault, ada.user_id, text, newest=NEWEST - 1)
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST + CHANGES_MOST) == NEWEST
    refused(vault, ada.user_id, text, newest=NEWEST + CHANGES_MOST + 1)


def test_one_that_is_too_old_is_refused_and_so_is_one_of_the_future(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    clock.advance(30 * DAY_SECONDS)
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST) == NEWEST
    with opened_again(vault, clock, changes_keep_days=29) as shorter:
        refused(shorter, ada.user_id, text)
    clock.advance(1)
    refused(vault, ada.user_id, text)
    # The clock of the host that made it was ahead.
    clock.advance(-30 * DAY_SECONDS - 1 - CLOCKS_DIFFER_US / SECOND_US)
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST) == NEWEST
    clock.advance(-1)
    refused(vault, ada.user_id, text)


def test_the_place_of_an_old_change_ages_from_that_change(vault: Services, ada: Principal, clock: FakeClock) -> None:
    week_ago = clock() - 7 * DAY_SECONDS * SECOND_US
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, 1, week_ago)
    clock.advance(23 * DAY_SECONDS)
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, 2) == 1
    clock.advance(1)
    refused(vault, ada.user_id, text, newest=2)


def test_a_retired_system_key_still_opens_it_and_a_destroyed_one_does_not(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    vault.keys.system.rotate(HOST)
    assert vault.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST) == NEWEST
    newer = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
    vault.keys.system.move(HOST)
    clock.advance(KEPT_US / SECOND_US + 1)
    assert vault.keys.system.drop_retired(HOST) == 1
    with opened_again(vault, clock) as other:
        refused(other, ada.user_id, text)
        assert other.sync.cursors.open(ada.user_id, EPOCH, newer, NEWEST) == NEWEST


def test_a_worker_that_has_not_learnt_of_a_new_key_opens_what_another_sealed(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    with opened_again(vault, clock) as other:
        vault.keys.system.rotate(HOST)
        text = vault.sync.cursors.seal(ada.user_id, EPOCH, NEWEST)
        assert other.sync.cursors.open(ada.user_id, EPOCH, text, NEWEST) == NEWEST
