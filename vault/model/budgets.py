"""What one call may cost, by the class of its route: the one table of budgets.

The front door (`server`) bounds the bytes of a body before it keeps any, the faces (`api`, `kv`, `web`) bound the items
of its JSON and the fields of its form before they make any object. docs/reference/limits.md states the same table for
readers; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

KIB = 1024


class RouteClass(StrEnum):
    """What a route is for, which decides what a call of it may cost."""

    PUBLIC = "public"
    """Answered without a valid credential: logins, unwrapping, health, the login page. Also what no route answers."""
    SESSION = "session"
    """A person's own account, as calls and as pages: sessions, password, second factors; the pages of tokens."""
    TOKEN = "token"  # noqa: S105 - the name of a class of routes.
    """Environments and what belongs to them, for sessions and service tokens."""
    OPERATOR = "operator"
    """What operators alone may do, as calls and as pages."""
    PAGES = "pages"
    """Pages, their forms and scripts."""
    VAULT = "vault"
    """What Vault clients call under `/v1`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one call of a class may bring."""

    body_bytes: int
    json_items: int
    """Commas and opening brackets outside of strings: never fewer than the values that a parser would make."""
    form_fields: int


_LARGE_BYTES = 1536 * KIB
"""A whole environment (1 MiB) with the escapes and names that JSON adds."""

_LARGE_ITEMS = 150_000
"""10,000 new rows with all attributes, in place of 10,000 old ones, are 120,000 in the script of the table."""

_TABLE_FIELDS = 10_100
"""The largest form is that of the table: one field for each variable that is chosen, and a few of its own."""

BUDGETS: Mapping[RouteClass, Budget] = {
    RouteClass.PUBLIC: Budget(16 * KIB, json_items=256, form_fields=64),
    RouteClass.SESSION: Budget(256 * KIB, json_items=1024, form_fields=1024),
    RouteClass.TOKEN: Budget(_LARGE_BYTES, json_items=_LARGE_ITEMS, form_fields=64),
    RouteClass.OPERATOR: Budget(64 * KIB, json_items=1024, form_fields=64),
    RouteClass.PAGES: Budget(_LARGE_BYTES, json_items=_LARGE_ITEMS, form_fields=_TABLE_FIELDS),
    RouteClass.VAULT: Budget(_LARGE_BYTES, json_items=_LARGE_ITEMS, form_fields=64),
}

BODY_MOST_BYTES = max(budget.body_bytes for budget in BUDGETS.values())

FILE_ITEMS_MOST = _LARGE_ITEMS
"""How many JSON items a file that is imported may hold."""

QUERY_FIELDS_MOST = 64
COOKIES_MOST = 200
"""Browsers send a host's cookies of every port: on `localhost` that can be many."""
