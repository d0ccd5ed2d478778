"""Erases again everything in a list of erased keys, for a database that an older copy has restored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vault.model.action import Action
from vault.model.principal import Principal
from vault.services import audit
from vault.services.backup.erased import Erased, ErasedList
from vault.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Dropped:
    """The numbers of people and environments that were erased again."""

    people: int = 0
    environments: int = 0


def drop_erased(unit: UnitOfWork, principal: Principal, erased: ErasedList) -> Dropped:
    """Shred every existing person and environment of the list, as in the erasure, and store all of its keys.

    The caller checks permission, and records the stored keys.
    """
    people = sum(_drop_person(unit, principal, user_id, at_us) for user_id, at_us in erased.people.items())
    environments = 0
    for environment_id, at_us in erased.environments.items():
        if unit.shredding.environment(environment_id, at_us).data_keys:
            audit.record(unit, principal, Action.ENVIRONMENT_ERASE, environment_id=environment_id)
            environments += 1
    _remember(unit, erased.keys.values())
    return Dropped(people, environments)


def _drop_person(unit: UnitOfWork, principal: Principal, user_id: str, at_us: int) -> bool:
    user = unit.users.by_id(user_id)
    if user is None:
        return False
    unit.shredding.person(user_id, at_us)
    unit.users.remove(user)
    audit.forget(unit, user_id)
    audit.record(unit, principal, Action.USER_ERASE, user_id=user_id)
    return True


def _remember(unit: UnitOfWork, keys: Iterable[Erased]) -> None:
    """Store the keys of the list in the database."""
    wanted = {row.key_id: row for row in keys}
    known = unit.destroyed_keys.known(set(wanted))
    missing = [row for key_id, row in wanted.items() if key_id not in known]
    unit.destroyed_keys.add_many([{**row._asdict(), "confirmed_us": row.destroyed_us} for row in missing])
