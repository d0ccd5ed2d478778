"""Changes to variables, by name or row by row, and the checks of what may be stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from vault.errors import InvalidInput
from vault.model.environment import Variable, VariableType, check_variable_name
from vault.model.names import check_visible
from vault.model.strict_json import WrittenJson, is_encodable
from vault.services.environments.rules import checked_description


class Attributes(TypedDict, total=False):
    """Attributes of a variable, by name."""

    name: str
    value: WrittenJson
    type: VariableType
    enabled: bool
    literal: bool
    description: str


@dataclass(frozen=True, slots=True)
class RowEdit:
    """A person's edit of one row.

    `name` is the name before the edit (None for a new row). `attributes` has the changed attributes, including a new
    name (None for a row that was removed).
    """

    name: str | None
    attributes: Attributes | None


def merge(current: Iterable[Variable], changes: Mapping[str, Attributes | None]) -> tuple[Variable, ...]:
    """Return `current` with `changes`. Kept variables keep their position, new ones come last, and None removes one."""
    merged = {variable.name: variable for variable in current}
    known = frozenset(merged)
    for raw, attributes in changes.items():
        name = check_variable_name(raw, path=f"variables.{raw}")
        if attributes is None:
            merged.pop(name, None)
            continue
        before = merged.get(name)
        if before is None and "value" not in attributes:
            raise InvalidInput("A new variable needs a value.", path=f"variables.{raw}.value")
        merged[name] = checked(replace(before or Variable(name, ""), **attributes), known)
    return tuple(merged.values())


def put(current: Iterable[Variable], variable: Variable) -> tuple[Variable, ...]:
    """Return `current` with one variable replaced at its position, or added at the end."""
    rows = {each.name: each for each in current}
    new = checked(variable, rows, path=f"variables.{variable.name}")
    others = rows[new.name].others if new.name in rows else ()
    rows[new.name] = replace(new, others=others)
    return tuple(rows.values())


def edited(current: Iterable[Variable], edits: Sequence[RowEdit]) -> tuple[Variable, ...]:
    """Return `current` after a person's edits. A renamed variable keeps its position, and new ones come last.

    Raises `InvalidInput` with a path that starts with the position of the edit.
    """
    # The key of a new row is its position, which cannot be a name.
    rows: dict[str | int, Variable] = {variable.name: variable for variable in current}
    known = frozenset(name for name in rows if isinstance(name, str))
    for position, edit in enumerate(edits):
        key = position if edit.name is None else edit.name
        if edit.name is not None and key not in rows:
            raise InvalidInput("This variable no longer exists.", path=f"{position}.name")
        if edit.attributes is None:
            del rows[key]
            continue
        try:
            rows[key] = checked(replace(rows.get(key, Variable("", "")), **edit.attributes), known)
        except InvalidInput as error:
            raise InvalidInput(error.message, path=f"{position}.{error.path.rpartition('.')[2]}") from error
    _refuse_doubles(rows, edits)
    return tuple(rows.values())


def _refuse_doubles(rows: Mapping[str | int, Variable], edits: Sequence[RowEdit]) -> None:
    count = Counter(variable.name for variable in rows.values())
    for position, edit in reversed(list(enumerate(edits))):
        variable = rows.get(position if edit.name is None else edit.name)
        if edit.attributes is not None and variable is not None and count[variable.name] > 1:
            raise InvalidInput("Another variable in this environment has this name.", path=f"{position}.name")


def typed(before: Sequence[Variable], after: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """Return `after`, but keep the old value if only its JSON text was written back.

    The API shows the number 5 as the text 5. Reading all variables and writing them back must not change it.
    """
    typed = {variable.name: variable for variable in before if not isinstance(variable.value, str)}
    if not typed:
        return after
    return tuple(
        replace(variable, value=typed[variable.name].value)
        if variable.name in typed and variable.value == typed[variable.name].text
        else variable
        for variable in after
    )


def replaced(before: Sequence[Variable], after: Iterable[Variable]) -> tuple[Variable, ...]:
    """Return `after`, checked, with the members of a newer release that each variable had in `before`.

    A caller that replaces all variables can only send the members that this release shows.
    """
    known = frozenset(variable.name for variable in before)
    after = [checked(variable, known) for variable in after]
    others = {variable.name: variable.others for variable in before if variable.others}
    return tuple(replace(variable, others=others.get(variable.name, ())) if others else variable for variable in after)


def checked(variable: Variable, known: Container[str], path: str = "name") -> Variable:
    """Return the variable with its name in NFC. Raises `InvalidInput` if it cannot be stored; `path` is the name's.

    `known` has the names that are stored already. Only they may contain invisible characters: older releases took them.
    """
    name = check_variable_name(variable.name, path=path)
    if name not in known:
        check_visible(name, path=path)
    for what, text in (("value", variable.value), ("description", variable.description)):
        if isinstance(text, str) and not is_encodable(text):
            raise InvalidInput(
                "The value contains half of a surrogate pair, which is not valid text.", path=f"variables.{name}.{what}"
            )
    checked_description(variable.description, path=f"variables.{name}.description")
    return replace(variable, name=name, type=VariableType(variable.type))
