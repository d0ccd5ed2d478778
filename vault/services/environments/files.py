"""Files in and out: an import shows its plan and is applied as one revision; an export is the stored text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import InvalidInput, NotFound, NotGranted, TooLarge
from vault.formats import FORMATS, Format, ParsedFile, Rendered, Source, refuse
from vault.model.action import Action
from vault.model.environment import ENVIRONMENT_MAX_BYTES, Variable
from vault.model.grant import Permission
from vault.model.policy import allows
from vault.model.principal import Principal
from vault.services.audit import ReadLog
from vault.services.environments.editing import Attributes, merge
from vault.services.environments.environments import GLOBALS, Environments, ask, target_of
from vault.services.environments.history import compare
from vault.services.environments.variables import NO_PRECONDITION, Precondition, Variables
from vault.storage import UnitOfWork

FILE_MAX_CHARACTERS = 4 * ENVIRONMENT_MAX_BYTES
"""No format here takes twice the room of what it holds; more is refused before anybody reads it."""


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

    def __init__(self, environments: Environments, variables: Variables, reads: ReadLog) -> None:
        self._reads = reads
        self._environments = environments
        self._variables = variables

    def import_file(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: str | None,
        parsed: ParsedFile,
        precondition: Precondition = NO_PRECONDITION,
        *,
        replace_all: bool,
        dry_run: bool,
    ) -> Imported:
        """Write what a file states into an environment (made where there is none) as one revision.

        `replace_all` removes what the file does not name; otherwise it stays. Variables that exist keep whatever
        the file does not state of them. Replacing and dry runs need `read`: their plan tells what is there; without
        it, the plan of a merge is empty. Raises `InvalidInput` and what a write raises.
        """
        self._make_room(unit, principal, reference)
        row = self._environments.find(unit, principal, reference, Permission.UPDATE)
        if replace_all or dry_run:
            ask(unit, principal, Permission.READ, target_of(row))
        before: list[tuple[Variable, ...]] = []

        def edit(current: tuple[Variable, ...]) -> tuple[Variable, ...]:
            before.append(current)
            return merged(current, parsed, replace_all=replace_all)

        written = self._variables.write(unit, principal, reference, edit, precondition)
        if dry_run:
            # It ran for real up to here, so the plan is what would happen; nothing of it is kept.
            unit.abandon()
            # The plan tells which values are the same: reading is what remains of it.
            self._reads.read(principal, Action.IMPORT_PLAN, row.id)
        plan = plan_of(before[0], merged(before[0], parsed, replace_all=replace_all))
        if not allows(principal, Permission.READ, target_of(row)):
            plan = Plan((), (), (), ())
        return Imported(plan, None if dry_run else written.revision, parsed.warnings)

    def export_text(
        self, principal: Principal, reference: str | None, format_name: str, *, strict: bool = False
    ) -> Rendered:
        """An environment's own variables as text, references as they were written; disabled ones only where the
        format can say so. `strict` raises `FormatError` where there would be a warning."""
        snapshot = self._variables.read(principal, reference, action=Action.EXPORT)
        chosen, target = format_named(format_name), snapshot.target
        told = [variable for variable in snapshot.variables if variable.enabled or chosen.keeps_disabled]
        rendered = chosen.render(told, Source(target.name, target.kind, target.id or ""))
        if strict:
            refuse(rendered.warnings)
        return rendered

    def _make_room(self, unit: UnitOfWork, principal: Principal, reference: str | None) -> None:
        if reference is GLOBALS:
            return
        try:
            self._environments.find(unit, principal, reference, Permission.UPDATE)
        except NotGranted:
            raise
        except NotFound:
            self._environments.create(unit, principal, reference)


def parse_file(format_name: str, text: str) -> ParsedFile:
    """What a file states. Raises `FormatError`, `InvalidInput`, and `TooLarge` for more than any environment holds."""
    chosen = format_named(format_name, parse=True)
    if len(text) > FILE_MAX_CHARACTERS:
        raise TooLarge("This file is larger than any that an environment can hold.", path="text")
    return chosen.parse(text)


def format_named(name: str, *, parse: bool = False) -> Format:
    """The format of this name. Raises `InvalidInput` where there is none, or none that can be read."""
    found = FORMATS.get(name)
    if found is None or (parse and not found.can_parse):
        known = ", ".join(sorted(key for key, item in FORMATS.items() if item.can_parse or not parse))
        raise InvalidInput(f"There is no such format here; there are {known}.", path="format")
    return found


def merged(current: Sequence[Variable], parsed: ParsedFile, *, replace_all: bool) -> tuple[Variable, ...]:
    """What a file states over `current`. What it does not state of a variable that exists stays as it is."""
    known = {variable.name: variable for variable in current}
    changes = {name: _changes(known.get(name), attributes) for name, attributes in parsed.stated.items()}
    after = merge(current, changes)
    if not replace_all:
        return after
    by_name = {variable.name: variable for variable in after}
    return tuple(by_name[name] for name in changes)


def _changes(before: Variable | None, attributes: Attributes) -> Attributes:
    if before is None:
        # A file may name a variable and keep its value to itself, as Postman does for what lies in another vault.
        return {"value": "", **attributes}
    if attributes.get("value") == before.text:
        # A file holds text: a number that a Vault client wrote must not become a string because it went out and in.
        return {**attributes, "value": before.value}
    return attributes


def plan_of(before: Sequence[Variable], after: Sequence[Variable]) -> Plan:
    """What leads from `before` to `after`, by name."""
    changes = compare(before, after)
    named = {
        kind: tuple(item.name for item in changes if item.kind == kind) for kind in ("added", "changed", "removed")
    }
    touched = {item.name for item in changes}
    return Plan(**named, unchanged=tuple(item.name for item in after if item.name not in touched))
