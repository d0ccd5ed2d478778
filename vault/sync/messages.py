"""The messages of the feed, as JSON: what the server tells, and what a client of a WebSocket says.

hello, change, gone, cursor, end ─► client
         subscribe, ticket       ◄─ client
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from vault.errors import BadJson, InvalidInput, TooLarge
from vault.model.environment import GLOBALS, EnvironmentRef
from vault.model.json_types import Json, JsonObject
from vault.model.strict_json import parse_json
from vault.services.sync.feed import REFERENCES_MOST
from vault.services.sync.message import Message, MessageType
from vault.sync.endings import Ending

PING_SECONDS = 25
"""A client that has heard nothing for two of these may take the connection for dead."""
RETRY_MILLISECONDS = 3000
"""How long a browser waits before it connects an event stream again."""

_ITEMS_MOST = REFERENCES_MOST + 16

COMMENT = b":\n\n"
"""A line of an event stream that carries nothing, so that no proxy takes the connection for dead."""


class Frame:
    """A message about one environment, encoded once for all clients that get it."""

    def __init__(self, environment_id: str, cursor: str, body: JsonObject) -> None:
        """`body` is the message without its cursor."""
        self.environment_id = environment_id
        self.cursor = cursor
        self.body = body

    @cached_property
    def text(self) -> str:
        """The message as JSON, for a WebSocket."""
        return _json(_with_cursor(self.body, self.cursor))

    @cached_property
    def event(self) -> bytes:
        """The message as a server-sent event."""
        return _event(str(self.body["type"]), self.text, self.cursor)

    def after(self, older: Frame) -> Frame:
        """Return this frame as the one that replaces `older`: it affects what any of the two affects."""
        mine, others = self.body.get("affects"), older.body.get("affects")
        if not isinstance(mine, tuple) or not isinstance(others, tuple) or set(others) <= set(mine):
            return self
        affects = tuple(dict.fromkeys((*others, *mine)))
        return Frame(self.environment_id, self.cursor, {**self.body, "affects": affects})


def frame_of(message: Message, cursor: str) -> Frame:
    """Return a change or a `gone` for clients. It has neither values nor ETags."""
    body: JsonObject = {"type": str(message.type)}
    if message.type is MessageType.CHANGE:
        body["kind"] = str(message.kind)
    body["environment"] = {"id": message.environment_id, "name": message.name}
    if message.type is MessageType.CHANGE:
        body["revision"] = message.revision
    if message.affects is not None:
        body["affects"] = message.affects
    return Frame(message.environment_id, cursor, body)


def newest_only(frames: Iterable[Frame]) -> list[Frame]:
    """Return the newest frame of each environment, in ascending order."""
    newest: dict[str, Frame] = {}
    for frame in frames:
        put_newest(newest, frame)
    return list(newest.values())


def put_newest(frames: dict[str, Frame], frame: Frame) -> None:
    """Add a frame behind all others, by its environment. It replaces the older one of the environment."""
    older = frames.pop(frame.environment_id, None)
    # A dict keeps the order of insertion, so the newer frame stands at the end.
    frames[frame.environment_id] = frame if older is None else frame.after(older)


class Notice:
    """A message about the stream itself: `hello` or `cursor`."""

    def __init__(self, cursor: str, body: JsonObject) -> None:
        self.text = _json(_with_cursor(body, cursor))
        self.event = _event(str(body["type"]), self.text, cursor)


def hello(cursor: str) -> Notice:
    """Return the first message of a stream."""
    return Notice(cursor, {"type": "hello", "ping_seconds": PING_SECONDS})


def fresh_cursor(cursor: str) -> Notice:
    """Return the message that keeps a quiet client's cursor young."""
    return Notice(cursor, {"type": "cursor"})


def end_event(ending: Ending) -> bytes:
    """Return the last event of an event stream."""
    return _event("end", _json({"type": "end", "code": ending.code, "message": ending.sentence}))


def retry_event(milliseconds: int) -> bytes:
    """Return the line that tells a browser how long to wait before it connects again."""
    return b"retry: %d\n\n" % milliseconds


def page_body(cursor: str, changes: list[JsonObject], *, more: bool) -> bytes:
    """Return the answer to a long poll."""
    return _json({"cursor": cursor, "changes": changes, "more": more}).encode()


@dataclass(frozen=True, slots=True)
class Subscribe:
    """What a client wants to follow: references, or all if `references` is None; after a cursor, or from now on."""

    references: tuple[EnvironmentRef, ...] | None
    after: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Ticket:
    """The ticket of a page, which opens one WebSocket."""

    secret: str = field(repr=False)


def parsed(text: str) -> Subscribe | Ticket:
    """Return a client's message. Raises `InvalidInput`."""
    try:
        message = parse_json(text.encode(), _ITEMS_MOST)
    except UnicodeEncodeError:
        raise BadJson("The message is not UTF-8.") from None
    except (BadJson, TooLarge) as error:
        raise type(error)(error.message.replace("The body", "The message")) from None
    if not isinstance(message, dict):
        raise InvalidInput("A message must be a JSON object.")
    if message.get("type") == "ticket":
        return Ticket(_text(message, "ticket"))
    if message.get("type") == "subscribe":
        return subscription(
            message.get("environments"), message.get("globals", False), message.get("all", False), message.get("after")
        )
    raise InvalidInput("The type of a message must be 'subscribe' or 'ticket'.", path="type")


def subscription(
    environments: Json, globals_: Json, all_: Json, after: Json, *, path: str = "environments"
) -> Subscribe:
    """Return what a client wants to follow, from the members of a message or of a query.

    `path` is what it calls the environments. Raises `InvalidInput`.
    """
    if after is not None and not isinstance(after, str):
        raise InvalidInput("This must be the cursor of an earlier message.", path="after")
    for name, flag in (("all", all_), ("globals", globals_)):
        if not isinstance(flag, bool):
            raise InvalidInput("This must be true or false.", path=name)
    if all_:
        if environments is not None or globals_:
            raise InvalidInput("Say either which environments you follow, or all.", path="all")
        return Subscribe(None, after)
    named = _names(environments, path) if environments is not None else []
    references = [*dict.fromkeys(named), *([GLOBALS] if globals_ else [])]
    if not 1 <= len(references) <= REFERENCES_MOST:
        raise InvalidInput(f"Name 1 to {REFERENCES_MOST} environments, the globals, or all.", path=path)
    return Subscribe(tuple(references), after)


def _names(environments: Json, path: str) -> list[str]:
    named = list(environments) if isinstance(environments, list | tuple) else []
    names = [each for each in named if isinstance(each, str) and each]
    if not names or len(names) != len(named):
        raise InvalidInput("Name each environment by its name or its id.", path=path)
    return names


def _text(message: dict[str, Json], name: str) -> str:
    found = message.get(name)
    if not isinstance(found, str):
        raise InvalidInput("This must be a text.", path=name)
    return found


def _with_cursor(body: JsonObject, cursor: str) -> JsonObject:
    return {"type": body["type"], "cursor": cursor, **body}


def _json(document: JsonObject) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _event(kind: str, text: str, cursor: str = "") -> bytes:
    # JSON has no line breaks outside of strings, and none inside them unescaped, so one data line is enough.
    identified = f"id: {cursor}\n" if cursor else ""
    return f"event: {kind}\n{identified}data: {text}\n\n".encode()
