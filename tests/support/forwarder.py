"""An address that leads to one server now and to another later, as in front of a primary and its standbys."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Forwarder:
    """Hands bytes on between clients and the port of this machine that it leads to.

    A connection stays with the server that it was opened to, also after `lead_to`, until it ends or is `cut`.
    """

    def __init__(self, port: int) -> None:
        self._leads_to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._going = True
        self._clients: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Forwarder:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._going = False
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def lead_to(self, port: int) -> None:
        """Open all later connections to this port."""
        self._leads_to = port

    def cut(self) -> int:
        """End all connections in the middle of what they carry, and return how many there were."""
        clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        return len(clients)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while self._going:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=[client]))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        # A server that is down ends the client's connection too.
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._leads_to)) as server:
            self._clients.add(client)
            try:
                self._hand_on(client, server)
            finally:
                self._clients.discard(client)

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        others = {client: server, server: client}
        while self._going:
            for ready in select.select([client, server], [], [], 0.1)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                others[ready].sendall(data)
