"""The server's answers as frozen dataclasses.

Fields that a newer server adds are ignored. Fields that an older server does not know have defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import datetime
from typing import ClassVar, Self, overload

from vault.client.reading import (
    not_ours,
    read_flag,
    read_list,
    read_member,
    read_number,
    read_number_or_none,
    read_object,
    read_text,
    read_text_map,
    read_texts,
    read_time,
)
from vault.model.environment import Variable, VariableType
from vault.model.json_types import Json, JsonObject


class _Answer:
    """Builds a dataclass from the JSON object with its fields."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read `data`. Raises `TransportError` if a field is missing or has a value of another type."""
        found = read_object(data)
        told = [item for item in fields(cls) if item.default is MISSING or item.name in found]
        return cls(**{item.name: _convert(str(item.type), read_member(found, item.name)) for item in told})


def _convert(kind: str, value: Json) -> object:
    if value is None and kind.endswith(" | None"):
        return None
    return _READERS[kind.removesuffix(" | None")](value)


@dataclass(frozen=True, slots=True)
class User(_Answer):
    """A person. `role` is `user` or `operator`."""

    id: str
    username: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Remains(_Answer):
    """A place that still has some of the erased data. `until` is None if the date is unknown."""

    place: str
    until: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class ErasureReport(_Answer):
    """The result of an erasure: what was erased, in numbers, and what remains where."""

    user_id: str
    erased_at: datetime
    environments: int
    revisions: int
    user_keys: int
    data_keys: int
    sessions: int
    tokens: int
    audit_events: int
    remains: tuple[Remains, ...]


@dataclass(frozen=True, slots=True)
class NewSession(_Answer):
    """A new session. `secret` is in no later answer."""

    id: str
    secret: str = field(repr=False)
    user: User
    created_at: datetime
    expires_at: datetime
    idle_seconds: int
    factors: tuple[str, ...] = ("password",)
    recovery_codes_left: int | None = None
    """How many recovery codes are left, if the login used one."""


@dataclass(frozen=True, slots=True)
class MadeToken(_Answer):
    """An active token that a session has made. A token outlives its session."""

    id: str
    name: str
    session_id: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class EndedSessions(_Answer):
    """How many sessions were ended, and the tokens that they made. An older server tells nothing of this."""

    sessions: int | None = None
    tokens: tuple[MadeToken, ...] = ()
    tokens_ended: bool = False


@dataclass(frozen=True, slots=True)
class PasswordChange(_Answer):
    """A changed password. `session` replaces the one that made the call; None if that one continues."""

    session: NewSession | None = None
    tokens: tuple[MadeToken, ...] = ()
    tokens_ended: bool = False


@dataclass(frozen=True, slots=True)
class Session(_Answer):
    """An active session. `kind` is `web` or `api`; `current` marks the session that made this call."""

    id: str
    kind: str
    created_at: datetime
    last_seen_at: datetime | None
    expires_at: datetime
    address: str
    agent: str
    current: bool


@dataclass(frozen=True, slots=True)
class Environment(_Answer):
    """An environment, or the globals, without values."""

    id: str
    name: str
    kind: str
    sealing: str
    revision: int | None
    description: str
    max_versions: int
    cas_required: bool
    delete_version_after_seconds: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    bases: tuple[str, ...] = ()
    """The ids of the environments beneath it, the lowest first."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of a token: `permissions` on exactly one of an environment (its name or id), an `environment_id`, a
    `path` (it and everything below it; `*` is every environment) and the globals.

    `environment_name` is only in answers: the name for an `environment_id`, if the caller may know it.
    """

    permissions: tuple[str, ...]
    environment: str | None = None
    environment_id: str | None = None
    path: str | None = None
    globals: bool = False
    environment_name: str | None = None

    @classmethod
    def from_json(cls, data: Json) -> Grant:
        """Read a grant from the server's JSON."""
        found = read_object(data)
        environment_id, path, name = found.get("environment_id"), found.get("path"), found.get("environment_name")
        return cls(
            read_texts(read_member(found, "permissions")),
            environment_id=None if environment_id is None else read_text(environment_id),
            path=None if path is None else read_text(path),
            globals=bool(found.get("globals", False)),
            # Servers up to 0.2.0 do not name it.
            environment_name=None if name is None else read_text(name),
        )

    def as_json(self) -> JsonObject:
        """Return the grant as JSON for the server, without the fields that are not set."""
        places = {"environment": self.environment, "environment_id": self.environment_id, "path": self.path}
        shown: JsonObject = {"permissions": list(self.permissions)}
        shown |= {name: place for name, place in places.items() if place is not None}
        return shown | ({"globals": True} if self.globals else {})


@dataclass(frozen=True, slots=True)
class Token(_Answer):
    """A service token without its secret."""

    id: str
    accessor: str
    name: str
    grants: tuple[Grant, ...]
    parent_id: str | None
    created_at: datetime
    expires_at: datetime | None
    max_ttl_seconds: int | None
    renewable: bool
    uses_left: int | None
    networks: tuple[str, ...]
    metadata: Mapping[str, str]
    last_used_at: datetime | None
    may_rotate: bool = True
    """Whether it may give itself a new secret. At an older server, every token may."""


@dataclass(frozen=True, slots=True)
class NewToken(_Answer):
    """A new or rotated token. `secret` is in no later answer."""

    token: Token
    secret: str = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> NewToken:
        """Read a token whose secret is a separate field."""
        return cls(Token.from_json(data), read_text(read_member(data, "secret")))


@dataclass(frozen=True, slots=True)
class Revision(_Answer):
    """One immutable snapshot. `variables` is None in lists."""

    id: str
    number: int
    created_at: datetime
    created_by: str
    deletion_at: datetime | None
    destroyed: bool
    variables: tuple[Variable, ...] | None = None


@dataclass(frozen=True, slots=True)
class Variables(Sequence[Variable]):
    """All variables of one set, in order. `etag` is needed to replace them."""

    items: tuple[Variable, ...]
    revision: int | None
    etag: str

    @overload
    def __getitem__(self, index: int) -> Variable: ...

    @overload
    def __getitem__(self, index: slice[int | None, int | None, int | None]) -> tuple[Variable, ...]: ...

    def __getitem__(self, index: int | slice[int | None, int | None, int | None]) -> Variable | tuple[Variable, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two revisions; `kind` is `added`, `removed` or `changed`."""

    name: str
    kind: str
    before: Variable | None
    after: Variable | None

    @classmethod
    def from_json(cls, data: Json) -> Change:
        """Read one entry of a diff."""
        before, after = read_member(data, "before"), read_member(data, "after")
        return cls(
            read_text(read_member(data, "name")),
            read_text(read_member(data, "kind")),
            None if before is None else read_variable(before),
            None if after is None else read_variable(after),
        )


@dataclass(frozen=True, slots=True)
class ImportPlan(_Answer):
    """What an import did, or with `dry_run` would do, without values. `revision` is None if nothing was written."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    revision: int | None
    warnings: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json) -> ImportPlan:
        """Read the answer of an import. Its plan is a nested object."""
        plan = read_member(data, "plan")
        lists = {name: read_texts(read_member(plan, name)) for name in ("added", "changed", "removed", "unchanged")}
        warnings = read_texts(read_member(data, "warnings"))
        return cls(**lists, revision=read_number_or_none(read_member(data, "revision")), warnings=warnings)


class RevisionNumber(int):
    """The number of the revision that a write has made. `warnings` are about new names that shells or some formats do
    not take.
    """

    warnings: tuple[str, ...]

    def __new__(cls, number: int, warnings: Sequence[str] = ()) -> Self:
        """Return the number with its warnings."""
        made = super().__new__(cls, number)
        made.warnings = tuple(warnings)
        return made


def read_variable(data: Json) -> Variable:
    """Read one variable from its JSON. Raises `TransportError` if it is not one."""
    try:
        kind = VariableType(read_text(read_member(data, "type")))
    except ValueError as error:
        raise not_ours() from error
    return Variable(
        read_text(read_member(data, "name")),
        read_text(read_member(data, "value")),
        kind,
        read_flag(read_member(data, "enabled")),
        read_flag(read_member(data, "literal")),
        read_text(read_member(data, "description")),
    )


def read_variables(data: Json) -> tuple[Variable, ...]:
    """Read a list of variables from its JSON."""
    return tuple(read_variable(item) for item in read_list(data))


def variable_as_json(variable: Variable) -> JsonObject:
    """Return a variable as JSON, for the server and for the command's output."""
    return {
        "name": variable.name,
        "value": variable.text,
        "type": variable.type.value,
        "enabled": variable.enabled,
        "literal": variable.literal,
        "description": variable.description,
    }


_READERS: dict[str, Callable[[Json], object]] = {
    "str": read_text,
    "int": read_number,
    "bool": read_flag,
    "datetime": read_time,
    "User": User.from_json,
    "NewSession": NewSession.from_json,
    "Mapping[str, str]": read_text_map,
    "tuple[str, ...]": read_texts,
    "tuple[Grant, ...]": lambda data: tuple(Grant.from_json(item) for item in read_list(data)),
    "tuple[MadeToken, ...]": lambda data: tuple(MadeToken.from_json(item) for item in read_list(data)),
    "tuple[Remains, ...]": lambda data: tuple(Remains.from_json(item) for item in read_list(data)),
    "tuple[Variable, ...]": read_variables,
}
"""The function that reads a field of each type."""
