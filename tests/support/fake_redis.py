"""Fakes of Redis, for answers that a real one never gives."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from types import TracebackType
from typing import Self


class FakeRedis:
    """A server on a free port. It answers every command with OK, but for one, which a subclass answers."""

    def __init__(self, command: bytes) -> None:
        self._command = command
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0?protocol=2"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        raise NotImplementedError


def _say_ok(connected: socket.socket, received: bytes) -> None:
    connected.sendall(b"+OK\r\n" * len(re.findall(rb"^\*\d", received, re.MULTILINE)))


class Dripping(FakeRedis):
    """It answers the command in small pieces, without an end."""

    def __init__(self, command: bytes) -> None:
        super().__init__(command)
        self.ended = threading.Event()
        self.was_given_up = False

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connected, _ = self._listener.accept()
            with connected:
                while self._command not in (received := connected.recv(65536)):
                    _say_ok(connected, received)
                connected.sendall(b"$1000\r\n")
                try:
                    for _ in range(200):
                        time.sleep(0.1)
                        connected.sendall(b"x")
                except OSError:
                    self.was_given_up = True
        self.ended.set()


class Answering(FakeRedis):
    """It answers the command with the same bytes each time, and the handshake as Redis does."""

    def __init__(self, command: bytes, answer: bytes) -> None:
        super().__init__(command)
        self._answer = answer
        self.sent = self.connections = 0
        self.received = b""

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                self.connections += 1
                with contextlib.suppress(OSError), connected:
                    self._answer_all(connected)

    def _answer_all(self, connected: socket.socket) -> None:
        while received := connected.recv(65536):
            self.received += received
            if b"HELLO" in received:
                connected.sendall(b"%1\r\n$5\r\nproto\r\n:3\r\n")
            elif self._command in received:
                self.sent = 0
                for start in range(0, len(self._answer), 65536):
                    self.sent += connected.send(self._answer[start : start + 65536])
            else:
                _say_ok(connected, received)
