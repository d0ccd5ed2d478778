"""Environments, their variables and revisions, and the resolution of `{{references}}`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from vault.errors import InvalidInput, ResolutionTooLarge
from vault.model import strict_json
from vault.model.strict_json import WrittenJson

ENVIRONMENT_MAX_BYTES = 1024 * 1024
"""The largest plaintext of a revision, in bytes."""

VARIABLES_MOST = 10_000
"""The most variables in one environment. More would fit into 1 MiB, but no program reads as many, and each one costs
work in every answer.
"""

NAME_MAX_CHARACTERS = 256
NAME_MAX_DECOMPOSED = 4 * NAME_MAX_CHARACTERS
"""A character decomposes into at most four, so a valid name never has more characters before it is composed."""

DESCRIPTION_MAX_CHARACTERS = 4096

RESOLVED_MAX_BYTES = 4 * 1024 * 1024
"""Without this limit, 19 names with four references each would expand to 69 GB."""

RESOLVE_PASSES = 19
"""The same number as in Postman's runtime (postman-collection 5.3)."""

RESOLVE_LOOK_UPS = 250_000
"""5,000 references that need all passes take 95,000 lookups. This many take a tenth of a second."""

_REFERENCE = re.compile(r"\{\{([^{}]*?)\}\}")
# Half surrogate pairs replace the braces of literal text during the expansion. No stored text contains them.
_SHIELD = str.maketrans("{}", "\ud800\ud801")
_UNSHIELD = str.maketrans("\ud800\ud801", "{}")
_UUID_SHAPED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


EnvironmentRef: TypeAlias = str | None
"""What names an environment: its id, its name, or `GLOBALS`."""

GLOBALS: None = None
"""Names a user's globals, which have no name of their own."""


class VariableType(StrEnum):
    """How a value is shown: a `secret` one is hidden until it is requested. Both are sealed in the same way."""

    DEFAULT = "default"
    SECRET = "secret"  # noqa: S105 - Postman's word for a type, not a password.


class EnvironmentKind(StrEnum):
    """A named environment, or the one set of globals below all environments of a user."""

    ENVIRONMENT = "environment"
    GLOBALS = "globals"


class Sealing(StrEnum):
    """Where the key is: on the server, or on a device of the owner. In the second case the server cannot open the
    values.
    """

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Variable:
    """One name and its value. `value` is a string, or any JSON value that a Vault client wrote.

    `others` are members from a newer release, unknown to this one. Every edit keeps them.
    """

    name: str
    value: WrittenJson
    type: VariableType = VariableType.DEFAULT
    enabled: bool = True
    literal: bool = False
    description: str = ""
    others: tuple[tuple[str, WrittenJson], ...] = ()

    def __repr__(self) -> str:
        """Never show the value: a repr ends up in logs and tracebacks."""
        return f"Variable(name={self.name!r}, value=***)"

    @property
    def text(self) -> str:
        """The value as text: a string itself, anything else as JSON."""
        return self.value if isinstance(self.value, str) else strict_json.dumps(self.value)

    @property
    def outline(self) -> Outline:
        """Everything except the value."""
        return Outline(self.name, self.type, self.enabled, self.literal, self.description)


@dataclass(frozen=True, slots=True)
class Outline:
    """A variable without its value, for lists."""

    name: str
    type: VariableType
    enabled: bool
    literal: bool
    description: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The facts about an environment that need no value to be opened. Times are microseconds since 1970."""

    id: str
    owner_id: str
    kind: EnvironmentKind
    name: str
    sealing: Sealing
    revision: int | None
    description: str
    max_versions: int
    cas_required: bool
    delete_version_after_seconds: int
    created_us: int
    updated_us: int
    bases: tuple[str, ...] = ()
    """The ids of the environments beneath it, the lowest first."""
    deleted_us: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One immutable snapshot. `variables` is None if only the facts about it were requested."""

    id: str
    environment_id: str
    number: int
    created_us: int
    created_by: str
    deletion_us: int | None
    destroyed: bool
    variables: tuple[Variable, ...] | None = None

    def is_readable(self, now_us: int) -> bool:
        """Report whether its values may still be read at `now_us`."""
        return is_readable(self.destroyed, self.deletion_us, now_us)


def is_readable(destroyed: bool, deletion_us: int | None, now_us: int) -> bool:
    """Report whether a revision's values may still be read: it is not destroyed, and not past its deletion time."""
    return not destroyed and (deletion_us is None or deletion_us > now_us)


@dataclass(frozen=True, slots=True)
class Values:
    """The result of resolving: an ordered map of names to texts, and a sentence for each reference that did not
    resolve.
    """

    values: dict[str, str]
    warnings: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    """The variable that each of the first warnings is about."""
    referring: tuple[str, ...] = field(default=(), compare=False)
    """Variables that may contain a reference. All others have their stored text."""
    beneath: tuple[str, ...] = ()
    """Those of the warnings that are only about globals. What the environment itself uses is not among them."""

    def about(self, names: Container[str]) -> tuple[str, ...]:
        """Return the warnings about one of `names`."""
        return tuple(text for name, text in zip(self.warned, self.warnings, strict=False) if name in names)

    def __repr__(self) -> str:
        """Show names only: the values are secret."""
        return f"Values(names={list(self.values)!r})"


Live = tuple[str, WrittenJson, bool]
"""The parts of an enabled variable that resolving needs: its name, its value, and whether it is literal."""


def check_environment_name(name: str, *, path: str = "name") -> str:
    """Return `name` in NFC, or raise `InvalidInput`.

    A name has 1 to 256 characters, no control characters, and no empty, `.` or `..` segment between slashes. It must
    not look like a UUID, because ids and names share one address.
    """
    name = _check_name(name, path)
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise InvalidInput(
            "An environment's name must not have an empty, '.' or '..' segment between its slashes.", path=path
        )
    if _UUID_SHAPED.fullmatch(name):
        raise InvalidInput("An environment's name must not look like a UUID.", path=path)
    return name


def check_variable_name(name: str, *, path: str = "name") -> str:
    """Return `name` in NFC, or raise `InvalidInput`. It has 1 to 256 characters and no control characters."""
    return _check_name(name, path)


def normal(name: str, *, path: str = "name") -> str:
    """Return `name` in NFC. Raises `InvalidInput` for text longer than any name, before normalising it.

    The time to normalise grows with the square of a run of combining characters.
    """
    if len(name) > NAME_MAX_DECOMPOSED:
        raise InvalidInput(f"A name has 1 to {NAME_MAX_CHARACTERS} characters.", path=path)
    return unicodedata.normalize("NFC", name)


def _check_name(name: str, path: str) -> str:
    name = normal(name, path=path)
    if not 1 <= len(name) <= NAME_MAX_CHARACTERS:
        raise InvalidInput(f"A name has 1 to {NAME_MAX_CHARACTERS} characters.", path=path)
    # Cc are control characters. Cs are lone surrogates, which UTF-8 cannot encode.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise InvalidInput("A name must not contain control characters.", path=path)
    return name


def looks_like_id(reference: str) -> bool:
    """Report whether an environment is addressed by its id rather than its name."""
    return _UUID_SHAPED.fullmatch(reference) is not None


def canonical(reference: str) -> str:
    """Return an environment's id or name in its stored form: ids in lower case, names in NFC."""
    return reference.lower() if looks_like_id(reference) else normal(reference)


def has_reference(text: str) -> bool:
    """Report whether a text contains a reference, if its variable is not literal."""
    return "{{" in text and _REFERENCE.search(text) is not None


def resolve(layers: Iterable[Iterable[Variable]], *, expand: bool = True) -> Values:
    """Flatten layers, the lowest first, into `{name: text}` and expand `{{NAME}}` as Postman does.

    Names are case-sensitive and not trimmed. An upper layer wins, also for references inside lower layers. There are at
    most 19 passes. Loops and unknown names stay as written and are listed in `warnings`. The text of a literal variable
    is never expanded, wherever it is inserted. Raises `ResolutionTooLarge` as soon as all values and warnings together
    exceed 4 MiB. Source of the rules: experiments with postman-collection 5.3.
    """
    enabled = ([(item.name, item.value, item.literal) for item in layer if item.enabled] for layer in layers)
    return resolve_live(enabled, expand=expand)


def resolve_live(layers: Iterable[Iterable[Live]], *, expand: bool = True) -> Values:
    """Like `resolve`, for the hot path, where making a `Variable` for each name would double the cost."""
    texts: dict[str, str] = {}
    literal_names: set[str] = set()
    for layer in layers:
        for name, value, is_literal in layer:
            texts[name] = value if isinstance(value, str) else strict_json.dumps(value)
            if is_literal:
                literal_names.add(name)
            elif literal_names:
                literal_names.discard(name)
    referring = [name for name, text in texts.items() if "{{" in text and name not in literal_names]
    return _expanded(texts, referring, literal_names) if expand and referring else Values(texts)


def _expanded(texts: Mapping[str, str], referring: Sequence[str], literal_names: Set[str]) -> Values:
    resolved = dict(texts)
    warnings: list[str] = []
    warned: list[str] = []
    shielded = {name: text.translate(_SHIELD) if name in literal_names else text for name, text in texts.items()}
    budget = _Budget(sum(map(len, shielded.values())))
    for name in referring:
        expanded = _expand(texts[name], shielded, budget)
        for warning in _residue(name, expanded, shielded):
            budget.spend(len(warning))
            warnings.append(warning)
            warned.append(name)
        resolved[name] = expanded.translate(_UNSHIELD) if literal_names else expanded
    return Values(resolved, tuple(warnings), tuple(warned), tuple(referring))


class _Budget:
    """Counts characters and lookups during an expansion, so that it stops as soon as a limit is reached."""

    def __init__(self, spent: int) -> None:
        self._left = RESOLVED_MAX_BYTES - spent
        self._look_ups_left = RESOLVE_LOOK_UPS

    def spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise ResolutionTooLarge()

    def look_up(self) -> None:
        self._look_ups_left -= 1
        if self._look_ups_left < 0:
            raise ResolutionTooLarge("The references in this environment take too much work to resolve.")


def _expand(text: str, texts: Mapping[str, str], budget: _Budget) -> str:
    def replace(match: re.Match[str]) -> str:
        budget.look_up()
        found = texts.get(match[1])
        if found is None:
            return match[0]
        budget.spend(len(found))
        return found

    for _ in range(RESOLVE_PASSES):
        # A pass copies the text even if it replaces nothing, so that work counts too.
        budget.spend(len(text) // 16)
        expanded = _REFERENCE.sub(replace, text)
        if expanded == text:
            break
        text = expanded
    return text


def _residue(name: str, text: str, texts: Mapping[str, str]) -> Iterable[str]:
    for reference in dict.fromkeys(_REFERENCE.findall(text)):
        cause = f"does not end within {RESOLVE_PASSES} passes" if reference in texts else "is unknown"
        yield f"In {name}: the reference {{{{{reference}}}}} {cause}."
