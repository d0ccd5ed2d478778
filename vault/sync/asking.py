"""What a call of the feed asks for, in its query."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from vault.errors import InvalidInput
from vault.model.budgets import QUERY_FIELDS_MOST
from vault.model.digits import whole_number
from vault.model.environment import check_environment_name, looks_like_id
from vault.services.sync.feed import REFERENCES_MOST
from vault.sync.messages import Subscribe, subscription

WAIT_MOST_SECONDS = 60
_FLAGS = {"true": True, "false": False}
_REFERENCE = "environment"
_ONCE = ("globals", "all", "after", "wait")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to follow, and how long a poll may wait for it."""

    wish: Subscribe
    wait_seconds: int


def asked(query: bytes, last_event_id: bytes) -> Asked:
    """Return what a query asks for. `Last-Event-ID` is the cursor of a client that connects again, and wins.

    Raises `InvalidInput`.
    """
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=REFERENCES_MOST + QUERY_FIELDS_MOST,
        )
    except ValueError:
        raise InvalidInput("The query must be percent-encoded UTF-8, and must not have too many fields.") from None
    environments = [value for name, value in pairs if name == _REFERENCE]
    once: dict[str, str] = {}
    for name, value in pairs:
        if name == _REFERENCE:
            continue
        if name not in _ONCE:
            raise InvalidInput("Unknown field.", path=name)
        if name in once:
            raise InvalidInput("Give this field once.", path=name)
        once[name] = value
    after = last_event_id.decode("latin-1") or once.get("after")
    wish = subscription(environments or None, _flag(once, "globals"), _flag(once, "all"), after, path=_REFERENCE)
    for each in environments:
        # The feed checks the names too, and calls them as a message does.
        if not looks_like_id(each):
            check_environment_name(each, path=_REFERENCE)
    return Asked(wish, _wait(once.get("wait", "0")))


def _flag(once: dict[str, str], name: str) -> bool:
    value = _FLAGS.get(once.get(name, "false"))
    if value is None:
        raise InvalidInput("This must be true or false.", path=name)
    return value


def _wait(text: str) -> int:
    seconds = whole_number(text, WAIT_MOST_SECONDS)
    if seconds is None:
        raise InvalidInput(f"This must be a whole number from 0 to {WAIT_MOST_SECONDS}.", path="wait")
    return seconds
