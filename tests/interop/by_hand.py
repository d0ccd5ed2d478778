"""Requests byte for byte as another maker's client sends them: over real TLS, and without a client library."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from tests.interop.conftest import Place


class ByHand:
    """One connection that sends exactly the given headers and body, and follows no redirect.

    `headers` go with every call; names take `_` for `-`.
    """

    def __init__(self, place: Place, **headers: str) -> None:
        self._headers = headers
        host = place.url.removeprefix("https://")
        self.connection = http.client.HTTPSConnection(
            host, context=ssl.create_default_context(cafile=str(place.ca_file)), timeout=10
        )

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Make one call below `/v1/`, and return the status and the JSON of the answer."""
        self.connection.putrequest(method, f"/v1/{path}")
        data = b"" if body is None else json.dumps(body).encode()
        for name, value in {**self._headers, **headers}.items():
            self.connection.putheader(name.replace("_", "-"), value)
        if data:
            self.connection.putheader("Content-Length", str(len(data)))
        self.connection.endheaders(data or None)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
