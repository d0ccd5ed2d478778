"""An oracle for the feed: random changes of a person's environments, and what credentials could read after each.

What `values` and `get` answer a credential is noted after each operation. What the feed tells it is then compared with
these notes: nothing that it could see is left out, and nothing that it could not see is told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.bases import change, delete, stand, undelete
from tests.support.feed import delete_versions, erase
from tests.support.vaults import add_environment, add_token, as_token, grant, patch, write
from vault.errors import NotFound, NotGranted, RevisionDeleted, StrongroomError
from vault.model.environment import GLOBALS, EnvironmentRef
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import LAYER_EMPTY, Question
from vault.services.sync.feed import Page, Snapshot, Subscription
from vault.services.sync.message import Message, MessageType

NAMES = ("a/x", "a/y", "b/x", "b/y", "c")

Sight = dict[str, tuple[str | None, int | None]]
"""The environments that a credential may read, by id, with their names and the numbers of their revisions."""

Answer = tuple[str, str]
"""What `values` answers: the values and the ETag, or an error and what can be seen of the environment."""

Answers = dict[EnvironmentRef, Answer]


@dataclass
class Moment:
    """What one credential could read at one moment."""

    seq: int
    sees: Sight
    answers: Answers


@dataclass
class Watcher:
    """A credential, its subscriptions, and what it could read after each operation."""

    name: str
    who: Principal
    subscriptions: list[Subscription]
    moments: list[Moment] = field(default_factory=list)


class World:
    """A person's environments, which change at random, and credentials that watch them."""

    def __init__(self, vault: Services, ada: Principal, seed: int) -> None:
        self.vault = vault
        self.ada = ada
        self.seed = seed
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.ids = [add_environment(vault, ada, name, A="1").id for name in NAMES[:3]]
        stand(vault, ada, "a/x", "b/x")
        self.watchers = [self._watcher(*each) for each in self._credentials()]
        self.note()

    def step(self) -> None:
        """Change something, and note what can be read after it. What cannot be done is left out."""
        actions = {
            self._create: 3,
            self._write: 2,
            self._rename: 3,
            self._stand: 4,
            self._delete: 2,
            self._undelete: 3,
            self._describe: 1,
            self._erase: 1,
            self._write_globals: 1,
            self._delete_version: 1,
            self._make_a_token: 1,
        }
        for action in self.random.choices([*actions], [*actions.values()], k=5):
            with suppress(StrongroomError):
                self.done.append(action())
                break
        self.note()

    def note(self) -> None:
        """Note what each credential can read now."""
        with self.vault.storage.read() as unit:
            seq = unit.changes.newest(self.ada.user_id) or 0
            rows = unit.environments.of_owner(self.ada.user_id)
        self.ids = list(dict.fromkeys([*self.ids, *(row.id for row in rows if row.kind == "environment")]))
        for watcher in self.watchers:
            sees: Sight = {}
            for row in rows:
                if row.kind == "globals":
                    with suppress(NotGranted):
                        sees[row.id] = (None, self._revision(watcher.who, GLOBALS))
                else:
                    with suppress(NotFound):
                        view = self.vault.environments.environments.get(watcher.who, row.id)
                        sees[row.id] = (view.name, view.revision)
            references = {each for sub in watcher.subscriptions for each in sub.references or ()}
            answers = {each: self._answer(watcher.who, each) for each in references}
            watcher.moments.append(Moment(seq, sees, answers))

    def snapshot(self, since: int) -> Snapshot:
        """Return what has changed since a moment."""
        return self.vault.sync.feed.snapshot(self.ada.user_id, self.watchers[0].moments[since].seq)

    def _revision(self, who: Principal, reference: EnvironmentRef) -> int | None:
        return self.vault.environments.values.read(who, reference, Question()).revision

    def _answer(self, who: Principal, reference: EnvironmentRef) -> Answer:
        try:
            found = self.vault.environments.values.read(who, reference, Question())
        except RevisionDeleted:
            return RevisionDeleted.__name__, self._unknown()
        except (NotFound, NotGranted):
            # An environment that cannot be seen, or does not exist, looks the same to a follower.
            return NotFound.__name__, ""
        assert found.resolved is not None
        return str(found.resolved.values), self._unknown() if LAYER_EMPTY in found.resolved.warnings else found.etag

    def _unknown(self) -> str:
        """Return an ETag that differs from all others: a layer without a readable revision changes no values, but its
        changes are told.
        """
        return str(self.random.random())

    def _credentials(self) -> list[tuple[str, Principal]]:
        def token(*paths: str, also_globals: bool = False, ids: Sequence[str] = ()) -> Principal:
            grants = [grant("list,read", path=path) for path in paths]
            grants += [grant("list,read", environment_id=each) for each in ids]
            grants += [grant("list,read", globals=True)] if also_globals else []
            return as_token(self.vault, add_token(self.vault, self.ada, *grants).secret)

        return [
            ("session", self.ada),
            ("a", token("a")),
            ("b/x and globals", token("b/x", also_globals=True)),
            ("id of a/x, and c", token("c", ids=self.ids[:1])),
            ("a/x and b/y", token("a/x", "b/y")),
            ("nothing", token("z")),
        ]

    def _watcher(self, name: str, who: Principal) -> Watcher:
        subscriptions = [self.vault.sync.feed.subscribe(who, None, None)]
        references: list[EnvironmentRef] = [*NAMES, *self.ids, GLOBALS]
        allowed = []
        for each in references:
            # Who may subscribe is who may ask for the values.
            may_follow = _may(lambda each=each: self.vault.sync.feed.subscribe(who, [each], None))  # type: ignore[misc]  # mypy: a lambda with a default
            may_read = _may(lambda each=each: self.vault.environments.values.read(who, each, Question()))  # type: ignore[misc]  # mypy: a lambda with a default
            assert may_follow == may_read, (name, each)
            allowed += [each] if may_follow else []
        for chosen in (allowed, self.random.sample(allowed, min(2, len(allowed))), allowed[:1]):
            if chosen:
                subscriptions.append(self.vault.sync.feed.subscribe(who, chosen, None))
        return Watcher(name, who, subscriptions)

    def _create(self) -> str:
        name = self.random.choice(NAMES)
        bases = [each for each in self.random.sample(NAMES, 2) if each != name]
        make = self.vault.environments.making.create
        with suppress(StrongroomError):
            write(self.vault, lambda unit: make(unit, self.ada, name, bases=bases[:1]))
            return f"create {name} on {bases[:1]}"
        add_environment(self.vault, self.ada, name)
        return f"create {name}"

    def _write(self) -> str:
        name = self.random.choice(NAMES)
        return f"write {name} {patch(self.vault, self.ada, name, A=str(self.random.random()))}"

    def _write_globals(self) -> str:
        return f"write globals {patch(self.vault, self.ada, GLOBALS, G=str(self.random.random()))}"

    def _describe(self) -> str:
        name = self.random.choice(NAMES)
        change(self.vault, self.ada, name, description=str(self.random.random()))
        return f"describe {name}"

    def _rename(self) -> str:
        old, new = self.random.sample(NAMES, 2)
        change(self.vault, self.ada, old, name=new)
        return f"rename {old} {new}"

    def _stand(self) -> str:
        name, *bases = self.random.sample(NAMES, self.random.randint(1, 4))
        stand(self.vault, self.ada, name, *bases)
        return f"stand {name} {bases}"

    def _delete(self) -> str:
        name = self.random.choice(NAMES)
        delete(self.vault, self.ada, name)
        return f"delete {name}"

    def _undelete(self) -> str:
        reference, name = self.random.choice(self.ids), self.random.choice([None, *NAMES])
        undelete(self.vault, self.ada, reference, name)
        return f"undelete {reference} as {name}"

    def _erase(self) -> str:
        name = self.random.choice(NAMES)
        erase(self.vault, self.ada, name)
        return f"erase {name}"

    def _delete_version(self) -> str:
        name = self.random.choice(NAMES)
        delete_versions(self.vault, self.ada, name)
        return f"delete version {name}"

    def _make_a_token(self) -> str:
        add_token(self.vault, self.ada, grant("read", path="*"))
        return "make a token"


def watch(world: World, steps: int) -> None:
    """Change things at random. After each step, compare what is told of it, and what is replayed from some moment."""
    for step in range(steps):
        world.step()
        for since in {step, world.random.randint(0, step)}:
            snapshot = world.snapshot(since)
            for watcher in world.watchers:
                for subscription in watcher.subscriptions:
                    check(world, watcher, subscription, snapshot, since)


def check(world: World, watcher: Watcher, subscription: Subscription, snapshot: Snapshot, since: int) -> None:
    """Compare what a subscription is told since a moment with what its credential could read since then."""
    moments = watcher.moments[since:]
    page = world.vault.sync.feed.page(snapshot, watcher.who, subscription, moments[0].seq)
    context = (world.seed, watcher.name, subscription.references, world.done, since, page.messages)
    assert not page.more
    assert page.seq == moments[-1].seq, context
    numbers = [message.seq for message in page.messages]
    assert numbers == sorted(set(numbers)), context
    assert all(moments[0].seq < number <= page.seq for number in numbers), context
    for message in page.messages:
        assert _was_seen(message, moments), (message, *context)
    if subscription.references is None:
        _check_picture(page, moments, context)
    else:
        _check_affected(page, moments, subscription.references, context)
    _check_pages(world, watcher, subscription, snapshot, page)


def _was_seen(message: Message, moments: Sequence[Moment]) -> bool:
    """Report whether the credential could see what a message says, at some moment."""
    if message.type is MessageType.GONE:
        return any(
            message.name == at.sees[message.environment_id][0] for at in moments if message.environment_id in at.sees
        )
    now = moments[-1].sees.get(message.environment_id)
    names = {at.sees[message.environment_id][0] for at in moments if message.environment_id in at.sees}
    return now is not None and message.name in names and message.revision == now[1]


def _check_picture(page: Page, moments: Sequence[Moment], context: object) -> None:
    """Apply the messages in order: the picture becomes that of the database."""
    picture = dict(moments[0].sees)
    for message in page.messages:
        assert message.affects is None
        if message.type is MessageType.GONE:
            picture.pop(message.environment_id, None)
        else:
            picture[message.environment_id] = (message.name, message.revision)
    assert picture == moments[-1].sees, context


def _check_affected(
    page: Page, moments: Sequence[Moment], references: Sequence[EnvironmentRef], context: object
) -> None:
    """Compare the references that are affected with those whose values have changed."""
    assert all(message.affects for message in page.messages), context
    for each in references:
        told = [message.seq for message in page.messages if each in (message.affects or ())]
        answers = [at.answers[each] for at in moments]
        changes = [
            at.seq for at, before, after in zip(moments, answers, answers[1:], strict=False) if before[0] != after[0]
        ]
        if changes:
            # A client that has read the values before the last change is told after it.
            assert told, (each, answers, *[context])
            assert told[-1] > changes[-1], (each, answers, told, *[context])
        elif told and len(set(answers)) == 1:
            raise AssertionError((each, "is told without a change", told, context))


def _check_pages(world: World, watcher: Watcher, subscription: Subscription, snapshot: Snapshot, whole: Page) -> None:
    """Small pages tell the same as a large one."""
    since, found, more = snapshot.since_seq, list[Message](), True
    while more:
        page = world.vault.sync.feed.page(snapshot, watcher.who, subscription, since, 2)
        since, found, more = page.seq, [*found, *page.messages], page.more
    assert found == list(whole.messages)


def _may(call: Callable[[], object]) -> bool:
    try:
        call()
    except NotGranted:
        return False
    except StrongroomError:
        return True
    return True
