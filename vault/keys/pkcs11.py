"""The `pkcs11` provider: one AES-256 key in a token (an HSM, or SoftHSM2) for each master key version.

    ref      a UUID, the key's CKA_ID; the key is sensitive and cannot be extracted
    wrapped  nonce (12) ‖ AES-256-GCM by the token. The associated data is a fixed prefix and then the context

Found by experiment:

- `python-pkcs11` initialises the module with no arguments, which promises it one thread at a time. So calls take a
  lock and share one open session: a second one could not be used at the same time. Workers run in parallel.
- A session does not survive a fork. A child process initialises the module again.
- Wrong associated data gives a bare GeneralError, and so does a broken device. A test encryption tells them apart.
- Several tries with a wrong PIN lock the token for good, so a refused PIN is not tried again.

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
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, cast

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
from pkcs11.types import DecryptMixin, EncryptMixin, Key

from vault.crypto.key import KEY_BYTES
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys.provider import ENABLE_IT, Capabilities, needed
from vault.settings import Settings

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib

NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES

_ASSOCIATED = b"SRM1 pkcs11 "
"""A prefix of each context, so that the associated data is never empty."""

_PIN_REFUSED = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)

RESTART_TRIES = 5
RESTART_PAUSE_SECONDS = 0.1
"""SoftHSM2 2.6 fails, or finds no token, about once in ten times if another process initialises it at the same moment.
"""

Answer = TypeVar("Answer")


class _EnabledKey(Protocol):
    """A key of the token that may encrypt and decrypt. The library's own types do not cover the arguments."""

    def encrypt(self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams) -> bytes:
        """Call C_Encrypt."""

    def decrypt(self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams) -> bytes:
        """Call C_Decrypt."""


class Pkcs11Provider:
    """Master keys in a token. Thread-safe, and usable before and after a fork."""

    name = "pkcs11"

    def __init__(
        self,
        module: Path | str,
        token: str,
        pin: str,
        instance_id: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`module` is the device's shared library, `token` the token's label. Does not open the device yet."""
        self._path = str(module)
        self._token = token
        self._pin = pin
        self._instance_id = instance_id
        self._held: _Held | None = None
        self._refused = ""
        self._chance = chance

    @classmethod
    def from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Return the provider that `STRONGROOM_PKCS11_…` describes. Raises `KeyProviderError`."""
        module = needed(settings, "pkcs11_module")
        return cls(module, needed(settings, "pkcs11_token"), needed(settings, "pkcs11_pin"), instance_id)

    def create_version(self) -> str:
        """Create a key in the token. It never leaves the token."""
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
        """Call C_Encrypt with the version's key, bound to the context."""
        return self._with_key(ref, lambda found: _encrypt(found, key, context))

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo `wrap`. Raises `BlobError` for another version, another context or changed bytes."""

        def decrypt(found: _EnabledKey) -> bytes:
            if len(wrapped) != WRAPPED_BYTES:
                raise BlobError()
            try:
                return _decrypt(found, wrapped, context)
            except PKCS11Error:
                _prove(found)
                raise BlobError() from None

        return self._with_key(ref, decrypt)

    def disable(self, ref: str) -> None:
        """Clear CKA_ENCRYPT and CKA_DECRYPT of the key."""
        self._with_session(lambda session: _allow(self._found(session, ref), False))

    def enable(self, ref: str) -> None:
        """Set both attributes again."""
        self._with_session(lambda session: _allow(self._found(session, ref), True))

    def destroy(self, ref: str) -> None:
        """Call C_DestroyObject. A backup of the token may still have the key."""

        def destroy(session: pkcs11.Session) -> None:
            with suppress(NoSuchKey):
                _find(session, ref).destroy()

        self._with_session(destroy)

    def probe(self) -> None:
        """Log in if necessary, and ask the token for a random byte."""
        self._with_session(lambda session: session.generate_random(8))

    def capabilities(self) -> Capabilities:
        """GCM binds contexts. A device may be slow, or reached over a network."""
        return Capabilities(context=True, local=False)

    def _with_key(self, ref: str, act: Callable[[_EnabledKey], Answer]) -> Answer:
        def find_and_act(session: pkcs11.Session) -> Answer:
            found = self._found(session, ref)
            # The library decides by the key's attributes which of these mixins it has.
            if not (isinstance(found, EncryptMixin) and isinstance(found, DecryptMixin)):
                raise KeyProviderError(
                    f"The master key version {ref} is disabled in the token {self._token}. {ENABLE_IT}"
                )
            return act(cast(_EnabledKey, found))

        return self._with_session(find_and_act)

    def _found(self, session: pkcs11.Session, ref: str) -> Key:
        try:
            return _find(session, ref)
        except NoSuchKey:
            # A removed token gives the same error, so check whether the token is there. If not, this raises.
            self._find_token(_module(self._path))
            raise KeyProviderError(
                f"The token {self._token} has no master key version {ref}. "
                "Does STRONGROOM_PKCS11_TOKEN name the right token?"
            ) from None

    def _with_session(self, act: Callable[[pkcs11.Session], Answer]) -> Answer:
        """Call `act` with the open session. After any error the session is dropped, and the next call opens another."""
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
                    f"The token {self._token} refuses the operation ({_reason(error)})."
                ) from error

    def _logged_in(self, module: _Module) -> pkcs11.Session:
        held = self._held
        if held is not None and held.module is module and held.restarts == module.restarts:
            return held.session
        if self._refused:
            raise KeyProviderError(self._refused)
        session = self._log_in(self._find_token_anew(module))
        self._held = _Held(session, module, module.restarts)
        return session

    def _log_in(self, token: pkcs11.Token) -> pkcs11.Session:
        if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
            raise self._refuse("allows only one more PIN attempt. Log in with the device's own tool")
        try:
            return token.open(rw=True, user_pin=self._pin)
        except UserAlreadyLoggedIn:
            return token.open(rw=True)
        except _PIN_REFUSED as error:
            raise self._refuse(
                f"refuses the PIN ({_reason(error)}). Put the right PIN into STRONGROOM_PKCS11_PIN_FILE"
            ) from None

    def _refuse(self, why: str) -> KeyProviderError:
        self._refused = (
            f"The token {self._token} {why}, then restart Strongroom. Another attempt now could lock the token."
        )
        return KeyProviderError(self._refused)

    def _find_token(self, module: _Module) -> pkcs11.Token:
        try:
            return _token(module, self._token)
        except PKCS11Error as error:
            raise self._not_there(error) from error

    def _find_token_anew(self, module: _Module) -> pkcs11.Token:
        """Like `_find_token`, after a restart of the module. Retry: several processes that restart at once disturb each
        other.
        """
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
    """A device's shared library that is loaded into this process."""

    library: lib
    used: bool = False
    restarts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def restart(self) -> None:
        """Initialise the module again if it was used. It then looks for tokens again and forgets every session."""
        if self.used:
            self.restarts += 1
            with suppress(PKCS11Error):
                self.library.finalize()
            self.library.initialize()
        self.used = True


@dataclass(frozen=True)
class _Held:
    """An open session, and how often its module had restarted before."""

    session: pkcs11.Session
    module: _Module
    restarts: int


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
    """A child has the parent's memory but none of its sessions. A thread that it does not have may hold a lock."""
    global _loading
    _loading = threading.Lock()
    for path, module in _modules.items():
        _modules[path] = _Module(module.library, used=True)


os.register_at_fork(after_in_child=_after_fork)


def _token(module: _Module, label: str) -> pkcs11.Token:
    try:
        return module.library.get_token(token_label=label)
    except MultipleTokensReturned:
        raise KeyProviderError(f"Several tokens are labelled {label}: rename one of them.") from None


def _find(session: pkcs11.Session, ref: str) -> Key:
    try:
        id = uuid.UUID(ref)
    except ValueError:
        raise KeyProviderError(f"{ref!r} cannot be a key in a token, because it is not a UUID.") from None
    return session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, id=id.bytes)


def _encrypt(found: _EnabledKey, key: bytes, context: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    parameters = GCMParams(nonce, _ASSOCIATED + context, TAG_BYTES * 8)
    return nonce + found.encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)


def _decrypt(found: _EnabledKey, wrapped: bytes, context: bytes) -> bytes:
    parameters = GCMParams(wrapped[:NONCE_BYTES], _ASSOCIATED + context, TAG_BYTES * 8)
    return found.decrypt(wrapped[NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters)


def _prove(found: _EnabledKey) -> None:
    """Encrypt and decrypt test bytes.

    Returns if the device works, so the given bytes were wrong. Raises `PKCS11Error` if the device fails.
    """
    canary = secrets.token_bytes(KEY_BYTES)
    if _decrypt(found, _encrypt(found, canary, b"canary"), b"canary") != canary:
        raise KeyProviderUnavailable()


def _allow(found: Key, allowed: bool) -> None:
    try:
        found[Attribute.ENCRYPT] = allowed
        found[Attribute.DECRYPT] = allowed
    except AttributeReadOnly:
        raise KeyProviderError("This device cannot disable or enable a key.") from None


def _reason(error: PKCS11Error) -> str:
    return str(error) if type(error) is PKCS11Error else type(error).__name__
