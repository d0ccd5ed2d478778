"""What a person's environments were before and after each change, found by undoing the changes from the newest.

A change is told to those who could see its environment then, under the name that it had. So the stored changes have
what an environment was before: its name and its bases.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from vault.errors import InvalidInput
from vault.model import bases as model
from vault.model.environment import EnvironmentKind
from vault.model.grant import Target
from vault.services.environments.permissions import target_of
from vault.services.sync.message import ChangeKind, kind_of
from vault.storage import ChangeRow, EnvironmentRow


@dataclass(frozen=True, slots=True)
class State:
    """What an environment was at one moment. A deleted one is not living."""

    target: Target
    bases: tuple[str, ...]
    is_living: bool

    @property
    def id(self) -> str:
        """The environment's id."""
        return self.target.id or ""

    @property
    def name(self) -> str | None:
        """The environment's name. The globals have none."""
        return None if self.is_globals else self.target.name

    @property
    def is_named(self) -> bool:
        """Whether it is a living environment, which has its name for itself."""
        return self.is_living and not self.is_globals

    @property
    def is_globals(self) -> bool:
        """Whether these are the globals."""
        return self.target.kind is EnvironmentKind.GLOBALS


@dataclass(frozen=True, slots=True)
class Step:
    """One change, with the environment before and after it. None: there was no such environment, or nobody knows."""

    seq: int
    at_us: int
    kind: ChangeKind
    environment_id: str
    before: State | None
    after: State | None

    @property
    def is_structural(self) -> bool:
        """Whether a name, a base or a deletion has changed."""
        return self.before is not self.after and self.before != self.after

    @property
    def moves_layers(self) -> bool:
        """Whether other environments may have other layers after it. A rename alone moves none."""
        before, after = self.before, self.after
        if before is None or after is None:
            return before is not after
        return (before.bases, before.is_living) != (after.bases, after.is_living)


_Versions = list[tuple[int, State | None]]
"""What something was since each of some versions, in ascending order."""


class Past:
    """The environments of a person after each of some steps. A version is the number of steps that were taken.

    A person can make 10,000 steps about one environment or one name, and a page looks things up at each of them. So a
    look-up must not take longer when there are more steps.
    """

    def __init__(self, now: Mapping[str, State], changes: Sequence[ChangeRow]) -> None:
        """`now` are the environments after all `changes`, which are in ascending order."""
        self.now = now
        self.steps = _steps(now, changes)
        self._versions: dict[str, _Versions] = {}
        # What stands beneath what is the same until a step moves layers, so it is kept by this number.
        self._structures = [0]
        for version, step in enumerate(self.steps, 1):
            self._versions.setdefault(step.environment_id, [(0, step.before)]).append((version, step.after))
            self._structures.append(self._structures[-1] + step.moves_layers)
        self._beneath: dict[tuple[str, int], tuple[str, ...]] = {}

    def version_after(self, seq: int) -> int:
        """Return the version after all steps up to the number `seq`."""
        return bisect_right(self.steps, seq, key=lambda step: step.seq)

    def at(self, environment_id: str, version: int) -> State | None:
        """Return an environment as it was."""
        versions = self._versions.get(environment_id)
        if versions is None:
            return self.now.get(environment_id)
        return _at(versions, version)

    def named(self, name: str, version: int) -> State | None:
        """Return the environment that had this name."""
        return _at(self._holders.get(name, []), version)

    def globals(self) -> State | None:
        """Return the globals. They are never renamed or deleted."""
        return next((state for state in self.now.values() if state.is_globals), None)

    def beneath(self, environment_id: str, version: int) -> tuple[str, ...]:
        """Return the ids of all environments beneath one, the lowest first, as for its values. Some may be deleted."""
        key = (environment_id, self._structures[version])
        if key not in self._beneath:
            self._beneath[key] = self._find_beneath(environment_id, version)
        return self._beneath[key]

    def _find_beneath(self, environment_id: str, version: int) -> tuple[str, ...]:
        bases: dict[str, tuple[str, ...]] = {}
        waiting = [environment_id]
        while waiting:
            each = waiting.pop()
            state = self.at(each, version)
            bases[each] = state.bases if state is not None and state.is_living else ()
            waiting += [base for base in bases[each] if base not in bases]
        try:
            return model.beneath(environment_id, bases)
        except InvalidInput:
            # A worker of an older release stored no former bases, so what was undone may be what never was.
            return tuple(sorted(model.reached(environment_id, bases) - {environment_id}))

    @cached_property
    def _holders(self) -> dict[str, _Versions]:
        """Return which environment had each name, since which version."""
        found: dict[str, _Versions] = {}
        # Only one living environment has a name. But if a worker of an older release stored no former name, there seem
        # to be two.
        named: dict[str, dict[str, State]] = {}
        first = {**self.now, **{id: versions[0][1] for id, versions in self._versions.items()}}
        for state in first.values():
            if state is not None and state.is_named:
                named.setdefault(state.target.name, {})[state.id] = state
        for name, states in named.items():
            found[name] = [(0, next(reversed(states.values())))]
        for version, step in enumerate(self.steps, 1):
            if not step.is_structural:
                continue
            for state, is_left in ((step.before, True), (step.after, False)):
                if state is None or not state.is_named:
                    continue
                states = named.setdefault(state.target.name, {})
                states.pop(state.id, None)
                if not is_left:
                    states[state.id] = state
                found.setdefault(state.target.name, []).append((version, next(reversed(states.values()), None)))
        return found


def _at(versions: _Versions, version: int) -> State | None:
    position = bisect_right(versions, version, key=_since)
    return versions[position - 1][1] if position else None


def _since(entry: tuple[int, State | None]) -> int:
    return entry[0]


def states_of(rows: Iterable[EnvironmentRow]) -> dict[str, State]:
    """Return what these environments are now, by id."""
    return {row.id: State(target_of(row), model.split(row.base_ids), row.deleted_us is None) for row in rows}


def _steps(now: Mapping[str, State], changes: Sequence[ChangeRow]) -> list[Step]:
    found: list[Step] = []
    states: dict[str, State | None] = dict(now)
    for change in reversed(changes):
        if change.environment_id is None:
            # This is the change of a token.
            continue
        kind, after = kind_of(change), states.get(change.environment_id)
        before = _undone(change, kind, after)
        found.append(Step(change.seq, change.at_us, kind, change.environment_id, before, after))
        states[change.environment_id] = before
    found.reverse()
    return found


def _undone(change: ChangeRow, kind: ChangeKind, after: State | None) -> State | None:
    """Return what an environment was before a change."""
    if kind is ChangeKind.CREATE:
        return None
    if after is None or kind is ChangeKind.ERASE:
        # The row is gone. Of what was deleted before, nobody has sight.
        is_end = kind in (ChangeKind.DELETE, ChangeKind.ERASE) and change.old_name is not None
        return _from_end(change) if is_end else None
    if kind is ChangeKind.DELETE:
        return replace(after, is_living=True)
    if kind is ChangeKind.UNDELETE:
        return replace(after, target=_renamed(after, change.old_name), is_living=False)
    if kind is ChangeKind.RENAME:
        return replace(after, target=_renamed(after, change.old_name))
    if kind is ChangeKind.BASES and (bases := change.old_bases) is not None:
        return replace(after, bases=bases)
    return after


def _from_end(change: ChangeRow) -> State:
    target = Target(EnvironmentKind.ENVIRONMENT, change.old_name or "", change.environment_id)
    return State(target, change.old_bases or (), is_living=True)


def _renamed(state: State, name: str | None) -> Target:
    return state.target if name is None else replace(state.target, name=name)
