"""The SDK: `from vault.client import Client`.

    with Client() as client:                        # STRONGROOM_URL, STRONGROOM_TOKEN, STRONGROOM_CA_FILE
        password = client.values("prod")["DB_PASSWORD"]

Layers, from the top: `client.py` has the groups; `sets.py` and `groups.py` have one method for each call;
`caller.py` adds credential, retries and errors; `transport.py` sends bytes. Errors are the classes of `vault.errors`.
`AsyncClient` has the same layers in `aio/`, from which the synchronous ones are made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from vault.client.answers import (
    Change,
    EndedSessions,
    Environment,
    ErasureReport,
    Grant,
    ImportPlan,
    MadeToken,
    NewSession,
    NewToken,
    PasswordChange,
    Remains,
    Revision,
    RevisionNumber,
    Session,
    Token,
    User,
    Variables,
)
from vault.client.client import Client
from vault.client.feed import FeedChange
from vault.client.transport import Authority, HttpsTransport, Request, Response, Transport
from vault.client.values import Values
from vault.client.watching import Changes, Watch
from vault.client.wsgi import WsgiTransport

if TYPE_CHECKING:
    from vault.client.aio.client import AsyncClient
    from vault.client.aio.transport import AsyncTransport, HttpxTransport
    from vault.client.aio.watching import AsyncChanges, AsyncWatch

__all__ = [
    "AsyncChanges",
    "AsyncClient",
    "AsyncTransport",
    "AsyncWatch",
    "Authority",
    "Change",
    "Changes",
    "Client",
    "EndedSessions",
    "Environment",
    "ErasureReport",
    "FeedChange",
    "Grant",
    "HttpsTransport",
    "HttpxTransport",
    "ImportPlan",
    "MadeToken",
    "NewSession",
    "NewToken",
    "PasswordChange",
    "Remains",
    "Request",
    "Response",
    "Revision",
    "RevisionNumber",
    "Session",
    "Token",
    "Transport",
    "User",
    "Values",
    "Variables",
    "Watch",
    "WsgiTransport",
]

_ASYNCHRONOUS = {
    "AsyncChanges": "watching",
    "AsyncClient": "client",
    "AsyncTransport": "transport",
    "AsyncWatch": "watching",
    "HttpxTransport": "transport",
}


def __getattr__(name: str) -> object:
    # The command needs none of them, and asyncio takes longer to import than all else here.
    if name not in _ASYNCHRONOUS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"vault.client.aio.{_ASYNCHRONOUS[name]}"), name)
    return found
