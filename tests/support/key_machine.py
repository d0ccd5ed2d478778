"""A state machine of everything that can happen to keys, with crashes between any two transactions.

After each step it checks that both workers can open all acknowledged data and no shredded data. After a restore, the
expected data is what was acknowledged when the archive was made, without what was shredded since.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.backups import make, newest, restored
from tests.support.rotating import Worker, open_everything
from tests.support.vaults import HOST, add_environment, add_person, as_session, erase_oneself, log_in, patch, values
from vault.app import open_vault
from vault.errors import Conflict, NotFound, StrongroomError, VaultLocked
from vault.keys import backup as backup_key
from vault.model.principal import Principal
from vault.services import Services
from vault.services.keys.locking import lock, unlock
from vault.settings import Settings
from vault.storage import UnitOfWork

_CRASH_BEFORE = st.one_of(st.none(), st.integers(0, 12))


class Crashed(BaseException):
    """Simulates a process that SIGKILL ends. It is a BaseException, so that handlers which a dead process would not run
    do not run.
    """


class KeyMachine(RuleBasedStateMachine):
    """One operator's process and two workers."""

    copy: ClassVar[Callable[[], Settings]]
    empty: ClassVar[Callable[[], str]]

    def __init__(self) -> None:
        super().__init__()
        self.settings = _with_backups(type(self).copy())
        self.operator = open_vault(self.settings)
        self.workers = [Worker(open_vault(self.settings, as_worker=True)) for _ in range(2)]
        self.stored: dict[Principal, dict[str, dict[str, str]]] = {}
        self.erased: list[Principal] = []
        self.count = 0
        self.is_locked = False
        self.archive: Path | None = None
        self.stored_then = copy.deepcopy(self.stored)
        self.was_locked = self.has_let_go = False

    @initialize()
    def begin(self) -> None:
        self._all_learn()
        self.join()

    # -- What people do, through either worker --

    @precondition(lambda self: not self.is_locked and len(self.stored) < 3)
    @rule()
    def join(self) -> None:
        self.count += 1
        person = add_person(self.operator, f"person-{self.count}")
        self.stored[person] = {}

    @precondition(lambda self: not self.is_locked and self.stored)
    @rule(at=st.integers(0, 1), choice=st.integers(0, 9))
    def create(self, at: int, choice: int) -> None:
        person, name = self._person(choice), f"env-{choice % 3}"
        if name not in self.stored[person]:
            add_environment(self._worker(at), person, name, A="0")
            self.stored[person][name] = {"A": "0"}

    @precondition(lambda self: not self.is_locked and any(self.stored.values()))
    @rule(at=st.integers(0, 1), choice=st.integers(0, 9))
    def write(self, at: int, choice: int) -> None:
        self.count += 1
        person = self._person(choice)
        for name in sorted(self.stored[person])[:1]:
            patch(self._worker(at), person, name, A=str(self.count))
            self.stored[person][name] = {"A": str(self.count)}

    @precondition(lambda self: not self.is_locked and len(self.stored) > 1)
    @rule(at=st.integers(0, 1), choice=st.integers(0, 9))
    def erase(self, at: int, choice: int) -> None:
        person, worker = self._person(choice), self._worker(at)
        # A reseal may have ended the session that the person had.
        erase_oneself(worker, as_session(worker, log_in(worker, person.username).secret))
        assert not any(told.error for told in self.operator.backups.tell_erased(HOST))
        del self.stored[person]
        self.erased.append(person)

    # -- What operators do, and where they crash --

    @rule(crash=_CRASH_BEFORE)
    def rotate_master(self, crash: int | None) -> None:
        self._attempt(crash, lambda: self.operator.keys.master.rotate(HOST, wait_seconds=0))

    @rule(crash=_CRASH_BEFORE)
    def rewrap(self, crash: int | None) -> None:
        self._attempt(crash, lambda: self.operator.keys.rewrapping.run(HOST))

    @precondition(lambda self: self.stored)
    @rule(crash=_CRASH_BEFORE, choice=st.integers(0, 9))
    def rotate_person(self, crash: int | None, choice: int) -> None:
        name = self._person(choice).username
        self._attempt(crash, lambda: self.operator.keys.people.rotate(HOST, name))

    @rule(crash=_CRASH_BEFORE)
    def rotate_system(self, crash: int | None) -> None:
        self._attempt(crash, lambda: self.operator.keys.system.rotate(HOST))

    @rule(crash=_CRASH_BEFORE)
    def reseal(self, crash: int | None) -> None:
        self._attempt(crash, lambda: self.operator.keys.reseal.run(HOST))

    @rule(crash=_CRASH_BEFORE, version=st.integers(1, 4), destroys=st.booleans())
    def let_go(self, crash: int | None, version: int, destroys: bool) -> None:
        master, self.has_let_go = self.operator.keys.master, True
        if destroys:
            self._attempt(crash, lambda: master.destroy(HOST, version, now=True))
        else:
            self._attempt(crash, lambda: master.retire(HOST, version))

    @rule()
    def back_up(self) -> None:
        make(self.operator)
        self.archive, self.stored_then = newest(self.operator), copy.deepcopy(self.stored)
        self.was_locked, self.has_let_go = self.is_locked, False

    @rule(from_now=st.booleans())
    def restore(self, from_now: bool) -> None:
        if from_now or self.archive is None:
            self.back_up()
        url = type(self).empty()
        try:
            assert not restored(self.operator, url, self.archive).warnings
        except StrongroomError as error:
            # An archive needs the versions of its time, so destroying one at once makes older archives unusable.
            if not self.has_let_go:
                raise AssertionError(f"{type(error).__name__}: {error}") from error
            return
        for worker in self.workers:
            worker.leave()
        self.settings = replace(self.settings, database_url=url)
        self.stored = {
            person: environments
            for person, environments in copy.deepcopy(self.stored_then).items()
            if person not in self.erased
        }
        self.is_locked = self.was_locked
        self._start_operator_again()
        self.workers = [Worker(open_vault(self.settings, as_worker=True)) for _ in range(2)]
        self._all_learn()

    @rule(locks=st.booleans())
    def lock_or_unlock(self, locks: bool) -> None:
        (lock if locks else unlock)(self.operator.storage, HOST)
        self.is_locked = locks
        # Each command is a process of its own, which finds out for itself.
        self._start_operator_again()
        self._all_learn()

    @rule(at=st.integers(0, 1))
    def worker_starts_again(self, at: int) -> None:
        self.workers[at].leave()
        self.workers[at] = Worker(open_vault(self.settings, as_worker=True))
        self.workers[at].learn()

    @rule(at=st.integers(0, 1))
    def worker_learns(self, at: int) -> None:
        self.workers[at].learn()

    # -- What must hold --

    @invariant()
    def all_that_was_acknowledged_opens(self) -> None:
        for worker in self.workers:
            for person, environments in self.stored.items():
                for name, expected in environments.items():
                    self._check(worker.services, person, name, expected)

    @invariant()
    def nothing_shredded_opens(self) -> None:
        with self.operator.storage.read() as unit:
            for person in self.erased:
                assert unit.users.by_id(person.user_id) is None
        for person in self.erased:
            for worker in self.workers:
                try:
                    values(worker.services, person, "env-0")
                except (NotFound, VaultLocked):
                    continue
                raise AssertionError("What was shredded was read.")

    def teardown(self) -> None:
        if self.is_locked:
            unlock(self.operator.storage, HOST)
            self._all_learn()
        self._start_operator_again()
        if self._is_resealing():
            self._attempt(None, lambda: self.operator.keys.reseal.run(HOST))
        open_everything(self.operator)
        for worker in self.workers:
            worker.leave()
        self.operator.storage.close()

    def _check(self, services: Services, person: Principal, name: str, expected: dict[str, str]) -> None:
        try:
            assert values(services, person, name) == expected
        except VaultLocked:
            assert self.is_locked

    def _person(self, choice: int) -> Principal:
        people = sorted(self.stored, key=lambda person: person.username)
        return people[choice % len(people)]

    def _worker(self, at: int) -> Services:
        return self.workers[at].services

    def _is_resealing(self) -> bool:
        return self.operator.keys.reseal.status(HOST).began_us is not None

    def _all_learn(self) -> None:
        for worker in self.workers:
            worker.watch()
            worker.learn()
            worker._jobs._beat()

    def _attempt(self, crash: int | None, action: Callable[[], Any]) -> None:
        """Run `action` while workers learn of changes. After a crash, a new process replaces the old one."""
        try:
            with self._transactions(self.operator, crash):
                action()
        except (Conflict, NotFound):
            pass
        except Crashed:
            self._start_operator_again()
        except StrongroomError as error:
            raise AssertionError(f"{type(error).__name__}: {error}") from error
        self._all_learn()

    @contextmanager
    def _transactions(self, operator: Services, crash: int | None) -> Iterator[None]:
        """Let the workers learn after each transaction of the operator, and crash before one of them."""
        begin, left = operator.storage.write, crash

        @contextmanager
        def write() -> Iterator[UnitOfWork]:
            nonlocal left
            if left == 0:
                raise Crashed
            left = None if left is None else left - 1
            with begin() as unit:
                yield unit
            for worker in self.workers:
                worker.learn()

        operator.storage.write = write  # type: ignore[method-assign]  # every write goes through the crash
        try:
            yield
        finally:
            operator.storage.write = begin  # type: ignore[method-assign]  # every write goes through the crash

    def _start_operator_again(self) -> None:
        self.operator.storage.close()
        self.operator = open_vault(self.settings)


def _with_backups(settings: Settings) -> Settings:
    """Return the settings, with a place for archives and a backup key."""
    folder = settings.keyring.parent.parent / f"backups-{secrets.token_hex(4)}"
    place = folder / "place"
    place.mkdir(mode=0o700, parents=True)
    key = folder / "keys" / "backup.key"
    backup_key.make(key)
    return replace(settings, backup_to=f"dir:{place}", backup_key=key)
