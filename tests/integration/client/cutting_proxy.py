"""A TCP proxy that cuts connections: before the server is asked, or when its answer is on the way."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from types import TracebackType


class CuttingProxy:
    """Hands bytes on between clients and `127.0.0.1:target_port`.

    `lose_answers(n)`: the next `n` times that the server has something to say, both connections are closed instead.
    By then it has done what it was asked. `refuse(n)`: the next `n` connections are closed at once.
    """

    def __init__(self, target_port: int) -> None:
        self.cuts = 0
        self._target_port = target_port
        self._answers_to_lose = 0
        self._to_refuse = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._going = True
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._going = False
        self._threads[0].join()
        self._listener.close()
        for thread in self._threads[1:]:
            thread.join()

    def lose_answers(self, count: int) -> None:
        """From now on; the clients have finished their handshakes."""
        with self._lock:
            self._answers_to_lose = count

    def refuse(self, count: int) -> None:
        """Close the next connections before a byte has passed."""
        with self._lock:
            self._to_refuse = count

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while self._going:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with self._lock:
                refused, self._to_refuse = self._to_refuse > 0, max(0, self._to_refuse - 1)
            if refused:
                self.cuts += 1
                client.close()
                continue
            self._threads.append(threading.Thread(target=self._serve, args=[client]))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server, contextlib.suppress(OSError):
            others = {client: server, server: client}
            asked = False
            while self._going:
                for ready in select.select([client, server], [], [], 0.1)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    asked |= ready is client
                    if ready is server and asked and self._takes_a_cut():
                        return
                    others[ready].sendall(data)

    def _takes_a_cut(self) -> bool:
        with self._lock:
            if self._answers_to_lose <= 0:
                return False
            self._answers_to_lose -= 1
            self.cuts += 1
            return True
