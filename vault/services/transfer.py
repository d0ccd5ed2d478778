"""Files in and out: an import shows its plan and is applied as one revision; an export is the stored text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vault.errors import InvalidInput, NotFound, NotGranted
from vault.formats import FORMATS, Format, Rendered
from vault.model.environment import Variable
from vault.model.grant import Permission
from vault.model.principal import Principal
from vault.services.environments import GLOBALS, Environments
from vault.services.history import compare
from vault.services.variables import Variables, checked
from vault.storage import UnitOfWork


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does, by name; values are never in it."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """The plan, the current revision afterwards, and what the format's reader warned of."""

    plan: Plan
    revision: int | None
    warnings: tuple[str, ...]


class Transfer:
    """Imports and exports in the formats of `FORMATS`."""

    def __init__(self, environments: Environments, variables: Variables) -> None:
        self._environments = environments
        self._variables = variables

    def import_text(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: str | None,
        format_name: str,
        text: str,
        *,
        replace_all: bool,
        dry_run: bool,
    ) -> Imported:
        """Read `text` into an environment (made where there is none) as one revision.

        `replace_all` removes what the file does not name; otherwise it stays. Variables that exist keep their
        type, description and flags. Raises `FormatError`, `InvalidInput`, and what a write raises.
        """
        parsed = format_named(format_name, parse=True).parse(text)
        incoming = tuple(map(checked, parsed.variables))
        self._make_room(unit, principal, reference)
        before: list[tuple[Variable, ...]] = []

        def edit(current: tuple[Variable, ...]) -> tuple[Variable, ...]:
            before.append(current)
            return merged(current, incoming, replace_all=replace_all)

        written = self._variables.write(unit, principal, reference, edit)
        if dry_run:
            # It ran for real up to here, so the plan is what would happen; nothing of it is kept.
            unit.abandon()
        after = merged(before[0], incoming, replace_all=replace_all)
        return Imported(plan_of(before[0], after), None if dry_run else written.revision, parsed.warnings)

    def export_text(self, principal: Principal, reference: str | None, format_name: str) -> Rendered:
        """An environment's own enabled variables as text, references as they were written."""
        snapshot = self._variables.read(principal, reference)
        enabled = [variable for variable in snapshot.variables if variable.enabled]
        return format_named(format_name).render(enabled)

    def _make_room(self, unit: UnitOfWork, principal: Principal, reference: str | None) -> None:
        if reference is GLOBALS:
            return
        try:
            self._environments.find(unit, principal, reference, Permission.UPDATE)
        except NotGranted:
            raise
        except NotFound:
            self._environments.create(unit, principal, reference)


def format_named(name: str, *, parse: bool = False) -> Format:
    """The format of this name. Raises `InvalidInput` where there is none, or none that can be read."""
    found = FORMATS.get(name)
    if found is None or (parse and not found.can_parse):
        known = ", ".join(sorted(key for key, item in FORMATS.items() if item.can_parse or not parse))
        raise InvalidInput(f"There is no such format here; there are {known}.", path="format")
    return found


def merged(current: Sequence[Variable], incoming: Sequence[Variable], *, replace_all: bool) -> tuple[Variable, ...]:
    """`incoming` over `current`: a name that exists keeps its type, description and flags, and is enabled."""
    old = {variable.name: variable for variable in current}
    new = {
        item.name: replace(old[item.name], value=item.value, enabled=True) if item.name in old else item
        for item in incoming
    }
    if replace_all:
        return tuple(new.values())
    return tuple((old | new).values())


def plan_of(before: Sequence[Variable], after: Sequence[Variable]) -> Plan:
    """What leads from `before` to `after`, by name."""
    changes = compare(before, after)
    named = {
        kind: tuple(item.name for item in changes if item.kind == kind) for kind in ("added", "changed", "removed")
    }
    touched = {item.name for item in changes}
    return Plan(**named, unchanged=tuple(item.name for item in after if item.name not in touched))
