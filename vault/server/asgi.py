"""The types of ASGI (https://asgi.readthedocs.io), as the server and the door use them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# In ASGI each member has its own type, and each kind of scope and message its own members.
Scope = MutableMapping[str, Any]  # type: ignore[explicit-any]  # as ASGI's own definition
Message = MutableMapping[str, Any]  # type: ignore[explicit-any]  # as ASGI's own definition
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
