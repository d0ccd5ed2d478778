"""Import and export of files. An import shows its plan and is applied as one revision. An export is the stored text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from vault.errors import FormatError, InvalidInput, TooLarge
from vault.formats import FORMATS, Expanding, Format, ParsedFile, Picking, Rendered, Source, refuse
from vault.formats.base import Stated, no_value
from vault.formats.doubts import sealed_by
from vault.model.action import Action
from vault.model.environment import ENVIRONMENT_MAX_BYTES, GLOBALS, EnvironmentRef, Variable, has_reference
from vault.model.grant import Permission
from vault.model.names import mixed_scripts
from vault.model.policy import allows
from vault.model.principal import Principal
from vault.model.printable import shown
from vault.services.audit import ReadLog
from vault.services.environments.editing import Attributes, merge
from vault.services.environments.environments import Environments
from vault.services.environments.history import compare
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.variables import NO_PRECONDITION, Precondition, Variables
from vault.storage import EnvironmentRow, UnitOfWork

FILE_MAX_CHARACTERS = 4 * ENVIRONMENT_MAX_BYTES
"""No format needs twice the size of its content. A larger file is refused before it is parsed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does, by name. It never contains values."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """The plan, the current revision after the import, and the warnings of the format's reader."""

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
        reference: EnvironmentRef,
        parsed: ParsedFile,
        precondition: Precondition = NO_PRECONDITION,
        *,
        replace_all: bool,
        dry_run: bool,
    ) -> Imported:
        """Write what a file states into an environment, as one revision. Create the environment if it does not exist.

        With `replace_all`, variables that the file does not name are removed. Existing variables keep attributes that
        the file does not state. `replace_all` and `dry_run` need `read`, because their plan shows what exists; without
        `read`, the plan of a merge is empty. Raises `InvalidInput`, and what a write raises.
        """
        row = self._found_or_created(unit, principal, reference)
        if replace_all or dry_run:
            ask(unit, principal, Permission.READ, target_of(row))
        written = self._variables.write_row(
            unit, principal, row, lambda current: merged(current, parsed, replace_all=replace_all), precondition
        )
        if dry_run:
            # The write was real until here, so the plan is exact. Store nothing of it.
            unit.abandon()
            # The plan shows which values are equal, so the audit records a read.
            self._reads.read(principal, Action.IMPORT_PLAN, row.id)
        plan, before = plan_of(written.before, written.after), written.before
        if not allows(principal, Permission.READ, target_of(row)):
            plan, before = Plan((), (), (), ()), ()
        kept = _kept_unstated(parsed, before) if replace_all else ()
        # Only an environment without a revision can be new.
        new = mixed_scripts(row.name) if row.current_revision_id is None else ()
        warnings = (*new, *parsed.warnings, *kept, *written.warnings, *_new_references(parsed, before))
        return Imported(plan, None if dry_run else written.revision, warnings)

    def export_text(
        self, principal: Principal, reference: EnvironmentRef, format_name: str, *, strict: bool = False
    ) -> Rendered:
        """Return an environment's own variables as text. References are not resolved.

        Disabled variables are included if the format can mark them. With `strict`, raises `FormatError` instead of a
        warning.
        """
        snapshot = self._variables.read(principal, reference, action=Action.EXPORT)
        chosen, target = format_named(format_name), snapshot.target
        told = [variable for variable in snapshot.variables if variable.enabled or chosen.keeps_disabled]
        rendered = chosen.render(told, Source(target.name, target.kind, target.id or ""))
        if strict:
            refuse(rendered.warnings)
        if chosen.reads_references or not chosen.writes_values:
            return rendered
        return replace(rendered, warnings=(*rendered.warnings, *_written_references(told)))

    def _found_or_created(self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef) -> EnvironmentRow:
        if reference is GLOBALS:
            return self._environments.find(unit, principal, reference, Permission.UPDATE)
        found = self._environments.look_up(unit, principal, reference, Permission.UPDATE)
        return found or self._environments.create(unit, principal, reference)


def parse_file(
    format_name: str, text: str, pick: str = "", *, literal: bool = False, expand: bool = False
) -> ParsedFile:
    """Return what a file states. `pick` names one of several environments in it. With `literal`, values that look like
    references stay text. With `expand`, `$NAME` in a dotenv file stands for the value of NAME above it.

    Raises `FormatError`, also for a file without variables: with `replace_all`, it would remove all that is stored.
    Raises `InvalidInput`, and `TooLarge` for more than an environment can have.
    """
    chosen = format_named(format_name, parse=True)
    if len(text) > FILE_MAX_CHARACTERS:
        raise TooLarge("This file is larger than an environment can be.", path="text")
    sealed = sealed_by(text)
    if sealed:
        raise FormatError(sealed.format("this file"))
    if pick and not isinstance(chosen, Picking):
        raise InvalidInput(f"A file of the format {format_name} has only one environment.", path="pick")
    if expand and not isinstance(chosen, Expanding):
        raise InvalidInput(f"A file of the format {format_name} has no variables to expand.", path="expand")
    if isinstance(chosen, Picking):
        parsed = chosen.parse_one(text, pick)
    else:
        parsed = chosen.parse_expanded(text) if expand and isinstance(chosen, Expanding) else chosen.parse(text)
    if not parsed.stated:
        raise FormatError(
            f"As {format_name}, this file has no variables, so nothing was changed. It may have another format."
        )
    return _literal(parsed) if literal else parsed


def _literal(parsed: ParsedFile) -> ParsedFile:
    stated: dict[str, Stated] = {
        name: {**attributes, "literal": True} if has_reference(attributes.get("value", "")) else attributes
        for name, attributes in parsed.stated.items()
    }
    return replace(parsed, stated=stated)


def _kept_unstated(parsed: ParsedFile, before: Sequence[Variable]) -> Iterator[str]:
    """Yield a warning for each stored variable that the file names without a value."""
    stored = {variable.name for variable in before}
    yield from (no_value(name) for name in parsed.unstated if name in stored)


def _new_references(parsed: ParsedFile, before: Sequence[Variable]) -> Iterator[str]:
    """Yield a warning for each value that an import makes a reference. `before` has what the caller may know."""
    known = {variable.name: variable for variable in before}
    for name, stated in parsed.stated.items():
        value, old = stated.get("value", ""), known.get(name)
        is_literal = stated.get("literal", old is not None and old.literal)
        if has_reference(value) and not is_literal and (old is None or old.text != value):
            what = f"{shown(name)} contains a {{{{reference}}}}, which is resolved."
            yield f"{what} To keep it as text, import with literal (--literal)."


def _written_references(variables: Sequence[Variable]) -> Iterator[str]:
    """Yield a warning for each reference that an export writes as it is."""
    for variable in variables:
        if not variable.literal and has_reference(variable.text):
            yield f"{shown(variable.name)} contains a {{{{reference}}}}, which is written as it is."


def format_named(name: str, *, parse: bool = False) -> Format:
    """Return the format with this name. Raises `InvalidInput` if there is none, or if it cannot be read but must be."""
    found = FORMATS.get(name)
    if found is None or (parse and not found.can_parse):
        known = ", ".join(sorted(key for key, item in FORMATS.items() if item.can_parse or not parse))
        raise InvalidInput(f"There is no such format. Use one of {known}.", path="format")
    return found


def merged(current: Sequence[Variable], parsed: ParsedFile, *, replace_all: bool) -> tuple[Variable, ...]:
    """Return `current` with what a file states. Attributes that it does not state are kept.

    With `replace_all`, only variables that the file names are kept.
    """
    known = {variable.name: variable for variable in current}
    changes = {name: _changes(known.get(name), stated) for name, stated in parsed.stated.items()}
    after = merge(current, changes)
    if not replace_all:
        return after
    by_name = {variable.name: variable for variable in after}
    kept = (name for name in parsed.unstated if name in by_name and name not in changes)
    return tuple(by_name[name] for name in (*changes, *kept))


def _changes(before: Variable | None, stated: Stated) -> Attributes:
    attributes = cast(Attributes, stated)
    if before is None:
        # A file may have a variable without its value, as Postman does for values in another vault.
        return {"value": "", **attributes}
    if attributes.get("value") == before.text:
        # Files contain only text. A number that a Vault client wrote must stay a number after an export and an import.
        return {**attributes, "value": before.value}
    return attributes


def plan_of(before: Sequence[Variable], after: Sequence[Variable]) -> Plan:
    """Return the changes from `before` to `after`, by name."""
    changes = compare(before, after)
    named = {
        kind: tuple(item.name for item in changes if item.kind == kind) for kind in ("added", "changed", "removed")
    }
    touched = {item.name for item in changes}
    return Plan(**named, unchanged=tuple(item.name for item in after if item.name not in touched))
