"""A provider as a device might be: opaque bytes, no context, slow and failing on demand. For tests only."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys import Capabilities

NONCE_BYTES = 12


@dataclass
class OpaqueProvider:
    """Keys in a dict. `failures` is how many calls in a row find nobody there; `before` runs in front of each call."""

    failures: int = 0
    before: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)
    name: str = "opaque"
    _keys: dict[str, bytes | None] = field(default_factory=dict, repr=False)
    _disabled: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def create_version(self) -> str:
        self._called("create_version")
        ref = f"slot/{uuid.uuid4()}"
        self._keys[ref] = secrets.token_bytes(32)
        return ref

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        self._called("wrap")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + ChaCha20Poly1305(self._usable(ref)).encrypt(nonce, key, None)

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        self._called("unwrap")
        cipher = ChaCha20Poly1305(self._usable(ref))
        try:
            return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            raise BlobError() from None

    def disable(self, ref: str) -> None:
        self._called("disable")
        self._living(ref)
        self._disabled.add(ref)

    def enable(self, ref: str) -> None:
        self._called("enable")
        self._living(ref)
        self._disabled.discard(ref)

    def destroy(self, ref: str) -> None:
        self._called("destroy")
        self._keys[ref] = None

    def probe(self) -> None:
        self._called("probe")

    def capabilities(self) -> Capabilities:
        return Capabilities(context=False, local=False)

    def _called(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)
            failing = self.failures > 0
            self.failures -= failing
        self.before()
        if failing:
            raise KeyProviderUnavailable()

    def _living(self, ref: str) -> bytes:
        key = self._keys.get(ref)
        if key is None:
            raise KeyProviderError("The device has no such key.")
        return key

    def _usable(self, ref: str) -> bytes:
        if ref in self._disabled:
            raise KeyProviderError("The device has disabled this key.")
        return self._living(ref)
