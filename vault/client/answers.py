"""The server's answers as frozen dataclasses.

Fields that a newer server adds are ignored. Fields that an older server does not know have defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Self

from vault.errors import TransportError
from vault.model.environment import Variable, VariableType


class _Answer:
    """Builds a dataclass from the JSON object with its fields."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read `data`. Raises `TransportError` if a field is missing or a time is not valid."""
        try:
            told = [item for item in fields(cls) if item.default is MISSING or item.name in data]
            return cls(**{item.name: _convert(str(item.type), data[item.name]) for item in told})
        except (KeyError, TypeError, ValueError) as error:
            raise not_ours() from error


def _convert(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind.startswith("datetime"):
        return datetime.fromisoformat(value)
    if kind.startswith("tuple[Grant"):
        return tuple(Grant.from_json(item) for item in value)
    if kind.startswith("tuple[Remains"):
        return tuple(Remains.from_json(item) for item in value)
    if kind.startswith("tuple"):
        return tuple(value)
    if kind == "User":
        return User.from_json(value)
    return value


def not_ours() -> TransportError:
    """Return the error for an answer that a Strongroom server would not give."""
    return TransportError("The answer does not come from a Strongroom server. Is the address right?")


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


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of a token: `permissions` on exactly one of an environment (its name or id), an `environment_id`, a
    `path`
    (it and everything below it; `*` is every environment) and the globals.
    """

    permissions: tuple[str, ...]
    environment: str | None = None
    environment_id: str | None = None
    path: str | None = None
    globals: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grant:
        """Read a grant from the server's JSON."""
        return cls(
            tuple(data["permissions"]),
            environment_id=data.get("environment_id"),
            path=data.get("path"),
            globals=bool(data.get("globals", False)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the grant as JSON for the server, without the fields that are not set."""
        shown: dict[str, Any] = {"permissions": list(self.permissions)}
        for name in ("environment", "environment_id", "path"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
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


@dataclass(frozen=True, slots=True)
class NewToken(_Answer):
    """A new or rotated token. `secret` is in no later answer."""

    token: Token
    secret: str = field(repr=False)

    @classmethod
    def from_json(cls, data: Any) -> NewToken:
        """Read a token whose secret is a separate field."""
        if not isinstance(data, dict) or not isinstance(data.get("secret"), str):
            raise not_ours()
        return cls(Token.from_json(data), data["secret"])


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

    @classmethod
    def from_json(cls, data: Any) -> Revision:
        """Read a revision, with its variables if the answer has them."""
        try:
            variables = None if data.get("variables") is None else read_variables(data["variables"])
            known = {item.name: _convert(str(item.type), data[item.name]) for item in fields(cls)[:-1]}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise not_ours() from error
        return cls(**known, variables=variables)


@dataclass(frozen=True, slots=True)
class Variables(Sequence[Variable]):
    """All variables of one set, in order. `etag` is needed to replace them."""

    items: tuple[Variable, ...]
    revision: int | None
    etag: str

    def __getitem__(self, index: Any) -> Any:
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
    def from_json(cls, data: Any) -> Change:
        """Read one entry of a diff."""
        try:
            sides = [None if data[side] is None else read_variable(data[side]) for side in ("before", "after")]
            return cls(data["name"], data["kind"], *sides)
        except (KeyError, TypeError) as error:
            raise not_ours() from error


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
    def from_json(cls, data: Any) -> ImportPlan:
        """Read the answer of an import. Its plan is a nested object."""
        try:
            plan = {name: tuple(data["plan"][name]) for name in ("added", "changed", "removed", "unchanged")}
            return cls(**plan, revision=data["revision"], warnings=tuple(data["warnings"]))
        except (KeyError, TypeError) as error:
            raise not_ours() from error


class Values(Mapping[str, str]):
    """The values for a service: an immutable `{name: value}`.

    `warnings` are about references that did not resolve. `revision` is the environment's. `repr` hides the values.
    """

    __slots__ = ("_values", "revision", "warnings")

    def __init__(self, values: Mapping[str, str], *, warnings: Sequence[str] = (), revision: int | None = None) -> None:
        self._values = dict(values)
        self.warnings = tuple(warnings)
        self.revision = revision

    @classmethod
    def from_json(cls, data: Any) -> Values:
        """Read the answer of a `values` call."""
        try:
            return cls(data["values"], warnings=data["warnings"], revision=data["revision"])
        except (KeyError, TypeError, ValueError) as error:
            raise not_ours() from error

    def only(self, names: Sequence[str]) -> Values:
        """Return the same values, with only these names."""
        kept = {name: self._values[name] for name in names if name in self._values}
        return Values(kept, warnings=self.warnings, revision=self.revision)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Values(names={list(self._values)!r}, revision={self.revision!r})"


def read_variable(data: Any) -> Variable:
    """Read one variable from its JSON. Raises `TransportError` if it is not one."""
    try:
        return Variable(
            data["name"],
            data["value"],
            VariableType(data["type"]),
            data["enabled"],
            data["literal"],
            data["description"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise not_ours() from error


def read_variables(data: Any) -> tuple[Variable, ...]:
    """Read a list of variables from its JSON."""
    if not isinstance(data, list):
        raise not_ours()
    return tuple(read_variable(item) for item in data)


def variable_as_json(variable: Variable) -> dict[str, Any]:
    """Return a variable as JSON, for the server and for the command's output."""
    return {
        "name": variable.name,
        "value": variable.text,
        "type": variable.type.value,
        "enabled": variable.enabled,
        "literal": variable.literal,
        "description": variable.description,
    }
