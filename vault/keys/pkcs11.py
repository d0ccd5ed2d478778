"""The `pkcs11` provider: one AES-256 key in a token (an HSM, or SoftHSM2) for each master version.

    ref      a UUID, the key's CKA_ID; the key is sensitive and cannot be extracted
    wrapped  nonce (12) ‖ AES-256-GCM by the token, always with associated data: ours in front, then the context

What was found by trying it:

- `python-pkcs11` initialises the module with no arguments, which promises it one thread at a time. So calls take a
  lock, and one session is kept open: a second could not be used at the same time. Workers run side by side.
- A session does not outlive a fork: a child initialises the module anew.
- Associated data that does not match is a bare GeneralError, as is a broken device: a canary tells them apart.
- A wrong PIN, tried often enough, locks the token for good: one that was refused is not tried again.

`python-pkcs11` comes with `pip install 'strongroom[pkcs11]'` and is imported only when this provider is chosen.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
from pkcs11.exceptions import (
    AttributeReadOnly,
    MultipleTokensReturned,
    NoSuchKey,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from pkcs11.mechanisms import GCMParams
from pkcs11.types import DecryptMixin, EncryptMixin

from vault.crypto.key import KEY_BYTES
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys.provider import Capabilities

NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES

_ASSOCIATED = b"SRM1 pkcs11 "
"""In front of each context, so that there is associated data even where a context is empty."""

_PIN_REFUSED = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)

RESTART_TRIES = 5
RESTART_PAUSE_SECONDS = 0.1
"""SoftHSM2 2.6 fails, or finds no token, about once in ten where another process initialises it at the same moment."""

Answer = TypeVar("Answer")


class Pkcs11Provider:
    """Master keys in a token. Thread-safe, and safe to use on both sides of a fork."""

    name = "pkcs11"

    def __init__(
        self,
        module: Path | str,
        token: str,
        pin: str,
        instance_id: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`module` is the device's shared library, `token` the token's label. Asks nobody yet."""
        self._path = str(module)
        self._token = token
        self._pin = pin
        self._instance_id = instance_id
        self._held: _Held | None = None
        self._refused = ""
        self._chance = chance

    def create_version(self) -> str:
        """A new key in the token, which it never leaves."""
        id = uuid.uuid4()

        def generate(session: pkcs11.Session) -> str:
            session.generate_key(
                KeyType.AES,
                KEY_BYTES * 8,
                id=id.bytes,
                label=f"strongroom {self._instance_id} {id}",
                store=True,
                capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: True},
            )
            return str(id)

        return self._with_session(generate)

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """C_Encrypt under the version's key, bound to the context."""
        return self._with_key(ref, lambda found: _encrypt(found, key, context))

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """The inverse. Raises `BlobError` on another version, another context or changed bytes."""

        def decrypt(found: Any) -> bytes:
            if len(wrapped) != WRAPPED_BYTES:
                raise BlobError()
            try:
                return _decrypt(found, wrapped, context)
            except PKCS11Error:
                _prove(found)
                raise BlobError() from None

        return self._with_key(ref, decrypt)

    def disable(self, ref: str) -> None:
        """Take CKA_ENCRYPT and CKA_DECRYPT from the key."""
        self._with_key(ref, lambda found: _allow(found, False), enabled=False)

    def enable(self, ref: str) -> None:
        """Give them back."""
        self._with_key(ref, lambda found: _allow(found, True), enabled=False)

    def destroy(self, ref: str) -> None:
        """C_DestroyObject. A backup of the token may still hold the key."""

        def destroy(session: pkcs11.Session) -> None:
            with suppress(NoSuchKey):
                _find(session, ref).destroy()

        self._with_session(destroy)

    def probe(self) -> None:
        """Log in where that was not done yet, and have the token make a random byte."""
        self._with_session(lambda session: session.generate_random(8))

    def capabilities(self) -> Capabilities:
        """GCM binds contexts; a device may be a network away, and slow."""
        return Capabilities(context=True, local=False)

    def _with_key(self, ref: str, act: Callable[[Any], Answer], *, enabled: bool = True) -> Answer:
        def find_and_act(session: pkcs11.Session) -> Answer:
            try:
                found = _find(session, ref)
            except NoSuchKey:
                # A token that was pulled out answers that it has no such key, too.
                self._find_token(_module(self._path))
                raise KeyProviderError(f"The token {self._token} has no master key version {ref}.") from None
            # The library gives a key these methods by the attributes that it has just read.
            if enabled and not (isinstance(found, EncryptMixin) and isinstance(found, DecryptMixin)):
                raise KeyProviderError(f"The master key version {ref} is disabled in the token {self._token}.")
            return act(found)

        return self._with_session(find_and_act)

    def _with_session(self, act: Callable[[pkcs11.Session], Answer]) -> Answer:
        """`act` with the open session, which is given up after any trouble: the next call opens another."""
        module = _module(self._path)
        with module.lock:
            try:
                return act(self._logged_in(module))
            except KeyProviderUnavailable:
                self._held = None
                raise
            except PKCS11Error as error:
                self._held = None
                raise KeyProviderUnavailable(
                    f"The token {self._token} does not do what it is asked ({_reason(error)})."
                ) from error

    def _logged_in(self, module: _Module) -> pkcs11.Session:
        held = self._held
        if held is not None and held.module is module and held.generation == module.generation:
            return held.session
        if self._refused:
            raise KeyProviderError(self._refused)
        session = self._log_in(self._find_token_anew(module))
        self._held = _Held(session, module, module.generation)
        return session

    def _log_in(self, token: pkcs11.Token) -> pkcs11.Session:
        if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
            raise self._refuse("has one try for its PIN left, which is not risked. Log in by the device's own tool")
        try:
            return token.open(rw=True, user_pin=self._pin)
        except UserAlreadyLoggedIn:
            return token.open(rw=True)
        except _PIN_REFUSED as error:
            raise self._refuse(
                f"refuses the PIN ({_reason(error)}). Put the right one into STRONGROOM_PKCS11_PIN_FILE"
            ) from None

    def _refuse(self, why: str) -> KeyProviderError:
        self._refused = f"The token {self._token} {why}, then restart: trying again would lock the token."
        return KeyProviderError(self._refused)

    def _find_token(self, module: _Module) -> pkcs11.Token:
        try:
            return _token(module, self._token)
        except PKCS11Error as error:
            raise self._not_there(error) from error

    def _find_token_anew(self, module: _Module) -> pkcs11.Token:
        """As `_find_token`, after a restart of the module, which several processes at once disturb each other in."""
        for attempt in range(RESTART_TRIES):
            try:
                module.restart()
                return _token(module, self._token)
            except PKCS11Error as error:
                if attempt + 1 == RESTART_TRIES:
                    raise self._not_there(error) from error
            time.sleep(self._chance() * RESTART_PAUSE_SECONDS)
        raise AssertionError("The last try returns or raises.")

    def _not_there(self, error: PKCS11Error) -> KeyProviderUnavailable:
        return KeyProviderUnavailable(
            f"The token {self._token} is not there ({_reason(error)}): it was removed, or STRONGROOM_PKCS11_TOKEN "
            "names another."
        )


@dataclass
class _Module:
    """A device's shared library, loaded into this process."""

    library: Any
    used: bool = False
    generation: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def restart(self) -> None:
        """Initialise it anew where it was used before: it looks for tokens again, and forgets every session."""
        if self.used:
            self.generation += 1
            with suppress(PKCS11Error):
                self.library.finalize()
            self.library.initialize()
        self.used = True


@dataclass(frozen=True)
class _Held:
    """An open session, and which life of its module it belongs to."""

    session: pkcs11.Session
    module: _Module
    generation: int


_modules: dict[str, _Module] = {}
_loading = threading.Lock()


def _module(path: str) -> _Module:
    with _loading:
        if path not in _modules:
            try:
                _modules[path] = _Module(pkcs11.lib(path))
            except PKCS11Error as error:
                if type(error) is not PKCS11Error:
                    raise KeyProviderUnavailable(
                        f"The PKCS#11 module {path} does not start ({_reason(error)})."
                    ) from error
                raise KeyProviderError(
                    f"The PKCS#11 module {path} cannot be loaded ({_reason(error)}). STRONGROOM_PKCS11_MODULE is the "
                    "path of the device's shared library."
                ) from error
        return _modules[path]


def _after_fork() -> None:
    """A child has the parent's memory and none of its sessions; a lock may be held by a thread that it has not."""
    global _loading
    _loading = threading.Lock()
    for path, module in _modules.items():
        _modules[path] = _Module(module.library, used=True)


os.register_at_fork(after_in_child=_after_fork)


def _token(module: _Module, label: str) -> pkcs11.Token:
    try:
        token: pkcs11.Token = module.library.get_token(token_label=label)
    except MultipleTokensReturned:
        raise KeyProviderError(f"Several tokens are labelled {label}: rename one of them.") from None
    return token


def _find(session: pkcs11.Session, ref: str) -> Any:
    try:
        id = uuid.UUID(ref)
    except ValueError:
        raise KeyProviderError(f"{ref!r} names no key in a token: it is not a UUID.") from None
    return session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, id=id.bytes)


def _encrypt(found: Any, key: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    parameters = GCMParams(nonce, _ASSOCIATED + context, TAG_BYTES * 8)
    sealed: bytes = found.encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    return nonce + sealed


def _decrypt(found: Any, wrapped: bytes, context: bytes) -> bytes:
    parameters = GCMParams(wrapped[:NONCE_BYTES], _ASSOCIATED + context, TAG_BYTES * 8)
    opened: bytes = found.decrypt(wrapped[NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
    return opened


def _prove(found: Any) -> None:
    """A canary: return where the device is well, so that it was the bytes. Raises `PKCS11Error` where it is not."""
    canary = secrets.token_bytes(KEY_BYTES)
    if _decrypt(found, _encrypt(found, canary, b"canary"), b"canary") != canary:
        raise KeyProviderUnavailable()


def _allow(found: Any, allowed: bool) -> None:
    try:
        found[Attribute.ENCRYPT] = allowed
        found[Attribute.DECRYPT] = allowed
    except AttributeReadOnly:
        raise KeyProviderError("This device does not let a key be disabled or enabled.") from None


def _reason(error: PKCS11Error) -> str:
    return str(error) if type(error) is PKCS11Error else type(error).__name__
