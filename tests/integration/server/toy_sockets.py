"""The toy with WebSockets: every message comes back."""

from __future__ import annotations

from flask import Flask

from tests.integration.server.toy import create_app
from vault.server.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["create_app", "websocket_app"]


def websocket_app(_app: Flask) -> ASGIApp:
    """What serves the sockets of this toy."""
    return _echo


async def _echo(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
