"""What followers are told: that an environment has changed, or is gone. They never get a value, an ETag or a count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vault.model.action import Action
from vault.model.environment import EnvironmentRef
from vault.storage import ChangeRow


class MessageType(StrEnum):
    """Whether an environment can still be seen."""

    CHANGE = "change"
    GONE = "gone"


class ChangeKind(StrEnum):
    """What has happened to an environment. These words are part of the protocol."""

    CREATE = "create"
    WRITE = "write"
    RENAME = "rename"
    CHANGE = "change"
    BASES = "bases"
    DELETE = "delete"
    UNDELETE = "undelete"
    ERASE = "erase"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Message:
    """One message about one environment.

    `name` is None for the globals. `kind` and `revision`, the number of the current revision, are only in a change.
    `affects` are the references of the subscription whose values may differ now; None for a subscription to all. `seq`
    is the change's number, and `at_us` its time: both are for cursors, never for the follower.
    """

    seq: int
    at_us: int
    type: MessageType
    kind: ChangeKind | None
    environment_id: str
    name: str | None
    revision: int | None
    affects: tuple[EnvironmentRef, ...] | None


_KINDS: dict[str, ChangeKind] = {
    Action.ENVIRONMENT_CREATE: ChangeKind.CREATE,
    Action.ENVIRONMENT_BASES: ChangeKind.BASES,
    Action.ENVIRONMENT_DELETE: ChangeKind.DELETE,
    Action.ENVIRONMENT_UNDELETE: ChangeKind.UNDELETE,
    Action.ENVIRONMENT_ERASE: ChangeKind.ERASE,
    Action.REVISION_WRITE: ChangeKind.WRITE,
    Action.REVISION_DELETE: ChangeKind.WRITE,
    Action.REVISION_UNDELETE: ChangeKind.WRITE,
    Action.REVISION_DESTROY: ChangeKind.WRITE,
    Action.REVISION_EXPIRE: ChangeKind.EXPIRE,
}


def kind_of(change: ChangeRow) -> ChangeKind:
    """Return the kind of a stored change. One of a newer release is told as a plain change."""
    if change.kind == Action.ENVIRONMENT_CHANGE and change.old_name is not None:
        return ChangeKind.RENAME
    return _KINDS.get(change.kind, ChangeKind.CHANGE)
