"""Postman's files of environments and globals, as the app and newman export them, and as Postman's API wraps them. The
app's dump of all data is read too; an import takes one of its environments, or its globals.

    {"id": …, "name": "prod", "values": [{"key": "K", "value": "v", "type": "secret", "enabled": true}],
     "_postman_variable_scope": "environment", "_postman_exported_at": …, "_postman_exported_using": …}

It carries everything: type, enabled flag and description too. An attribute that a file does not state keeps its stored
value: newman writes every type as `any` and leaves out `enabled`. newman also ignores `enabled: false` but reads
`disabled: true`, while the app knows only `enabled`. So a file for newman (`postman-newman`) has both.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vault import __version__
from vault.errors import BadJson, FormatError, TooLarge
from vault.formats.base import (
    BYTE_ORDER_MARK,
    UNNAMED,
    Collector,
    ParsedFile,
    Rendered,
    Source,
    Stated,
    checked_name,
    error_at,
    json_refusal,
    no_value,
    too_many,
    writable,
)
from vault.formats.parts import Part, one_of
from vault.model import strict_json
from vault.model.budgets import FILE_ITEMS_MOST
from vault.model.clock import as_datetime, now_us  # noqa: TID251 - a format has no clock, and no rule uses this date.
from vault.model.environment import VARIABLES_MOST, EnvironmentKind, Variable, VariableType
from vault.model.json_types import JsonObject
from vault.model.printable import shown
from vault.model.strict_json import WrittenJson

# Any other type (`any`, `text`, `string`, none) states nothing: newman writes `any` even for `secret`.
_STATED_TYPES = {"default": VariableType.DEFAULT, "secret": VariableType.SECRET}
_REFERENCE = re.compile(r"\{\{[^{}]*?\}\}")
_ENTRIES_MOST = 2 * VARIABLES_MOST
"""The limit of entries. It is above the limit of variables, because names may be repeated and rows may be empty."""


class PostmanFormat:
    """One environment or the globals; see the top of this file."""

    media_type = "application/json"
    can_parse = True
    keeps_disabled = True
    reads_references = True
    writes_values = True

    def __init__(self, name: str, *, is_for_newman: bool = False) -> None:
        self.name = name
        self.suffix = f".{name.replace('-', '_')}_environment.json"
        self.ends = (self.suffix,) if is_for_newman else (self.suffix, ".postman_globals.json")
        self._is_for_newman = is_for_newman

    def parse(self, text: str) -> ParsedFile:
        """Parse an environment, globals, the API's wrapper of either, or an array of variables.

        If a name is repeated, the last enabled entry is used, as in Postman. Raises `FormatError` with the entry's
        number.
        """
        return self.parse_one(text, "")

    def parse_one(self, text: str, pick: str) -> ParsedFile:
        """Parse one environment of a dump, or the only one of another file. The globals of a dump have the name
        `Globals`.
        """
        collector = Collector()
        entries = one_of(_sets(_load(text.removeprefix(BYTE_ORDER_MARK))), pick)
        for entry in _effective(_entries(entries, collector.warnings), collector.warnings):
            collector.state(entry.name, entry.stated, entry.place)
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write a file for the app or for newman. The scope is `globals` for globals."""
        warnings: list[str] = []
        values = []
        for variable in writable(variables, warnings, keeps_disabled=True):
            if variable.literal and _REFERENCE.search(variable.text):
                warnings.append(
                    f"The value of {shown(variable.name)} is text that looks like a reference. Postman will resolve it."
                )
            values.append(self._value(variable))
        is_globals = source.kind == EnvironmentKind.GLOBALS
        content = {
            "id": source.id or str(uuid.uuid4()),
            "name": "Globals" if is_globals else source.name,
            "values": values,
            "_postman_variable_scope": "globals" if is_globals else "environment",
            "_postman_exported_at": as_datetime(now_us()).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "_postman_exported_using": f"Strongroom/{__version__}",
        }
        return Rendered(json.dumps(content, ensure_ascii=False, indent=2) + "\n", tuple(warnings))

    def _value(self, variable: Variable) -> JsonObject:
        value: JsonObject = {
            "key": variable.name,
            "value": variable.text,
            "type": str(variable.type),
            # Always write this: the app could not import a file without it.
            "enabled": variable.enabled,
        }
        if variable.description:
            value["description"] = variable.description
        if self._is_for_newman and not variable.enabled:
            value["disabled"] = True
        return value


class _Entry(NamedTuple):
    """One element of `values`: what it states of a variable."""

    name: str
    stated: Stated
    place: str

    @property
    def is_enabled(self) -> bool:
        return bool(self.stated.get("enabled", True))


def _effective(entries: Iterable[_Entry], warnings: list[str]) -> Iterable[_Entry]:
    """Yield one entry for each name, in the order of first appearance: the last enabled one, or the last if none is
    enabled.
    """
    chosen: dict[str, _Entry] = {}
    for entry in entries:
        before = chosen.get(entry.name)
        if before is not None:
            warnings.append(
                f"{shown(entry.name)} is repeated: {before.place} and {entry.place}. The last enabled one is used."
            )
        if before is None or entry.is_enabled or not before.is_enabled:
            chosen[entry.name] = entry
    return chosen.values()


def _entries(entries: Sequence[WrittenJson], warnings: list[str]) -> Iterator[_Entry]:
    if len(entries) > _ENTRIES_MOST:
        raise too_many()
    for number, raw in enumerate(entries, 1):
        place = f"entry {number}"
        if not isinstance(raw, dict):
            raise error_at(place, "this must be an object with a key and a value")
        name = raw.get("key")
        if name is None or name == "":
            # In some exports, the app includes the empty row at the end of its table.
            warnings.append(f"Entry {number} is left out: it has no key.")
        elif isinstance(name, str):
            yield _Entry(checked_name(name, place), _stated(raw, name, place, warnings), place)
        else:
            raise error_at(place, "its key must be a text")


def _sets(content: WrittenJson) -> list[Part[Sequence[WrittenJson]]]:
    """Return the environments of the file, wherever it has any, so that none is left out without a word. Only a dump
    can have none.
    """
    if not isinstance(content, dict):
        return [_part(content)]
    dumped = content.get("environments")
    if dumped is not None and not isinstance(dumped, list):
        raise FormatError("The environments of this file are not an array, as Postman writes them.")
    ones = [content] if "values" in content else []
    ones += [content["environment"]] if content.get("environment") is not None else []
    found = [_part(each) for each in (*ones, *(dumped or ()))]
    shared = _list_of(content["globals"]) if content.get("globals") else ()
    if shared:
        found.append(Part("Globals", "", shared))
    is_dump = dumped is not None or "globals" in content
    return found if found or is_dump else [_part(content)]


def _part(content: WrittenJson) -> Part[Sequence[WrittenJson]]:
    return Part(_word(content, "name"), _word(content, "id"), _list_of(content))


def _word(content: WrittenJson, key: str) -> str:
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, str) else ""


def _list_of(content: WrittenJson) -> Sequence[WrittenJson]:
    """Return the array of variables, wherever this file has it."""
    values = content.get("values") if isinstance(content, dict) else content
    if isinstance(values, list):
        return values
    if isinstance(content, dict) and "info" in content and "item" in content:
        raise FormatError("This is a Postman collection. Give an environment or globals file.")
    raise FormatError("This is not a Postman environment or globals file: it has no array of values.")


def _stated(raw: Mapping[str, WrittenJson], name: str, place: str, warnings: list[str]) -> Stated:
    stated: Stated = {}
    if "value" in raw:
        # Numbers as they were written, and null as "null", which is what Postman uses in their place.
        value = raw["value"]
        stated["value"] = value if isinstance(value, str) else strict_json.dumps(value)
        if not isinstance(value, str):
            warnings.append(f"{shown(name)} is not a string. Its JSON text is used as the value.")
    else:
        warnings.append(no_value(name))
    kind = VariableType.SECRET if raw.get("secret") is True else _STATED_TYPES.get(str(raw.get("type")))
    if kind is not None:
        stated["type"] = kind
    is_enabled = _flag(raw, place)
    if is_enabled is not None:
        stated["enabled"] = is_enabled
    description = raw.get("description")
    if isinstance(description, dict):
        description = description.get("content")
    if isinstance(description, str):
        stated["description"] = description
    return stated


def _flag(raw: Mapping[str, WrittenJson], place: str) -> bool | None:
    """Report whether the entry is enabled, or None if the file does not say. Either flag can disable it."""
    # Null is as good as not there.
    flags = {word: raw[word] for word in ("enabled", "disabled") if raw.get(word) is not None}
    for word, flag in flags.items():
        if not isinstance(flag, bool):
            raise error_at(place, f"{word} must be true or false")
    return bool(flags.get("enabled", True)) and not flags.get("disabled", False) if flags else None


def _load(text: str) -> WrittenJson:
    try:
        # Let half surrogate pairs pass: a later check refuses them.
        return strict_json.parse_written(text.encode(errors="surrogatepass"), FILE_ITEMS_MOST)
    except (BadJson, TooLarge) as error:
        raise json_refusal(error) from None
