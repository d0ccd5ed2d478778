"""Clients of the live feed that go on through every break, and remember each step from cursor to cursor.

Three ways, as docs/reference/live.md has them: `stream` (Server-Sent Events), `socket` (WebSocket), `poll` (long poll).
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlencode

from tests.support.feed_checker import Delivery
from tests.support.websocket_frames import CLOSE, PING, PONG, TEXT, FrameParser, handshake, masked, text

SILENCE_SECONDS = 65.0
_POLL_SECONDS = 10
_TEMPORARY = (429, 502, 503)
_TEMPORARY_CODES = (1001, 1006, 1011, 1012, 1013, 4413)
_TEMPORARY_ENDS = ("internal", "restarting", "slow", "unavailable")

Number = Callable[[str], int]
"""Opens a cursor and returns its number. Only a test that has the vault's keys can do so."""


class Broken(Exception):
    """The connection or the stream has ended, as it does when something dies. Resume."""


@dataclass(frozen=True)
class Client:
    """What a watcher connects with, and what it follows: `query` as in an address, `subscription` as in a message."""

    way: str
    secret: str = field(repr=False)
    query: dict[str, str]
    subscription: dict[str, Any]


class Watcher(threading.Thread):
    """One client. `deliveries` are its steps; `faults` is what it should never have met."""

    def __init__(self, name: str, client: Client, port: int, context: ssl.SSLContext, number: Number) -> None:
        super().__init__(name=name, daemon=True)
        self.client = client
        self.deliveries: list[Delivery] = []
        self.faults: list[str] = []
        self.breaks: Counter[str] = Counter()
        self.cursor = ""
        self.start_number = -1
        self._port = port
        self._context = context
        self._number = number
        self._reached = 0
        self._ends = threading.Event()
        self._close: Callable[[], None] = lambda: None

    @property
    def is_ready(self) -> bool:
        """Whether it has its first cursor."""
        return self.start_number >= 0

    def stop(self) -> None:
        """End it, also in the middle of a wait."""
        self._ends.set()
        with contextlib.suppress(OSError):
            self._close()
        self.join(30)

    def run(self) -> None:
        """Follow, and resume after each break, until `stop`."""
        follow = {"stream": self._stream, "socket": self._socket, "poll": self._poll}[self.client.way]
        while not self._ends.is_set() and not self.faults:
            try:
                follow()
            except (OSError, HTTPException, Broken) as error:
                self.breaks[type(error).__name__] += 1
                self._ends.wait(random.uniform(0.05, 0.5))
            except Exception as error:
                self.faults.append(f"{type(error).__name__}: {error}")

    # -- Steps --

    def _begin(self, cursor: str) -> None:
        """Take the place of a first answer. Later ones only say where this client is already."""
        if not self.is_ready:
            self.cursor = cursor
            self._reached = self._number(cursor)
            self.start_number = self._reached

    def _step(self, cursor: str, environments: list[str], *, is_stream: bool) -> None:
        high = self._number(cursor)
        # A message of a stream is about exactly one number.
        low = high - 1 if is_stream and environments else self._reached
        if environments or high < self._reached:
            self.deliveries.append(Delivery(low, high, tuple(environments)))
        self.cursor, self._reached = cursor, max(self._reached, high)

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "hello":
                if self.client.way == "stream":
                    self._begin(message["cursor"])
            case "change" | "gone":
                self._step(message["cursor"], [message["environment"]["id"]], is_stream=True)
            case "cursor":
                self._begin(message["cursor"])
                self._step(message["cursor"], [], is_stream=True)
            case "end":
                self._ended(message["code"] in _TEMPORARY_ENDS, f"end {message['code']}")
            case unknown:
                raise AssertionError(f"The type {unknown!r} is not in the page of the live feed.")

    def _ended(self, is_temporary: bool, word: str, detail: bytes = b"") -> None:
        if is_temporary:
            self.breaks[word] += 1
            raise Broken(word)
        raise AssertionError(f"The stream ended: {word} {detail!r}")

    # -- Server-Sent Events --

    def _stream(self) -> None:
        with self._connection(SILENCE_SECONDS) as connection:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.cursor} if self.cursor else {})
            answer = self._ask(connection, self.client.query, headers)
            data = ""
            while line := answer.readline(65536).decode():
                if line.startswith("data: "):
                    data = line[6:]
                elif line == "\n" and data:
                    self._take(json.loads(data))
                    data = ""
        raise Broken("end of stream")

    # -- Long poll --

    def _poll(self) -> None:
        with self._connection(_POLL_SECONDS + SILENCE_SECONDS) as connection:
            while not self._ends.is_set():
                after = {"after": self.cursor, "wait": str(_POLL_SECONDS)} if self.cursor else {}
                answer = json.loads(self._ask(connection, self.client.query | after, {}).read())
                self._begin(answer["cursor"])
                changed = [change["environment"]["id"] for change in answer["changes"]]
                self._step(answer["cursor"], changed, is_stream=False)

    @contextlib.contextmanager
    def _connection(self, timeout_seconds: float) -> Iterator[HTTPSConnection]:
        connection = HTTPSConnection("localhost", self._port, timeout=timeout_seconds, context=self._context)
        self._close = lambda: _shut(connection.sock)
        try:
            yield connection
        finally:
            connection.close()

    def _ask(self, connection: HTTPSConnection, query: dict[str, str], headers: dict[str, str]) -> HTTPResponse:
        headers = headers | {"Authorization": f"Bearer {self.client.secret}"}
        connection.request("GET", f"/api/v1/changes?{urlencode(query)}", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            self._ended(answer.status in _TEMPORARY, str(answer.status), answer.read(2000))
        return answer

    # -- WebSocket --

    def _socket(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self._port), SILENCE_SECONDS)
        with self._context.wrap_socket(plain, server_hostname="localhost") as wire:
            self._close = lambda: _shut(wire)
            wire.sendall(handshake("/api/v1/sync", self.client.secret))
            parser, received = FrameParser(), _head(wire)
            head, _, rest = received.partition(b"\r\n\r\n")
            status = int(head.split()[1])
            if status != 101:
                self._ended(status in _TEMPORARY, str(status), rest)
            while True:
                for frame in parser.feed(rest):
                    if frame.opcode == PING:
                        wire.sendall(masked(PONG, frame.payload))
                    elif frame.opcode == CLOSE:
                        self._ended(frame.code in _TEMPORARY_CODES, f"close {frame.code}", frame.payload[2:])
                    elif frame.opcode == TEXT:
                        self._heard(wire, frame.json())
                if not (rest := wire.recv(65536)):
                    raise Broken("closed")

    def _heard(self, wire: ssl.SSLSocket, message: dict[str, Any]) -> None:
        self._take(message)
        if message["type"] == "hello":
            # `hello` has the present, and a client that resumes says its own place. A `cursor` answers.
            after = {"after": self.cursor} if self.is_ready else {}
            wire.sendall(text({"type": "subscribe", **self.client.subscription, **after}))


def _head(wire: ssl.SSLSocket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (data := wire.recv(65536)):
            raise Broken("closed")
        received += data
    return received


def _shut(wire: socket.socket | None) -> None:
    if wire is not None:
        wire.shutdown(socket.SHUT_RDWR)


def wait_until_ready(watchers: list[Watcher], seconds: float) -> None:
    """Wait until each has its first cursor."""
    end = time.monotonic() + seconds
    while not all(watcher.is_ready for watcher in watchers):
        late = [watcher.name for watcher in watchers if not watcher.is_ready]
        assert time.monotonic() < end, f"These have no cursor: {late}"
        assert not any(watcher.faults for watcher in watchers), [watcher.faults for watcher in watchers]
        time.sleep(0.1)
