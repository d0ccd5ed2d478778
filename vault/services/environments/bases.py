"""The bases of environments: who may set them, and their limits.

A new base brings all environments beneath it too, so setting it needs `read` on all of them. Otherwise a token could
copy values that it may not read into an environment that others read.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import InvalidInput
from vault.model import bases as model
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.environment import EnvironmentKind, looks_like_id, normal
from vault.model.grant import Permission
from vault.model.principal import Principal
from vault.services import audit
from vault.services.environments.environments import Environments
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.standing import stored_bases
from vault.services.environments.wishes import Wishes
from vault.storage import EnvironmentRow, UnitOfWork


class Bases:
    """Sets the bases of environments."""

    def __init__(self, environments: Environments, clock: Clock) -> None:
        self._environments = environments
        self._clock = clock

    def change(self, unit: UnitOfWork, principal: Principal, reference: str, wishes: Wishes) -> EnvironmentRow:
        """Change an environment, with `bases` as one more wish. Raises what `set` raises."""
        if "bases" not in wishes:
            return self._environments.change(unit, principal, reference, wishes)
        row = self.set(unit, principal, reference, wishes["bases"])
        others = wishes.copy()
        del others["bases"]
        return self._environments.change(unit, principal, row.id, others) if others else row

    def set(self, unit: UnitOfWork, principal: Principal, reference: str, bases: Sequence[str]) -> EnvironmentRow:
        """Replace the bases of an environment with `bases`: names or ids, lowest first.

        Raises `NotGranted`, `NotFound`, `InvalidInput`, and `Conflict` while an older release is running.
        """
        row = self._environments.find(unit, principal, reference, Permission.UPDATE)
        return self.give(unit, principal, row, bases)

    def give(
        self, unit: UnitOfWork, principal: Principal, environment: EnvironmentRow, bases: Sequence[str]
    ) -> EnvironmentRow:
        """Do the same as `set` for an environment that this unit of work has created, or found with `update`."""
        if environment.kind == EnvironmentKind.GLOBALS:
            raise InvalidInput("The globals cannot have bases: they are beneath every environment.", path="bases")
        if len(bases) > model.BASES_MOST:
            raise InvalidInput(f"An environment has at most {model.BASES_MOST} bases.", path="bases")
        has = model.split(environment.base_ids)
        ids = [self._id_of(unit, principal, has, *item) for item in enumerate(bases)]
        return self._store(unit, principal, environment, ids)

    def copy(
        self, unit: UnitOfWork, principal: Principal, source: EnvironmentRow, created: EnvironmentRow
    ) -> EnvironmentRow:
        """Give a new environment the bases of another. Raises `NotGranted`, as `set` does."""
        return self._store(unit, principal, created, model.split(source.base_ids))

    @staticmethod
    def _id_of(unit: UnitOfWork, principal: Principal, has: Sequence[str], position: int, reference: str) -> str:
        path = f"bases.{position}"
        reference = reference.lower() if looks_like_id(reference) else normal(reference, path=path)
        if reference in has:
            # A base that is kept needs no permission, so a deleted or unreadable base does not block other changes.
            return reference
        find = unit.environments.by_id if looks_like_id(reference) else unit.environments.by_name
        row = find(principal.user_id, reference)
        ask(unit, principal, Permission.READ, target_of(row, reference))
        if row is None or row.deleted_us is not None:
            raise InvalidInput("There is no such environment.", path=path)
        if row.kind == EnvironmentKind.GLOBALS:
            raise InvalidInput("The globals cannot be a base: they are beneath every environment.", path=path)
        return str(row.id)

    def _store(self, unit: UnitOfWork, principal: Principal, row: EnvironmentRow, ids: Sequence[str]) -> EnvironmentRow:
        for position, each in enumerate(ids):
            if each in ids[:position]:
                raise InvalidInput("This base is named twice.", path=f"bases.{position}")
        before = model.split(row.base_ids)
        if tuple(ids) == before:
            return row
        # This takes the user's lock, so no other transaction can change bases of this person before this one ends.
        seq, now = unit.users.next_change(row.owner_id), self._clock()
        # Fewer bases, or another order, cannot break a limit or bring in other values.
        if not set(ids) <= set(before):
            self._check(unit, principal, row, ids)
        state = row.state_generation + 1
        changed = unit.environments.change(row, base_ids=model.join(ids), state_generation=state, updated_us=now)
        unit.changes.add(row.owner_id, seq, Action.ENVIRONMENT_BASES, row.id, None, now, old_bases=before)
        details = {"bases": [*ids], "before": [*before]}
        audit.record(unit, principal, Action.ENVIRONMENT_BASES, environment_id=row.id, details=details)
        return changed

    @staticmethod
    def _check(unit: UnitOfWork, principal: Principal, row: EnvironmentRow, ids: Sequence[str]) -> None:
        old = stored_bases(unit, row.owner_id)
        new = {**old, row.id: ids}
        # Ask this before the limits are checked: their errors say something about what stands beneath a base.
        for base in unit.environments.named(model.reached(row.id, new) - model.reached(row.id, old)).values():
            ask(unit, principal, Permission.READ, target_of(base))
        model.beneath(row.id, new)
        for each in model.standing_on(row.id, new):
            try:
                model.beneath(each, new)
            except InvalidInput as error:
                message = f"An environment that has this one as a base would break a limit. {error}"
                raise InvalidInput(message, path="bases") from error
