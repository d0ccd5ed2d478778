"""A backup of either database, restored into either: the state of one moment, and all of it opens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.support.backups import archive, backed_up, make, no_phases, opened_at, restored
from tests.support.patience import eventually
from tests.support.rotating import open_everything
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    log_in,
    opened_again,
    patch,
    run_sql,
    values,
)
from vault.app import restorer
from vault.errors import DatabaseUnavailable, NotAuthenticated
from vault.model.principal import Principal
from vault.services import Services
from vault.services.keys.locking import lock
from vault.storage import Stale
from vault.storage.tables import metadata
from vault.storage.walks.snapshot import LEFT_OUT, kept_tables


@pytest.fixture
def backed(vault: Services, tmp_path: Path) -> Iterator[Services]:
    with backed_up(vault, tmp_path) as found:
        yield found


def rows_of(vault: Services) -> dict[str, list[tuple[object, ...]]]:
    with vault.storage.reading.connect() as connection:
        found = {}
        for table in kept_tables():
            statement = sa.select(table).order_by(*table.primary_key.columns)
            found[table.name] = [tuple(row) for row in connection.execute(statement)]
        return found


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_backed_up_is_there_again_in_either_database(
    backed: Services, ada: Principal, kind: Kind, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    add_environment(backed, ada, "prod", A="1", B="{{A}}")
    patch(backed, ada, "prod", A="ä€𝄞\n\\")
    patch(backed, ada, None, G="globals")
    parent = add_token(backed, ada, grant("list,read,delegate", environment="prod"))
    child = add_token(backed, as_token(backed, parent.secret), grant("read", environment="prod"))
    with backed.storage.write() as unit:
        backed.audit.tree.sequence(unit)
    before = rows_of(backed)
    made = make(backed)
    url = fresh_database(kind, migrated=False)
    done = restored(backed, url, clock=clock)
    assert done.contents.counts == {name: len(rows) for name, rows in before.items()}
    assert (done.proof.faults, done.living_tokens, made.rows) == ([], 2, done.contents.rows)
    with opened_at(backed.settings, url, clock) as again:
        after = rows_of(again)
        events, events_before = after.pop("audit_events"), before.pop("audit_events")
        assert after == before
        assert [row[5] for row in events if row not in events_before] == ["backup.restore"]
        assert values(again, as_token(again, child.secret), "prod") == {"A": "ä€𝄞\n\\", "B": "ä€𝄞\n\\"}
        assert open_everything(again) == 3


def test_the_audit_goes_on_behind_the_moment_and_is_whole(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    add_environment(backed, ada, "prod", A="1")
    make(backed)
    patch(backed, ada, "prod", A="lost")
    url = fresh_database("sqlite")
    restored(backed, url, clock=clock)
    with opened_at(backed.settings, url, clock) as again:
        clock.advance(1)
        patch(again, ada, "prod", A="2")
        with again.storage.write() as unit:
            again.audit.tree.sequence(unit)
        assert again.audit.verifier.verify().faults == []
        actions = [row.action for row in run_sql(again, "SELECT action FROM audit_events ORDER BY sequence")]
    assert actions[-2:] == ["backup.restore", "revision.write"]


def test_sessions_end_and_nothing_left_out_comes_back(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    secret = log_in(backed, "ada").secret
    make(backed)
    url = fresh_database("sqlite")
    restored(backed, url, clock=clock)
    with opened_at(backed.settings, url, clock) as again:
        with pytest.raises(NotAuthenticated):
            again.people.sessions.authenticate(secret, "api", "192.0.2.1", "request")
        with again.storage.reading.connect() as connection:
            # The target's own migrations have written `schema_readers`. A restore begins a new epoch of the feed.
            for name in LEFT_OUT - {"schema_readers", "feed", "read_marks"}:
                assert connection.execute(sa.select(metadata.tables[name])).all() == []


def test_every_table_is_kept_or_left_out_on_purpose() -> None:
    assert {table.name for table in kept_tables()} | LEFT_OUT == set(metadata.tables)
    assert set(metadata.tables) >= LEFT_OUT


def test_the_lock_is_as_it_was(backed: Services, fresh_database: FreshDatabase, clock: FakeClock) -> None:
    lock(backed.storage, HOST)
    make(backed)
    assert restored(backed, fresh_database("sqlite"), clock=clock).is_locked


class Writer(threading.Thread):
    """Writes the same number into two environments, in one transaction, again and again."""

    def __init__(self, vault: Services, person: Principal, pair: tuple[str, str]) -> None:
        super().__init__(daemon=True)
        self._vault, self._person, self._pair = vault, person, pair
        self.stop = threading.Event()
        self.count = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stop.is_set() and self.count < 10_000:
                self._write(str(self.count + 1))
                self.count += 1
        except BaseException as error:
            self.error = error

    def _write(self, number: str) -> None:
        while True:
            try:
                with self._vault.storage.write() as unit:
                    for name in self._pair:
                        self._vault.environments.variables.patch(unit, self._person, name, {"N": {"value": number}})
                return
            except (Stale, DatabaseUnavailable):
                continue


def test_a_backup_while_four_writers_run_is_of_one_moment(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    pairs = [(f"left-{number}", f"right-{number}") for number in range(4)]
    for pair in pairs:
        for name in pair:
            add_environment(backed, ada, name, N="0")
    with opened_again(backed, clock) as other:
        writers = [Writer((backed, other)[number % 2], ada, pair) for number, pair in enumerate(pairs)]
        for writer in writers:
            writer.start()
        try:
            _wait_for(writers, [2] * 4)
            before = [writer.count for writer in writers]
            make(backed)
            after = [writer.count for writer in writers]
            _wait_for(writers, [count + 1 for count in after])
        finally:
            for writer in writers:
                writer.stop.set()
            for writer in writers:
                writer.join(30)
    assert [writer.error for writer in writers] == [None] * 4
    url = fresh_database("sqlite")
    assert restored(backed, url, clock=clock).proof.faults == []
    with opened_at(backed.settings, url, clock) as again:
        for number, (left, right) in enumerate(pairs):
            found = values(again, ada, left)["N"]
            assert values(again, ada, right)["N"] == found
            assert before[number] <= int(found) <= after[number] + 1


def _wait_for(writers: list[Writer], counts: list[int]) -> None:
    """Wait until every writer has come to its count: SQLite is not fair, and lets some wait for long."""

    def are_there() -> bool:
        return all(writer.count >= count or writer.error for writer, count in zip(writers, counts, strict=True))

    assert eventually(are_there, 60)


def test_the_drill_opens_everything_and_leaves_nothing(
    backed: Services, ada: Principal, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_environment(backed, ada, "prod", A="1")
    make(backed)
    staging = tmp_path / "tmp"
    staging.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(staging))
    contents, proof = restorer(backed.settings, clock).drill(HOST, archive(backed), no_phases)
    assert (contents.head.instance_id, proof.faults) == (backed.instance.id, [])
    assert proof.blobs > 5
    assert list(staging.iterdir()) == []
