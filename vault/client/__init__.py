"""The SDK: `from vault.client import Client`.

    with Client() as client:                        # STRONGROOM_URL, STRONGROOM_TOKEN, STRONGROOM_CA_FILE
        password = client.values("prod")["DB_PASSWORD"]

Layers, from the top: `client.py` has the groups; `sets.py` and `groups.py` have one method for each call;
`caller.py` adds credential, retries and errors; `transport.py` sends bytes. Errors are the classes of `vault.errors`.
"""

from __future__ import annotations

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
from vault.client.transport import Authority, HttpsTransport, Request, Response, Transport, WsgiTransport
from vault.client.values import Values
from vault.client.watching import Changes, Watch

__all__ = [
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
