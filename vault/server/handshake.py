"""The opening handshake of a WebSocket (RFC 6455, 4.2.1): the checks before anybody is asked who calls."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from vault.asgi import Refusal, Scope
from vault.errors import InvalidInput
from vault.server.refusal import bad_request

_VERSION = b"13"
_KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def check_handshake(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Raise `Refusal` for a handshake that this server cannot answer.

    The fields of a name are joined, so a field that is repeated is refused.
    """
    if headers.get(b"sec-websocket-version", b"") != _VERSION:
        raise Refusal(
            426, InvalidInput.code, "This server speaks version 13 of the WebSocket protocol.",
            cause="websocket_version", headers=((b"sec-websocket-version", _VERSION),),
        )  # fmt: skip
    if scope["http_version"] != "1.1":
        raise bad_request("A WebSocket needs HTTP/1.1.", cause="websocket_handshake")
    if not _is_key(headers.get(b"sec-websocket-key", b"")):
        raise bad_request("Sec-WebSocket-Key must be 16 bytes in Base64, once.", cause="websocket_handshake")
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        # Its bytes could be read as frames.
        raise bad_request("The handshake of a WebSocket has no body.", cause="websocket_handshake")


def accept_key(key: bytes) -> bytes:
    """Return the value of Sec-WebSocket-Accept for the client's key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def _is_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
