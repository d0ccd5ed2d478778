"""The stages of a reseal that seal again: stored answers, then every user key, every data key and every revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vault.crypto import Key, context, open_blob, seal
from vault.model.action import Action
from vault.model.principal import Principal
from vault.services import audit
from vault.services.keys.users import UserRotation
from vault.services.own.instance import Instance
from vault.services.pace import BATCH, Walk
from vault.storage import ColumnValue, ColumnValues, DataKey, Stale, Storage, StoredRevision, UnitOfWork
from vault.storage.retry import again
from vault.storage.rows.revisions import Revisions
from vault.storage.walks.key_walk import RowChange, change_many, data_keys_before, unchanged, users_with_key_before
from vault.storage.walks.reseal_walk import (
    ANSWERS,
    SealedAnswer,
    answers_before,
    replace_answers,
    retired_data_keys,
    revisions_under,
)

REVISIONS_AT_ONCE = 16
"""The number of revisions in a batch. Each may have a megabyte, and all of a batch are in memory."""

T = TypeVar("T")


class ResealContent:
    """Seals what people store under new keys. For `Resealing`, which has checked the permission."""

    def __init__(self, storage: Storage, instance: Instance, people: UserRotation) -> None:
        self._storage = storage
        self._instance = instance
        self._people = people

    def run(self, principal: Principal, before_us: int, walk: Walk) -> None:
        """Do what is left of these stages. Raises `OutOfTime`."""
        self._seal_answers(walk)
        self._seal_people(principal, before_us, walk)
        self._seal_data(principal, before_us, walk)

    def _seal_answers(self, walk: Walk) -> None:
        for purpose in ANSWERS:
            while count := self._storage.transaction(self._seal_some_answers, purpose):
                walk.add(count)
                walk.go_on()

    def _seal_some_answers(self, unit: UnitOfWork, purpose: str) -> int:
        own = self._instance.own_keys
        changes: list[tuple[SealedAnswer, ColumnValues]] = []
        for row in answers_before(unit, purpose, own.system_key.id, BATCH):
            scope = row.scope + row.fingerprint
            place = context.stored_answer(self._instance.id, purpose, scope.hex())
            blob = self._instance.seal(place, self._instance.open_blob(place, row.user_key_id, row.blob))
            changes.append((row, {"blob": blob, "user_key_id": own.system_key.id}))
        replace_answers(unit, purpose, changes)
        return len(changes)

    def _seal_people(self, principal: Principal, before_us: int, walk: Walk) -> None:
        for user_id in self._each(users_with_key_before, before_us, str):
            walk.add(self._people.rotate_user(principal, user_id, before_us))
            walk.go_on()

    def _seal_data(self, principal: Principal, before_us: int, walk: Walk) -> None:
        for fetch, work in ((data_keys_before, self._new_data_key), (retired_data_keys, self._move_revisions)):
            for row in self._each(fetch, before_us, _id):
                work(principal, row, walk)
                walk.go_on()
        while self._people.drop_idle(principal):
            walk.go_on()

    def _each(
        self, fetch: Callable[[UnitOfWork, int, str, int], Sequence[T]], before_us: int, id_of: Callable[[T], str]
    ) -> Iterator[T]:
        """Yield everything that `fetch` finds, page by page. No view is open while the caller works."""
        after = ""
        while True:
            with self._storage.read() as unit:
                page = fetch(unit, before_us, after, BATCH)
            if not page:
                return
            yield from page
            after = id_of(page[-1])

    def _new_data_key(self, principal: Principal, row: DataKey, walk: Walk) -> None:
        walk.add(self._people.rotate_environment(principal, row))

    def _move_revisions(self, principal: Principal, old: DataKey, walk: Walk) -> None:
        while count := again(self._move_some_revisions, principal, old):
            walk.add(count)
            walk.go_on()

    def _move_some_revisions(self, principal: Principal, old: DataKey) -> int:
        with self._storage.read() as unit:
            rows = revisions_under(unit, old.id, REVISIONS_AT_ONCE)
            new = unit.data_keys.active(old.environment_id)
            if not rows or new is None:
                return 0
            keys = [self._data_key(unit, row) for row in (old, new)]
        changes: list[RowChange[StoredRevision]] = []
        for row in rows:
            columns: dict[str, ColumnValue] = {"data_key_id": new.id, "generation": row.generation + 1, "blob": None}
            if row.blob is not None:
                place = context.revision(self._instance.id, old.environment_id, row.id, row.number)
                columns["blob"] = seal(keys[1], place, open_blob(keys[0], place, row.blob), padded=True)
            changes.append((row, columns))
        with self._storage.write() as unit:
            same = unchanged(unit, Revisions, rows)
            left = [change for change in changes if change[0].id in same]
            change_many(unit, Revisions, left)
            audit.record(
                unit, principal, Action.KEYS_RESEAL, user_id=old.owner_id, environment_id=old.environment_id,
                details={"revisions": len(left)},
            )  # fmt: skip
        return len(rows)

    def _data_key(self, unit: UnitOfWork, row: DataKey) -> Key:
        user_key = unit.user_keys.by_id(row.user_key_id)
        if user_key is None:
            raise Stale("user_keys")
        owner_key = self._instance.user_key(row.owner_id, user_key)
        ids = (row.owner_id, row.environment_id, row.id)
        return self._instance.keyring.data_key(owner_key, *ids, row.blob)


def _id(row: DataKey) -> str:
    return row.id
