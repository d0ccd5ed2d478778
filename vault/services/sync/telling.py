"""What one credential is told of a person's changes, by one subscription. It reads nothing: all is in the snapshot.

    step ─► who could see the environment before and after it ─► change | gone | nothing

Three rules keep a credential from learning of what it may not read. An environment counts with the name that it had
then. A change is told only if its environment may be read now too, because the revision in it is that of now. And
nothing says how many changes were left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from vault.model.environment import GLOBALS, EnvironmentRef, canonical, looks_like_id
from vault.model.grant import Permission
from vault.model.policy import allows
from vault.model.principal import Principal
from vault.services.sync.message import ChangeKind, Message, MessageType
from vault.services.sync.past import Past, State, Step

Affects = tuple[EnvironmentRef, ...] | None


class Teller(Protocol):
    """Makes the messages of one subscription."""

    def tell(self, step: Step, version: int) -> Message | None:
        """Return the message about the next step, after which the environments are at `version`."""


class Sight:
    """What one credential may see."""

    def __init__(self, principal: Principal, past: Past, revisions: Mapping[str, int]) -> None:
        self._principal = principal
        self._past = past
        self._revisions = revisions

    def sees(self, state: State | None) -> bool:
        """Report whether the credential may read a living environment."""
        return state is not None and state.is_living and allows(self._principal, Permission.READ, state.target)

    def sees_now(self, environment_id: str) -> bool:
        """Report whether the credential may read an environment as it is now."""
        return self.sees(self._past.now.get(environment_id))

    def changed(self, step: Step, kind: ChangeKind, state: State, affects: Affects) -> Message | None:
        """Return the message that an environment has changed, if the credential may still read it."""
        if not self.sees_now(state.id):
            return None
        revision = self._revisions.get(state.id)
        return Message(step.seq, step.at_us, MessageType.CHANGE, kind, state.id, state.name, revision, affects)


def gone(step: Step, state: State, affects: Affects) -> Message:
    """Return the message that an environment is gone, with the name by which it was known."""
    return Message(step.seq, step.at_us, MessageType.GONE, None, state.id, state.name, None, affects)


class TellerOfAll:
    """Tells of each environment that the credential may read, and of the globals."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def tell(self, step: Step, version: int) -> Message | None:
        """Return the message about the next step."""
        before, after = step.before, step.after
        if after is not None and self._sight.sees(after):
            return self._sight.changed(step, step.kind, after, None)
        return gone(step, before, None) if before is not None and self._sight.sees(before) else None


class _Covered(NamedTuple):
    """What a reference means at one moment: its environment, the ids of all beneath it, and of its values' layers, the
    lowest first.
    """

    own: State | None
    beneath: tuple[str, ...]
    layers: tuple[str, ...]


class TellerOfSome:
    """Tells of the layers of some environments: of what their values are made."""

    def __init__(self, sight: Sight, past: Past, references: Iterable[EnvironmentRef], version: int) -> None:
        self._sight = sight
        self._past = past
        self._globals = past.globals()
        self._asked = {each: each if each is GLOBALS else canonical(each) for each in references}
        self._covered = {each: self._look_up(wanted, version) for each, wanted in self._asked.items()}
        self._by_layer = _by_layer(self._covered)

    @property
    def sees_all(self) -> bool:
        """Whether the credential can read the environment of each reference."""
        return all(covered.own is not None for covered in self._covered.values())

    def tell(self, step: Step, version: int) -> Message | None:
        """Return the message about the next step."""
        changed = step.environment_id
        before = after = self._by_layer.get(changed, ())
        moved = self._move(step, version) if step.is_structural else frozenset()
        if moved:
            after = self._by_layer.get(changed, ())
        affects = tuple(each for each in self._asked if each in moved or each in after) if moved else tuple(after)
        if not affects:
            return None
        was_covered, is_covered = bool(before), bool(after)
        if is_covered and step.after is not None and self._sight.sees_now(changed):
            return self._sight.changed(step, step.kind, step.after, affects)
        if was_covered and step.before is not None:
            # An environment that is out of sight by now: what comes until then is not told, but what it leaves is.
            return gone(step, step.before, affects) if step.is_structural else None
        return self._brought(step, affects) if not is_covered else None

    def _brought(self, step: Step, affects: tuple[EnvironmentRef, ...]) -> Message | None:
        """Return the message about a step out of sight that has brought or taken layers in sight. It is about an
        environment that stands on them.
        """
        for each in affects:
            own = self._covered[each].own
            message = self._sight.changed(step, ChangeKind.BASES, own, affects) if own is not None else None
            if message is not None:
                return message
        return None

    def _move(self, step: Step, version: int) -> AbstractSet[EnvironmentRef]:
        """Look up again what a structural step can have changed. Returns the references that have other layers now."""
        names = {state.name for state in (step.before, step.after) if state is not None}
        names.add(step.environment_id)
        is_moving = step.moves_layers or self._sight.sees(step.before) != self._sight.sees(step.after)
        changed = {
            each: self._look_up(wanted, version)
            for each, wanted in self._asked.items()
            if wanted in names or (is_moving and step.environment_id in self._covered[each].beneath)
        }
        moved = {each for each, covered in changed.items() if covered.layers != self._covered[each].layers}
        self._covered = {**self._covered, **changed}
        if moved:
            self._by_layer = _by_layer(self._covered)
        return moved

    def _look_up(self, wanted: EnvironmentRef, version: int) -> _Covered:
        own = self._own(wanted, version)
        if own is None or not self._sight.sees(own):
            return _Covered(None, (), ())
        if own.is_globals:
            return _Covered(own, (), (own.id,))
        ids = self._past.beneath(own.id, version)
        states = [self._globals, *(self._past.at(each, version) for each in ids), own]
        layers = tuple(state.id for state in states if state is not None and self._sight.sees(state))
        return _Covered(own, ids, layers)

    def _own(self, wanted: EnvironmentRef, version: int) -> State | None:
        if wanted is GLOBALS:
            return self._globals
        if not looks_like_id(wanted):
            return self._past.named(wanted, version)
        own = self._past.at(wanted, version)
        return None if own is None or own.is_globals else own


def _by_layer(covered: Mapping[EnvironmentRef, _Covered]) -> dict[str, tuple[EnvironmentRef, ...]]:
    """Return the references that have each layer, in the order of the subscription."""
    found: dict[str, list[EnvironmentRef]] = {}
    for each, one in covered.items():
        for layer in dict.fromkeys(one.layers):
            found.setdefault(layer, []).append(each)
    return {layer: tuple(references) for layer, references in found.items()}
