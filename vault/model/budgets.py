"""The limits of one call, by the class of its route.

The front door (`server`) checks the bytes of a body before it keeps any of it. `api`, `kv` and `web` check JSON items
and form fields before they parse. docs/reference/limits.md has the same table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

KIB = 1024


class RouteClass(StrEnum):
    """What a route is for. It decides the budget of a call."""

    PUBLIC = "public"
    """Needs no valid credential: logins, unwrapping, health, the login page. Also addresses without a route."""
    SESSION = "session"
    """A person's own account, in the API and as pages: sessions, password, second factors. Also the token pages."""
    TOKEN = "token"  # noqa: S105 - the name of a class of routes.
    """Environments and everything in them, in the API, for sessions and service tokens."""
    OPERATOR = "operator"
    """For operators only, in the API and as pages."""
    PAGES = "pages"
    """All other pages, with their forms and scripts."""
    VAULT = "vault"
    """The calls of Vault clients under `/v1`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one call."""

    body_bytes: int
    json_items: int
    """Commas and opening brackets outside of strings: never fewer than the values that a parser makes."""
    form_fields: int


_LARGE_BYTES = 1536 * KIB
"""A whole environment (1 MiB) with the escapes and names that JSON adds."""

_LARGE_ITEMS = 150_000
"""Replacing 10,000 rows with 10,000 new ones on the page of variables sends 120,000 items."""

_TABLE_FIELDS = 10_100
"""The largest form is the page of variables: one field for each selected variable, and a few more."""

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
"""JSON items in an imported file."""

QUERY_FIELDS_MOST = 64
COOKIES_MOST = 200
"""Browsers send the cookies of all ports of a host, which can be many on `localhost`."""

TakesPassword = Callable[[str, str], bool]
"""Whether a request hashes a password, from its method and WSGI's path."""

BodyLimit = Callable[[str, str, Mapping[bytes, bytes]], int]
"""How many bytes the body of a request may have, by its method, its WSGI path and its headers."""
