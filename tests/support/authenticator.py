"""A passkey device in software. It creates credentials and signs as WebAuthn level 3 requires, or wrongly on request.

device = Authenticator()
credential = device.create(options, origin)      # what navigator.credentials.create gives, as JSON
assertion = device.get(options, origin)          # what navigator.credentials.get gives, as JSON
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "https://localhost:8443"

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_AAGUID = bytes(16)


@dataclass
class Authenticator:
    """One device with one credential. A `counter` of 0 stays 0, as with passkeys that several devices share."""

    counter: int = 1
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: Mapping[str, Any], origin: str = ORIGIN, **wrong: Any) -> dict[str, Any]:
        """Create a credential with attestation "none". `wrong` overrides its members."""
        self.user_handle = decoded(options["user"]["id"])
        data = self._data(wrong.get("rp_id", options["rp"]["id"]), _PRESENT | _VERIFIED | _ATTESTED)
        data += _AAGUID + len(self.id).to_bytes(2, "big") + self.id + self._public_key()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client("webauthn.create", options, origin, wrong)
        return self._credential({"clientDataJSON": encoded(client), "attestationObject": encoded(attestation)})

    def get(
        self, options: Mapping[str, Any], origin: str = ORIGIN, *, verified: bool = True, **wrong: Any
    ) -> dict[str, Any]:
        """Return a signed answer to a challenge. `verified` means that the device verified the person."""
        if self.counter:
            self.counter += 1
        data = self._data(wrong.get("rp_id", options["rpId"]), _PRESENT | (_VERIFIED if verified else 0))
        client = _client("webauthn.get", options, origin, wrong)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": encoded(client),
            "authenticatorData": encoded(data),
            "signature": encoded(wrong.get("signature", signature)),
            "userHandle": encoded(wrong.get("user_handle", self.user_handle)),
        }
        return self._credential({name: text for name, text in response.items() if text})

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        # Browsers send these members too. The server does not use them.
        more = {"authenticatorAttachment": "platform", "clientExtensionResults": {}}
        return {"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key", "response": response, **more}

    def _data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _public_key(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        # COSE (RFC 9053): an EC2 key for ES256 on P-256.
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})


def encoded(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Decode what `encoded` returns."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _client(kind: str, options: Mapping[str, Any], origin: str, wrong: Mapping[str, Any]) -> bytes:
    challenge = wrong.get("challenge", options["challenge"])
    facts = {"type": wrong.get("type", kind), "challenge": challenge, "origin": origin}
    return json.dumps({**facts, "crossOrigin": wrong.get("cross_origin", False)}).encode()
