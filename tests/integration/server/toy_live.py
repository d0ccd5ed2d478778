"""The toy with calls that stay open. Each path does one thing."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Mapping

from flask import Flask

from tests.integration.server.toy import create_app, takes_password
from vault.asgi import DRAIN, LIVE_CALL, ASGIApp, Claims, LiveCall, Receive, Refusal, Scope, Send
from vault.server import websocket, worker

__all__ = ["claims", "create_app", "live_app", "takes_password"]

worker._UNACKNOWLEDGED_MILLISECONDS = int(
    os.environ.get("TOY_UNACKNOWLEDGED_MILLISECONDS", worker._UNACKNOWLEDGED_MILLISECONDS)
)
websocket.PING_SECONDS = float(os.environ.get("TOY_PING_SECONDS", websocket.PING_SECONDS))
websocket.SILENT_SECONDS = float(os.environ.get("TOY_SILENT_SECONDS", websocket.SILENT_SECONDS))

OPEN: set[str] = set()
"""The ids of the calls that are open."""

Serve = Callable[[LiveCall, Receive, Send], Awaitable[None]]


def live_app(_app: Flask) -> ASGIApp:
    """What serves the calls that stay open."""
    return _serve


def claims(_app: Flask) -> Claims:
    """Which calls those are."""

    def claim(method: str, path: str) -> str:
        return path if method == "GET" and path in SERVED else ""

    return claim


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    call: LiveCall = scope[LIVE_CALL]
    OPEN.add(call.request_id)
    try:
        await SERVED[scope["path"]](call, receive, send)
    finally:
        OPEN.discard(call.request_id)


async def _echo(_call: LiveCall, receive: Receive, send: Send) -> None:
    """Send every text back; close after a binary message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") is None:
            await send({"type": "websocket.close", "code": 1003})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


async def _mirror(call: LiveCall, receive: Receive, send: Send) -> None:
    """Send every message back as it is, for a suite of conformance tests."""
    call.prove("ada")
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def _proven(call: LiveCall, receive: Receive, send: Send) -> None:
    """The same for a caller who has proven who they are."""
    call.prove("ada")
    await _echo(call, receive, send)


async def _burst(_call: LiveCall, receive: Receive, send: Send) -> None:
    """Send 64 MiB to a client, whether it reads or not."""
    await receive()
    await send({"type": "websocket.accept"})
    for _ in range(16_384):
        await send({"type": "websocket.send", "text": "x" * 4096})


async def _stream(call: LiveCall, receive: Receive, send: Send) -> None:
    """Send a line at once, then wait for the end."""
    call.prove("ada")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"retry: 3000\n\n", "more_body": True})
    message = await receive()
    if message["type"] == DRAIN:
        hint = f"retry: {message['seconds'] * 1000:.0f}\n\n".encode()
        await send({"type": "http.response.body", "body": hint, "more_body": False})


async def _endless(call: LiveCall, _receive: Receive, send: Send) -> None:
    """Send a stream of 64 MiB."""
    call.prove("ada")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1024):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait(call: LiveCall, receive: Receive, send: Send) -> None:
    """Answer after a second, or when the server drains."""
    call.prove("ada")
    arriving = asyncio.ensure_future(receive())
    await asyncio.wait({arriving}, timeout=30.0)
    await _answer(send, {"drained": arriving.done() and arriving.result()["type"] == DRAIN})


async def _who(call: LiveCall, _receive: Receive, send: Send) -> None:
    """Tell what the call is known by."""
    thread = await call.run(lambda: threading.current_thread().name)
    about = {name: getattr(call, name) for name in ("address", "forwarded_by_stranger", "forwarded_by_proxy")}
    await _answer(send, about | {"thread": thread, "names": sorted(name.decode() for name in call.headers)})


async def _answer(send: Send, about: Mapping[str, object]) -> None:
    body = json.dumps(about).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _refuse(_call: LiveCall, _receive: Receive, _send: Send) -> None:
    raise Refusal(401, "not_authenticated", "Who are you?", cause="toy")


async def _says_goodbye(_call: LiveCall, receive: Receive, send: Send) -> None:
    """Send two messages, and return."""
    await receive()
    await send({"type": "websocket.accept"})
    for text in ("one", "two"):
        await send({"type": "websocket.send", "text": text})


async def _count_open(_call: LiveCall, _receive: Receive, send: Send) -> None:
    """Tell how many calls are open, this one included."""
    await _answer(send, {"open": len(OPEN)})


async def _undecided(_call: LiveCall, _receive: Receive, _send: Send) -> None:
    """Never answer the handshake."""
    await asyncio.sleep(3600.0)


async def _crash(_call: LiveCall, _receive: Receive, _send: Send) -> None:
    raise ValueError("canary-in-a-message")


async def _crash_later(_call: LiveCall, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    raise ValueError("canary-in-a-message")


async def _cut_short(_call: LiveCall, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def _say_nothing(_call: LiveCall, _receive: Receive, _send: Send) -> None:
    """Return without an answer."""


SERVED: dict[str, Serve] = {
    "/sync": _echo,
    "/mirror": _mirror,
    "/proven": _proven,
    "/burst": _burst,
    "/stream": _stream,
    "/endless": _endless,
    "/wait": _wait,
    "/who": _who,
    "/refuse": _refuse,
    "/says-goodbye": _says_goodbye,
    "/open-calls": _count_open,
    "/undecided": _undecided,
    "/crash-live": _crash,
    "/crash-later": _crash_later,
    "/cut-short": _cut_short,
    "/say-nothing": _say_nothing,
}
