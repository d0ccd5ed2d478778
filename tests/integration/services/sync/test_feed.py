"""What followers are told of a person's changes, and what they are not told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.storage.spy import statements
from tests.support.bases import build, change, delete, stand, undelete
from tests.support.feed import delete_versions, erase, follow, in_words, page_of, subscribed
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    patch,
    run_sql,
)
from vault.errors import CursorExpired, InvalidInput, NotFound, NotGranted
from vault.model.principal import Principal, vault_itself
from vault.services import Services
from vault.services.sync.message import Message
from vault.services.tokens.request import GrantRequest
from vault.storage import ChangeRow, Search
from vault.storage.rows.changes import Changes


@pytest.fixture(autouse=True)
def upgraded(vault: Services) -> None:
    """The row format with `base_ids` is open, as a job opens it once no older release runs."""
    vault.keys.upgrading.open(HOST)


def reader(vault: Services, who: Principal, *paths: str, globals: bool = False) -> Principal:
    """Return a token that may read these paths, and perhaps the globals."""
    grants: list[GrantRequest] = [grant("list,read", path=path) for path in paths]
    if globals:
        grants.append(grant("read", globals=True))
    return as_token(vault, add_token(vault, who, *grants).secret)


def test_changes_are_told_as_they_come(vault: Services, ada: Principal) -> None:
    told, seen = subscribed(vault, ada), []
    since = told.seq

    def look() -> None:
        nonlocal since
        page = page_of(vault, ada, told, since)
        seen.append([in_words(message) for message in page.messages])
        since = page.seq

    for step in (
        lambda: add_environment(vault, ada, "prod", A="1"),
        lambda: change(vault, ada, "prod", description="a text"),
        lambda: change(vault, ada, "prod", name="live"),
        lambda: delete_versions(vault, ada, "live"),
        lambda: delete(vault, ada, "live"),
        lambda: undelete(vault, ada, "live", "prod"),
        lambda: erase(vault, ada, "prod"),
        lambda: add_token(vault, ada, grant("read", path="*")),
    ):
        step()
        look()
    assert seen == [
        ["create prod@1", "write prod@1"],
        ["change prod@1"],
        ["rename live@1"],
        ["write live@1"],
        ["gone live"],
        ["undelete prod@1"],
        ["gone prod"],
        [],
    ]


def test_a_subscription_tells_of_its_layers_alone(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:eu eu:common test:common")
    add_environment(vault, ada, "other")
    told = follow(vault, ada, "prod", "test", None)
    for name in ("prod", "eu", "common", "test", "other"):
        patch(vault, ada, name, NEW="1")
    patch(vault, ada, None, NEW="1")
    assert told.again == [
        "write prod@2 -> prod",
        "write eu@2 -> prod",
        "write common@2 -> prod,test",
        "write test@2 -> test",
        "write globals@1 -> prod,test,globals",
    ]


def test_layers_that_a_token_may_not_read_are_not_told(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:eu,secret eu:common")
    token = reader(vault, ada, "prod", "common")
    told, everything = follow(vault, token, "prod"), follow(vault, token)
    for name in ("eu", "secret"):
        patch(vault, ada, name, NEW="1")
        change(vault, ada, name, name=f"{name}-2")
    patch(vault, ada, None, NEW="1")
    delete(vault, ada, "secret-2")
    erase(vault, ada, add_environment(vault, ada, "passing").name)
    add_token(vault, ada, grant("read", path="*"))
    assert (told.again, everything.again) == ([], [])
    patch(vault, ada, "common", NEW="1")
    assert (told.again, everything.again) == (["write common@2 -> prod"], ["write common@2"])


def test_a_layer_enters_and_leaves_by_a_base_out_of_sight(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:eu eu:common")
    add_environment(vault, ada, "hidden")
    told = follow(vault, reader(vault, ada, "prod", "common"), "prod")
    stand(vault, ada, "eu", "common", "hidden")
    assert told.again == []
    stand(vault, ada, "eu", "hidden")
    assert told.again == ["bases prod@1 -> prod"]
    stand(vault, ada, "eu", "common")
    delete(vault, ada, "eu")
    undelete(vault, ada, ids["eu"])
    assert told.again == ["bases prod@1 -> prod"] * 4
    erase(vault, ada, "eu")
    assert told.again == ["bases prod@1 -> prod"] * 5


def test_the_order_of_bases_out_of_sight_is_told(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:eu eu:a,b")
    told = follow(vault, reader(vault, ada, "prod", "a", "b"), "prod")
    stand(vault, ada, "eu", "b", "a")
    assert told.again == ["bases prod@1 -> prod"]


def test_a_rename_out_of_a_grant_and_into_it(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "a/x", A="1")
    token = reader(vault, ada, "a")
    by_name, everything = follow(vault, token, "a/x"), follow(vault, token)
    change(vault, ada, "a/x", name="b/x")
    patch(vault, ada, "b/x", A="2")
    assert by_name.again == ["gone a/x -> a/x"]
    assert everything.again == ["gone a/x"]
    change(vault, ada, "b/x", name="a/y")
    assert by_name.again == ["gone a/x -> a/x"]
    assert everything.again == ["gone a/x", "rename a/y@2"]
    change(vault, ada, "a/y", name="a/x")
    assert by_name.again == ["gone a/x -> a/x", "rename a/x@2 -> a/x"]
    assert everything.again == ["gone a/x", "rename a/y@2", "rename a/x@2"]


def test_a_rename_while_it_is_followed_by_name_and_by_id(vault: Services, ada: Principal) -> None:
    prod = add_environment(vault, ada, "prod", A="1")
    by_name, by_id = follow(vault, ada, "prod"), follow(vault, ada, prod.id)
    new_name, both = follow(vault, ada, "live"), follow(vault, ada, "prod", "live", prod.id)
    change(vault, ada, "prod", name="live")
    assert by_name.again == ["gone prod -> prod"]
    assert by_id.again == [f"rename live@1 -> {prod.id}"]
    assert new_name.again == ["rename live@1 -> live"]
    assert both.again == [f"rename live@1 -> prod,live,{prod.id}"]


def test_a_token_of_one_environment_follows_it_by_id_through_renames(vault: Services, ada: Principal) -> None:
    prod = add_environment(vault, ada, "prod", A="1")
    token = as_token(vault, add_token(vault, ada, grant("read", environment_id=prod.id)).secret)
    told, everything = follow(vault, token, prod.id), follow(vault, token)
    change(vault, ada, "prod", name="live")
    add_environment(vault, ada, "prod")
    patch(vault, ada, "live", A="2")
    assert told.again == [f"rename live@2 -> {prod.id}", f"write live@2 -> {prod.id}"]
    assert everything.again == ["rename live@2", "write live@2"]


def test_a_name_is_followed_before_it_exists_and_by_another_environment(vault: Services, ada: Principal) -> None:
    told = follow(vault, reader(vault, ada, "prod"), "prod")
    add_environment(vault, ada, "prod")
    assert told.again == ["create prod -> prod"]
    delete(vault, ada, "prod")
    # A create of what is gone by now says nothing.
    before = told.again
    assert before == ["gone prod -> prod"]
    add_environment(vault, ada, "other", A="1")
    change(vault, ada, "other", name="prod")
    assert told.again == [*before, "rename prod@1 -> prod"]


def test_an_undelete_under_another_name(vault: Services, ada: Principal) -> None:
    prod = add_environment(vault, ada, "prod", A="1")
    token = reader(vault, ada, "prod", "live")
    old, new, everything = follow(vault, token, "prod"), follow(vault, token, "live"), follow(vault, token)
    delete(vault, ada, "prod")
    undelete(vault, ada, prod.id, "live")
    assert old.again == ["gone prod -> prod"]
    assert new.again == ["undelete live@1 -> live"]
    assert everything.again == ["gone prod", "undelete live@1"]


def test_an_undelete_under_a_name_out_of_sight(vault: Services, ada: Principal) -> None:
    prod = add_environment(vault, ada, "prod", A="1")
    told = follow(vault, reader(vault, ada, "prod"))
    delete(vault, ada, "prod")
    undelete(vault, ada, prod.id, "secret")
    patch(vault, ada, "secret", A="2")
    assert told.again == ["gone prod"]


def test_an_erased_environment_is_told_by_its_name(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    build(vault, ada, "top:base")
    token = reader(vault, ada, "prod", "top", "base")
    told, above = follow(vault, token, "prod"), follow(vault, token, "top")
    erase(vault, ada, "prod")
    erase(vault, ada, "base")
    assert told.again == ["gone prod -> prod"]
    assert above.again == ["gone base -> top"]


def test_what_was_purged_since_is_told_by_its_name(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:eu eu:common")
    above = follow(vault, reader(vault, ada, "prod", "common"), "prod")
    told = follow(vault, reader(vault, ada, "eu"), "eu")
    delete(vault, ada, "eu")
    before = told.again, above.again
    assert before == (["gone eu -> eu"], ["bases prod@1 -> prod"])
    run_sql(vault, "DELETE FROM environments WHERE name = 'eu'")
    assert (told.again, above.again) == before


def test_bases_that_are_set_changed_and_removed(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    for name in ("eu", "us"):
        add_environment(vault, ada, name, A="1")
    token = reader(vault, ada, "prod", "eu")
    told = follow(vault, token, "prod")
    steps = (("eu",), ("us",), ())
    for bases in steps:
        stand(vault, ada, "prod", *bases)
        patch(vault, ada, "eu", B=str(bases))
        patch(vault, ada, "us", B=str(bases))
    assert told.again == [
        "bases prod@1 -> prod",
        "write eu@4 -> prod",
        "bases prod@1 -> prod",
        "bases prod@1 -> prod",
    ]


def test_a_write_before_a_rename_out_of_sight_is_not_told_after_it(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "a/x", A="1")
    token = reader(vault, ada, "a")
    everything, by_name = follow(vault, token), follow(vault, token, "a/x")
    for number in range(3):
        patch(vault, ada, "a/x", A=f"{number}")
    # The number of its revision is not to be seen any more.
    change(vault, ada, "a/x", name="b/x")
    assert (everything.again, by_name.again) == (["gone a/x"], ["gone a/x -> a/x"])


def test_a_rename_in_sight_before_one_out_of_sight_says_which_name_it_left(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod")
    told = follow(vault, reader(vault, ada, "prod", "old"), "prod", "old")
    change(vault, ada, "prod", name="old")
    change(vault, ada, "old", name="hidden")
    assert told.again == ["gone prod -> prod,old", "gone old -> old"]


def test_the_globals_are_beneath_an_environment_that_has_not_changed(vault: Services, ada: Principal) -> None:
    prod = add_environment(vault, ada, "prod")
    add_environment(vault, ada, "gone")
    delete(vault, ada, "gone")
    told = follow(vault, reader(vault, ada, "prod", "gone", globals=True), "prod", "gone", prod.id)
    patch(vault, ada, None, A="1")
    assert told.again == [f"write globals@1 -> prod,{prod.id}"]


def test_writes_out_of_sight_are_not_told_after_a_rename_into_it(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "b/x", A="1")
    told = follow(vault, reader(vault, ada, "a"))
    for number in range(3):
        patch(vault, ada, "b/x", A=f"{number}")
    change(vault, ada, "b/x", name="a/x")
    assert told.again == ["rename a/x@4"]


def test_pages_come_in_order_and_say_whether_there_is_more(vault: Services, ada: Principal) -> None:
    token = reader(vault, ada, "mine")
    add_environment(vault, ada, "mine")
    add_environment(vault, ada, "other")
    told = subscribed(vault, token)
    for number in range(7):
        patch(vault, ada, "mine" if number % 2 else "other", A=str(number))
    snapshot = vault.sync.feed.snapshot(token.user_id, told.seq)
    whole = vault.sync.feed.page(snapshot, token, told, told.seq)
    assert (len(whole.messages), whole.more, whole.seq) == (3, False, snapshot.seq)
    since, found = told.seq, list[Message]()
    for more in (True, True, False):
        page = vault.sync.feed.page(snapshot, token, told, since, limit=1)
        assert page.more is more
        assert (page.at_us is not None) is more
        since, found = page.seq, [*found, *page.messages]
    assert found == [*whole.messages]
    assert since == snapshot.seq


def test_a_page_from_before_its_snapshot_is_refused(vault: Services, ada: Principal) -> None:
    told = subscribed(vault, ada)
    patch(vault, ada, None, A="1")
    snapshot = vault.sync.feed.snapshot(ada.user_id, told.seq + 1)
    with pytest.raises(ValueError, match="begins after"):
        vault.sync.feed.page(snapshot, ada, told, told.seq)
    # Whoever has subscribed after it was read is told nothing of it.
    later = vault.sync.feed.page(snapshot, ada, told, snapshot.seq + 5)
    assert (later.messages, later.seq, later.more) == ((), snapshot.seq + 5, False)


def test_a_page_does_not_say_that_others_have_changed(vault: Services, ada: Principal) -> None:
    token = reader(vault, ada, "mine")
    add_environment(vault, ada, "other")
    told = subscribed(vault, token)
    for number in range(5):
        patch(vault, ada, "other", A=str(number))
    page = page_of(vault, token, told, limit=1)
    assert (page.messages, page.more, page.at_us) == ((), False, None)


def test_a_cursor_continues_where_it_was_given(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod")
    told = subscribed(vault, ada, "prod")
    feed = vault.sync.feed
    cursor = feed.cursor(ada.user_id, told.epoch, told.seq)
    patch(vault, ada, "prod", A="1")
    later = feed.subscribe(ada, ["prod"], cursor)
    assert later == told
    assert [in_words(each) for each in page_of(vault, ada, later).messages] == ["write prod@1 -> prod"]
    assert len(feed.cursor(ada.user_id, told.epoch, 2**60)) == len(cursor)


@pytest.mark.parametrize("how", ["deleted", "erased", "renamed", "renamed out of its grant"])
def test_an_end_between_two_calls_is_told_after_the_cursor(vault: Services, ada: Principal, how: str) -> None:
    """A token that may read one environment by its id has no right to a name without it."""
    prod, _ = add_environment(vault, ada, "prod"), add_environment(vault, ada, "other")
    token = as_token(vault, add_token(vault, ada, grant("read", environment="prod")).secret)
    reference = "prod"
    if how == "renamed out of its grant":
        token, reference = reader(vault, ada, "prod"), prod.id
    feed = vault.sync.feed
    first = feed.subscribe(token, [reference], None)
    cursor = feed.cursor(token.user_id, first.epoch, first.seq)
    if how == "deleted":
        delete(vault, ada, "prod")
    elif how == "erased":
        erase(vault, ada, "prod")
    else:
        change(vault, ada, "prod", name="live")
    for references in ([reference], [reference, "other"]):
        with pytest.raises(NotGranted):
            feed.subscribe(token, references, None)
    again = feed.subscribe(token, [reference], cursor)
    page = page_of(vault, token, again)
    assert [in_words(each) for each in page.messages] == [f"gone prod -> {reference}"]
    # What it could never read stays refused, and so does what was gone at the cursor.
    never: list[list[str | None]] = [["other"], [reference, "other"], ["nowhere"], [None]]
    for refused in never:
        with pytest.raises(NotGranted):
            feed.subscribe(token, refused, cursor)
    with pytest.raises(NotGranted):
        feed.subscribe(token, [reference], feed.cursor(token.user_id, again.epoch, page.seq))


def test_a_snapshot_that_does_not_reach_back_is_expired(vault: Services, ada: Principal, bob: Principal) -> None:
    add_environment(vault, ada, "prod")
    told = subscribed(vault, ada, "prod")
    run_sql(vault, "UPDATE users SET change_seq = change_seq + 10001 WHERE id = :id", id=ada.user_id)
    for user_id, since in ((ada.user_id, told.seq), (bob.user_id, 10**6), ("nobody", 0)):
        with pytest.raises(CursorExpired):
            vault.sync.feed.snapshot(user_id, since)


@pytest.mark.parametrize("references", [[], ["a"] * 101, [""], ["a//b"], ["a\0"], ["x" * 5000], ["ok", "no\n"]])
def test_a_subscription_is_checked(vault: Services, ada: Principal, references: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        vault.sync.feed.subscribe(ada, references, None)
    assert (caught.value.path or "").startswith("environments")


def test_a_subscription_needs_read_whether_its_environment_exists_or_not(vault: Services, ada: Principal) -> None:
    other = add_environment(vault, ada, "other")
    token, lister = reader(vault, ada, "mine"), add_token(vault, ada, grant("list", path="*"))
    for references in (["other"], ["nowhere"], ["mine", "other"], [None], [other.id], [ada.user_id]):
        with pytest.raises(NotGranted):
            vault.sync.feed.subscribe(token, references, None)
        with pytest.raises(NotFound):
            vault.sync.feed.subscribe(as_token(vault, lister.secret), references, None)
    with pytest.raises(NotGranted):
        vault.sync.feed.subscribe(as_token(vault, lister.secret), None, None)
    assert vault.sync.feed.subscribe(token, ["mine"], None).references == ("mine",)
    assert vault.sync.feed.subscribe(ada, ["nowhere", None, "nowhere"], None).references == ("nowhere", None)


def test_subscribing_is_recorded_once_and_telling_never(vault: Services, ada: Principal) -> None:
    ids = [add_environment(vault, ada, name).id for name in ("prod", "test")]
    told = subscribed(vault, ada, "prod", ids[1], "nowhere")
    subscribed(vault, ada)
    patch(vault, ada, "prod", A="1")
    for _ in range(3):
        page_of(vault, ada, told)
    vault.audit.reads.drain()
    found = [seen.event for seen in vault.audit.trail.search(HOST, Search(action="changes.follow"), None, 100)]
    assert sorted((event.environment_id or "", event.result) for event in found) == [("", "ok"), (ids[0], "ok")]
    assert [ids[1] in event.details for event in found if event.environment_id] == [True]


def test_others_changes_are_not_told(vault: Services, ada: Principal, bob: Principal) -> None:
    for who in (ada, bob):
        add_environment(vault, who, "prod")
    told = follow(vault, ada, "prod"), follow(vault, ada)
    patch(vault, bob, "prod", A="1")
    patch(vault, bob, None, A="1")
    assert [each.again for each in told] == [[], []]


def test_a_wake_costs_one_snapshot_of_few_statements(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:eu,us eu:common us:common")
    told = [subscribed(vault, ada, name) for name in ("prod", "eu", "us", "common") for _ in range(20)]
    since = told[0].seq
    begin_and_end = 2
    with statements(vault) as seen:
        vault.sync.feed.snapshot(ada.user_id, since)
    assert len(seen) == 3 + begin_and_end
    patch(vault, ada, "common", A="1")
    change(vault, ada, "eu", description="a text")
    with statements(vault) as seen:
        snapshot = vault.sync.feed.snapshot(ada.user_id, since)
        before = len(seen)
        pages = [vault.sync.feed.page(snapshot, ada, each, since) for each in told]
    assert before == len(seen) == 5 + begin_and_end
    assert {len(page.messages) for page in pages} == {1, 2}


def test_the_snapshot_sees_one_moment(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename between two of its statements belongs to the next snapshot."""
    prod = add_environment(vault, ada, "prod")
    told = subscribed(vault, ada)
    patch(vault, ada, "prod", A="1")
    after = Changes.after

    def and_then_a_rename(self: Changes, user_id: str, seq: int, limit: int) -> list[ChangeRow]:
        found = after(self, user_id, seq, limit)
        monkeypatch.setattr(Changes, "after", after)
        change(vault, ada, "prod", name="live")
        return found

    monkeypatch.setattr(Changes, "after", and_then_a_rename)
    first = page_of(vault, ada, told)
    assert [in_words(each) for each in first.messages] == ["write prod@1"]
    assert [in_words(each) for each in page_of(vault, ada, told, first.seq).messages] == ["rename live@1"]
    assert prod.id == first.messages[0].environment_id


def test_nobody_skips_what_many_write_at_once(vault: Services, ada: Principal) -> None:
    names = [f"env-{number}" for number in range(4)]
    for name in names:
        add_environment(vault, ada, name)
    told = subscribed(vault, ada)

    def write_ten(name: str) -> None:
        for number in range(10):
            patch(vault, ada, name, A=str(number))

    since, seen = told.seq, list[Message]()
    with ThreadPoolExecutor(len(names)) as pool:
        writers = [pool.submit(write_ten, name) for name in names]
        is_over = False
        while not is_over:
            # Look once more after the last write.
            is_over = all(writer.done() for writer in writers)
            page = page_of(vault, ada, told, since)
            since, seen = page.seq, [*seen, *page.messages]
        for writer in writers:
            writer.result()
    numbers = [message.seq for message in seen]
    assert numbers == [message.seq for message in page_of(vault, ada, told).messages]
    assert len(numbers) == 10 * len(names)
    last = {message.name: message.revision for message in seen}
    assert last == dict.fromkeys(names, 10)


def test_a_deletion_time_that_passes_is_told(vault: Services, ada: Principal, clock: FakeClock) -> None:
    build(vault, ada, "prod:eu")
    vault.sync.expiring.run(vault_itself("test"))
    change(vault, ada, "eu", delete_version_after_seconds=60)
    patch(vault, ada, "eu", A="1")
    told, away = follow(vault, reader(vault, ada, "prod", "eu"), "prod"), follow(vault, reader(vault, ada, "prod"))
    clock.advance(120)
    assert vault.sync.expiring.run(vault_itself("test")) == 1
    assert (told.again, away.again) == (["expire eu@2 -> prod"], [])


def test_a_subscription_to_many_costs_few_statements(vault: Services, ada: Principal) -> None:
    names = [add_environment(vault, ada, f"env-{number}").name for number in range(60)]
    references = [*names, *(f"new-{number}" for number in range(39)), None]
    with statements(vault) as seen:
        vault.sync.feed.subscribe(ada, references, None)
    # The environments, the globals, the epoch, and the number of the newest change.
    assert len(seen) == 4


def test_what_an_older_release_changed_is_told_as_far_as_it_was_stored(vault: Services, ada: Principal) -> None:
    """It stores no names and no bases with a change."""
    build(vault, ada, "prod:eu eu:common")
    told, above = follow(vault, ada), follow(vault, ada, "prod")
    change(vault, ada, "eu", name="eu-2")
    stand(vault, ada, "common")
    stand(vault, ada, "eu-2")
    delete(vault, ada, "common")
    run_sql(vault, "UPDATE changes SET old_name = NULL, new_name = NULL")
    assert told.again == ["change eu-2@1", "bases eu-2@1", "gone common"]
    assert above.again == ["change eu-2@1 -> prod", "bases eu-2@1 -> prod"]


def test_a_change_of_a_newer_release_is_told_as_a_plain_change(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod")
    told = follow(vault, ada)
    patch(vault, ada, "prod", A="1")
    run_sql(vault, "UPDATE changes SET kind = 'environment.paint' WHERE kind = 'revision.write'")
    assert told.again == ["change prod@1"]
