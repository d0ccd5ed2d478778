"""The bases of all environments of a person, and the checks of stored bases."""

from __future__ import annotations

from collections.abc import Iterator

from vault.errors import InvalidInput
from vault.model.bases import BASES_MOST, beneath, split, standing_on
from vault.storage import EnvironmentRow, UnitOfWork


def stored_bases(unit: UnitOfWork, owner_id: str) -> dict[str, tuple[str, ...]]:
    """Return the bases of all environments that have any, by id. Deleted environments are included, as they can be
    restored.
    """
    return {row.id: split(row.base_ids) for row in unit.environments.with_bases(owner_id)}


def deletion_warnings(unit: UnitOfWork, environment: EnvironmentRow, *, for_good: bool = False) -> tuple[str, ...]:
    """Return warnings for the person who deletes an environment. They contain no names, so they need no permission."""
    rows = unit.environments.with_bases(environment.owner_id)
    count = len(standing_on(environment.id, {row.id: split(row.base_ids) for row in rows if row.deleted_us is None}))
    if not count:
        return ()
    who, their = ("1 environment has", "Its") if count == 1 else (f"{count} environments have", "Their")
    until = "" if for_good else " until it is undeleted"
    return (f"{who} this one as a base. {their} values lack what came from it{until}.",)


def broken_bases(unit: UnitOfWork) -> Iterator[str]:
    """Yield a sentence for each list of bases, of any owner, that no caller can have set. MACs are not checked."""
    rows = unit.environments.all_with_bases()
    bases = {row.id: split(row.base_ids) for row in rows}
    named = {base for row in rows for base in bases[row.id][:BASES_MOST]}
    owners = unit.environments.owners(named)
    # The id of a purged base stays in the lists. Readers are warned until it is removed.
    purged = unit.destroyed_keys.purged(named - owners.keys())
    for row in rows:
        what = f"Environment {row.id}"
        if len(bases[row.id]) > BASES_MOST:
            yield f"{what} has more than {BASES_MOST} bases."
            continue
        for base in bases[row.id]:
            if base not in owners and base not in purged:
                yield f"{what} has a base that never existed: {base}."
            elif owners.get(base, row.owner_id) != row.owner_id:
                yield f"{what} has a base of another owner: {base}."
        try:
            beneath(row.id, bases)
        except InvalidInput as error:
            yield f"{what} has bases that cannot be. {error}"
