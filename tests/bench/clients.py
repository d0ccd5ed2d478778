"""Clients that make load: processes that each send requests over one TLS connection, the next one after each answer.

The connections are plain sockets, because a client library would need more processor time than the server.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 20.0
_RECEIVE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the authority that signed its certificate."""

    port: int
    ca_file: Path


@dataclass(frozen=True, slots=True)
class Count:
    """The number of answered requests, and the time they took, for all clients together."""

    requests: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Return the answers per second."""
        return self.requests / self.seconds


class Clients:
    """Client processes. Start them before the first thread of this process, because they are forked."""

    def __init__(self, number: int) -> None:
        fork = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(number):
            ours, theirs = fork.Pipe()
            process = fork.Process(target=_obey, args=(theirs, [*self._pipes, ours]), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def ask(self, address: Address, requests: Sequence[bytes], seconds: float, *, clients: int) -> Count:
        """Let `clients` of them send requests for `seconds`. Raises `RuntimeError` unless every answer is a success.

        One request is sent by all clients. If there are several, each client sends its own part of them, in turn.
        """
        shares = [requests if len(requests) == 1 else requests[number::clients] for number in range(clients)]
        counts = self._tell([("ask", address, share, seconds) for share in shares])
        # Add the rates, because clients end at different times: the sum of counts over the longest time would be too
        # low.
        rate = sum(requests / taken for requests, taken in counts)
        return Count(sum(requests for requests, _ in counts), sum(requests for requests, _ in counts) / rate)

    def time(self, address: Address, requests: Sequence[bytes], rounds: int) -> list[list[float]]:
        """Return how many seconds one client waits for each of `requests`, `rounds` times in turn. Any status is
        accepted.
        """
        times: list[list[float]] = self._tell([("time", address, requests, rounds)])[0]
        return times

    def fetch(self, address: Address, request: bytes) -> bytes:
        """Return the body of one answer."""
        body: bytes = self._tell([("fetch", address, request)])[0]
        return body

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()

    def _tell(self, orders: Sequence[tuple[Any, ...]]) -> list[Any]:
        used = self._pipes[: len(orders)]
        for pipe, order in zip(used, orders, strict=True):
            pipe.send(order)
        answers = [pipe.recv() for pipe in used]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def request(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    """Return the bytes of one HTTP/1.1 request, which can be sent many times."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Accept: application/json"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _obey(orders: Connection, inherited: Sequence[Connection]) -> None:
    # Close the parent's ends: `orders` must end when the parent dies.
    for pipe in inherited:
        pipe.close()
    # Ctrl-C reaches every process at a terminal, and the parent ends its clients itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError):
        _answer_all(orders)


def _answer_all(orders: Connection) -> None:
    line = _Line()
    work: dict[str, Callable[..., Any]] = {"ask": line.ask, "time": line.time, "fetch": line.fetch}
    while (order := orders.recv()) is not None:
        name, address, *arguments = order
        try:
            line.dial(address)
            orders.send(work[name](*arguments))
        except Exception as error:
            orders.send(RuntimeError(f"A client failed: {error!r}"))


class _Line:
    """One client's connection, and the orders that the client can carry out over it."""

    def __init__(self) -> None:
        self._address: Address | None = None
        self._socket: ssl.SSLSocket | None = None
        self._used_seconds = 0.0

    def dial(self, address: Address) -> None:
        # The server closes a connection that was silent for five seconds.
        fresh = time.monotonic() - self._used_seconds < 3
        if self._socket is not None:
            if fresh and address == self._address:
                return
            self._socket.close()
        plain = socket.create_connection(("127.0.0.1", address.port), _TIMEOUT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = ssl.create_default_context(cafile=str(address.ca_file))
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._address = address

    def ask(self, requests: Sequence[bytes], seconds: float) -> tuple[int, float]:
        started = time.perf_counter()
        count, end = 0, started + seconds
        while time.perf_counter() < end:
            status, body = self._exchange(requests[count % len(requests)])
            if not 200 <= status < 300:
                raise RuntimeError(f"The server answered {status}: {body[:300]!r}")
            count += 1
        return count, time.perf_counter() - started

    def time(self, requests: Sequence[bytes], rounds: int) -> list[list[float]]:
        times: list[list[float]] = [[] for _ in requests]
        for _ in range(rounds):
            for taken, text in zip(times, requests, strict=True):
                started = time.perf_counter()
                self._exchange(text)
                taken.append(time.perf_counter() - started)
        return times

    def fetch(self, text: bytes) -> bytes:
        status, body = self._exchange(text)
        if not 200 <= status < 300:
            raise RuntimeError(f"The server answered {status}: {body[:300]!r}")
        return body

    def _exchange(self, text: bytes) -> tuple[int, bytes]:
        assert self._socket is not None
        self._socket.sendall(text)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        start = received.index(b"content-length: ") + 16
        length = int(received[start : received.index(b"\r", start)])
        while len(received) < end + 4 + length:
            received += self._receive()
        self._used_seconds = time.monotonic()
        return int(received[9:12]), received[end + 4 :]

    def _receive(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise RuntimeError("The server closed the connection.")
        return data
