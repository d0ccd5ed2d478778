"""What the feed of changes tells: its messages, and the two forms in which they come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vault.client.events import EventReader
from vault.client.reading import (
    not_ours,
    read_document,
    read_list,
    read_member,
    read_number,
    read_number_or_none,
    read_object,
    read_text,
)
from vault.errors import TransportError
from vault.model.json_types import Json

PING_SECONDS = 25.0
"""How often a server sends something, unless its `hello` says otherwise."""

PAGE_MAX_BYTES = 16 * 1024 * 1024
"""A page has at most 500 changes, each with at most 100 names."""

_PING_MAX_SECONDS = 300
# A cursor goes into a header.
_CURSOR = re.compile(r"[A-Za-z0-9_.~=-]{1,1024}")


@dataclass(frozen=True, slots=True)
class FeedChange:
    """One message of the feed.

    `type` is `change`: look again; `gone`: the environment was deleted, or the credential has lost sight of it; or
    `reset`: the feed started again, so changes may have been missed. The kinds of a change are `create`, `write`,
    `rename`, `change`, `bases`, `undelete` and `expire`. The name of the globals is None. `affects`
    has those environments of the subscription, as it names them, whose values may differ now; None is the globals.
    """

    type: str
    kind: str = ""
    environment_id: str = ""
    environment_name: str | None = None
    revision: int | None = None
    affects: tuple[str | None, ...] = ()
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """The feed begins. Something comes at least each `ping_seconds`."""

    cursor: str
    ping_seconds: float = PING_SECONDS


@dataclass(frozen=True, slots=True)
class Moved:
    """The place in the feed, without a change."""

    cursor: str


@dataclass(frozen=True, slots=True)
class End:
    """The server ends the stream. A new attempt says more."""


Message = Hello | FeedChange | Moved | End


def read_message(data: Json) -> Message | None:
    """Read one message. Returns None for a type that this release does not know. Raises `TransportError` if a member
    is missing or has a value of another type.
    """
    kind = read_text(read_member(data, "type"))
    if kind == "hello":
        ping_seconds = read_number(read_member(data, "ping_seconds"))
        return Hello(read_cursor(data), float(min(max(ping_seconds, 1), _PING_MAX_SECONDS)))
    if kind in ("change", "gone"):
        return _read_change(read_object(data), kind)
    if kind == "cursor":
        return Moved(read_cursor(data))
    return End() if kind == "end" else None


def read_cursor(data: Json) -> str:
    """Return the cursor of a message or a page."""
    cursor = read_text(read_member(data, "cursor"))
    if not _CURSOR.fullmatch(cursor):
        raise not_ours()
    return cursor


def _read_change(data: Mapping[str, Json], kind: str) -> FeedChange:
    environment = read_member(data, "environment")
    return FeedChange(
        kind,
        kind=read_text(data.get("kind") or ""),
        environment_id=read_text(read_member(environment, "id")),
        environment_name=_read_name(read_member(environment, "name")),
        revision=read_number_or_none(data.get("revision")),
        # A subscription to all has none.
        affects=tuple(_read_name(item) for item in read_list(data.get("affects") or [])),
        # In a page, they have none.
        cursor=read_cursor(data) if "cursor" in data else "",
    )


def _read_name(data: Json) -> str | None:
    return None if data is None else read_text(data)


Subscription = Sequence[tuple[str, str]]
"""What to follow, as the fields of a query."""


def subscription(environments: Iterable[str], *, globals: bool) -> Subscription:
    """Return the subscription to some environments, by name or id, and to the globals, or to all for neither."""
    wanted = [("environment", name) for name in environments] + [("globals", "true")] * globals
    return wanted or [("all", "true")]


class StreamReader:
    """Reads the messages of a stream of events."""

    media_type = "text/event-stream"

    def __init__(self) -> None:
        self._events = EventReader()

    @property
    def retry_seconds(self) -> float:
        """How long the server wants a client to wait after the end."""
        return self._events.retry_seconds

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now. Raises `TransportError` if the stream is not a feed."""
        found = [read_message(read_document(event)) for event in self._events.feed(data)]
        return [message for message in found if message is not None]


class PageReader:
    """Reads the messages of one page, the answer of a long poll."""

    media_type = "application/json"

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Keep a part of the page. Raises `TransportError` if it gets too long."""
        self._body += data
        if len(self._body) > PAGE_MAX_BYTES:
            raise TransportError(
                f"A page of the feed has more than {PAGE_MAX_BYTES} bytes. A Strongroom server never sends that."
            )

    def end(self, after: str) -> list[Message]:
        """Return the messages of the page that was asked for with `after`. Raises `TransportError` if it is none."""
        page = read_document(bytes(self._body))
        cursor = read_cursor(page)
        if not after:
            return [Hello(cursor)]
        found = [read_message(item) for item in read_list(read_member(page, "changes"))]
        changes = [message for message in found if isinstance(message, FeedChange)]
        if changes and cursor == after:
            raise TransportError("The server's feed returned changes without a new cursor.")
        # A page has one cursor, for its end. Resuming at an earlier change repeats some changes and misses none.
        resumable = [replace(change, cursor=after) for change in changes[:-1]]
        return [*resumable, *(replace(change, cursor=cursor) for change in changes[-1:]), Moved(cursor)]
