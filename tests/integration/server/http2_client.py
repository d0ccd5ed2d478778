"""A client that speaks HTTP/2 frame by frame, also what no decent client would say."""

from __future__ import annotations

from typing import Any

import h2.config
import h2.connection
import h2.events

from tests.integration.server.conftest import Raw, Reply
from tests.support.serving import RunningServer


class Http2:
    """A client connection with one stream at a time."""

    def __init__(self, server: RunningServer, *, source: str = "127.0.0.1") -> None:
        self.raw = Raw(server, alpn="h2", source=source)
        assert self.raw.protocol == "h2"
        # What a test sends on purpose would be refused by a client that validates it.
        config = h2.config.H2Configuration(
            client_side=True, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flush()

    def close(self) -> None:
        self.raw.close()

    def flush(self) -> None:
        self.raw.send(self.h2.data_to_send())

    def start(self, method: str, path: str, *fields: tuple[str, str], host: str | None = "localhost") -> int:
        """Send a header, leaving the body open."""
        stream: int = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":path", path)]
        pseudo += [(":authority", host)] if host is not None else []
        self.h2.send_headers(stream, [(name.encode(), value.encode()) for name, value in [*pseudo, *fields]])
        self.flush()
        return stream

    def send(self, stream: int, body: bytes, *, end: bool = True) -> None:
        """Send all of `body`, as fast as the server gives room for it."""
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if room:
                self.h2.send_data(stream, body[:room])
                self.flush()
                body = body[room:]
            else:
                self.events()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def reply(self, stream: int) -> Reply:
        """The answer on `stream`; raises `ConnectionResetError` when the server resets it."""
        headers: dict[str, str] = {}
        body = b""
        while True:
            for event in self.events():
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    headers = {name.decode(): value.decode() for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data or b""
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamReset):
                    raise ConnectionResetError
                elif isinstance(event, h2.events.StreamEnded):
                    self.flush()
                    return Reply(int(headers[":status"]), headers, body)

    def ask(self, method: str, path: str, *fields: tuple[str, str], body: bytes = b"") -> Reply:
        stream = self.start(method, path, *fields)
        self.send(stream, body)
        return self.reply(stream)

    def listen(self) -> None:
        """Read until the server closes the connection, which raises `ConnectionError`."""
        while True:
            self.events()

    def events(self) -> list[Any]:
        """What the next bytes from the server mean."""
        data = self.raw.socket.recv(65536)
        if not data:
            raise ConnectionError("The server has closed the connection.")
        events: list[Any] = self.h2.receive_data(data)
        self.flush()
        return events
