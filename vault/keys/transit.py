"""The `transit` provider: OpenBao's or HashiCorp Vault's Transit engine, one key for each master key version.

    create     POST keys/{ref}           derived, so that each context has a key of its own
    wrap       POST encrypt/{ref}        context, key_version 1 → "vault:v1:" ‖ base64
    unwrap     POST decrypt/{ref}
    disable    POST keys/{ref}/rotate, then minimum version 2 in keys/{ref}/config: Transit then refuses version 1
    destroy    POST keys/{ref}/config deletion_allowed, DELETE keys/{ref}

Our context is sent as Transit's `context`; its `associated_data` cannot be rewrapped. Only the part after "vault:v1:"
is stored, decoded: base64 has several spellings for the same bytes, so one flipped bit could go unnoticed.

The policy that the token needs (without `create` on encrypt, which would let a mistake make a new key):

    path "transit/keys/strongroom-*"    { capabilities = ["create", "read", "update", "delete"] }
    path "transit/encrypt/strongroom-*" { capabilities = ["update"] }
    path "transit/decrypt/strongroom-*" { capabilities = ["update"] }
"""

from __future__ import annotations

import base64
import http.client
import json
import queue
import re
import ssl
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable, SettingsError
from vault.keys.provider import ENABLE_IT, Capabilities, needed
from vault.model.json_types import Json, JsonObject
from vault.settings import Settings
from vault.sources import secret_in_file
from vault.tls import verifying_context

TIMEOUT_SECONDS = 2.0
"""The limit for connecting, and for each read. It is less than the guard's budget of 3 s."""

MAXIMUM_ANSWER_BYTES = 64 * 1024
MAXIMUM_WRAPPED_BYTES = 4096
KEPT_CONNECTIONS = 4
"""The number of the guard's threads."""

_PREFIX = "vault:v1:"
_REF = re.compile(r"strongroom-[0-9a-f-]{36}", re.ASCII)
_MOUNT = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", re.ASCII)
_TOO_EARLY = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses of a replica that lags behind, of a rate limit and of a standby. A retry may help."""


@dataclass(frozen=True)
class TransitAddress:
    """Where Transit is. `token` returns the current token; it is called again after a refusal."""

    url: str
    token: Callable[[], str]
    mount: str = "transit"
    namespace: str = ""
    ca_file: Path | None = None


class TransitProvider:
    """Master keys in a Transit engine. Thread-safe."""

    name = "transit"

    def __init__(self, place: TransitAddress) -> None:
        """Make no call yet. Raises `KeyProviderError` if `place` is not valid."""
        self._server = _Server(place)
        self._derived: set[str] = set()

    @classmethod
    def from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Return the provider that `STRONGROOM_TRANSIT_…` describes. Raises `KeyProviderError`."""
        del instance_id  # The names of Transit's keys are random.

        def token() -> str:
            if settings.transit_token_file is None:
                return needed(settings, "transit_token")
            try:
                return secret_in_file("STRONGROOM_TRANSIT_TOKEN_FILE", str(settings.transit_token_file))
            except SettingsError as error:
                # It is read again while the vault runs, and an agent may be writing it.
                raise KeyProviderError(error.message) from error

        return cls(
            TransitAddress(
                url=needed(settings, "transit_url"),
                token=token,
                mount=settings.transit_mount,
                namespace=settings.transit_namespace,
                ca_file=settings.transit_ca_file,
            )
        )

    def create_version(self) -> str:
        """Create a Transit key that can be neither exported nor backed up in plain text; return its name."""
        ref = f"strongroom-{uuid.uuid4()}"
        wanted: _Body = {"type": "aes256-gcm96", "derived": True, "exportable": False, "allow_plaintext_backup": False}
        self._server.ask("POST", f"keys/{ref}", wanted)
        return ref

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """Return Transit's ciphertext under a key that it derives for this context."""
        self._require_derived(ref)
        wanted: _Body = {"plaintext": _text(key), "context": _text(context), "key_version": 1}
        try:
            answer = self._server.ask("POST", f"encrypt/{ref}", wanted)
        except _Refused:
            raise self._why(ref) or _unexplained("encrypt under", ref) from None
        ciphertext = str(answer.get("ciphertext"))
        if not ciphertext.startswith(_PREFIX):
            raise KeyProviderError("Transit encrypted with a key version other than the first.")
        return _bytes(ciphertext.removeprefix(_PREFIX))

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo `wrap`. Raises `BlobError` for another version, another context or changed bytes."""
        if not 0 < len(wrapped) <= MAXIMUM_WRAPPED_BYTES:
            raise BlobError()
        wanted = {"ciphertext": _PREFIX + _text(wrapped), "context": _text(context)}
        try:
            answer = self._server.ask("POST", f"decrypt/{_checked(ref)}", wanted)
        except _Refused:
            # Transit uses status 400 for every error. Read the key's state to see whether the key or the bytes are
            # wrong.
            raise self._why(ref) or BlobError() from None
        return _bytes(answer.get("plaintext"))

    def disable(self, ref: str) -> None:
        """Make Transit refuse the key's first version. No other version is used."""
        if self._known(ref).get("latest_version") == 1:
            self._server.ask("POST", f"keys/{ref}/rotate", {})
        self._configure(ref, {"min_decryption_version": 2, "min_encryption_version": 2})

    def enable(self, ref: str) -> None:
        """Allow the first version again."""
        self._known(ref)
        self._configure(ref, {"min_decryption_version": 1, "min_encryption_version": 1})

    def destroy(self, ref: str) -> None:
        """Delete the Transit key. A snapshot of that server may still hold it."""
        self._derived.discard(ref)
        if self._read(ref) is None:
            return
        self._configure(ref, {"deletion_allowed": True})
        try:
            self._server.ask("DELETE", f"keys/{ref}")
        except _Refused:
            # Another process may have deleted it first.
            if self._read(ref) is not None:
                raise _unexplained("delete", ref) from None

    def probe(self) -> None:
        """Look the token up, which checks that the server is unsealed and accepts our token."""
        self._server.ask("GET", "auth/token/lookup-self", of_engine=False)

    def capabilities(self) -> Capabilities:
        """The derivation binds the context. The server is reached over the network."""
        return Capabilities(context=True, local=False)

    def _require_derived(self, ref: str) -> None:
        """Check once that the key exists: encrypting with a missing name would create a key if the policy allows it."""
        if ref not in self._derived:
            if not self._known(ref).get("derived"):
                raise KeyProviderError(f"The Transit key {ref} is not derived, so it cannot bind a context.")
            self._derived.add(ref)

    def _why(self, ref: str) -> KeyProviderError | None:
        found = self._read(ref)
        if found is None:
            self._derived.discard(ref)
            return _unknown(ref)
        if found.get("min_decryption_version", 1) != 1:
            return KeyProviderError(f"The Transit key {ref} is disabled. {ENABLE_IT}")
        return None

    def _known(self, ref: str) -> JsonObject:
        found = self._read(ref)
        if found is None:
            raise _unknown(ref)
        return found

    def _read(self, ref: str) -> JsonObject | None:
        try:
            return self._server.ask("GET", f"keys/{_checked(ref)}")
        except _Missing:
            return None

    def _configure(self, ref: str, wanted: _Body) -> None:
        try:
            self._server.ask("POST", f"keys/{ref}/config", wanted)
        except _Refused:
            raise self._why(ref) or _unexplained("configure", ref) from None


class _Refused(KeyProviderError):
    """Status 400, which Transit uses for every request that it cannot carry out."""

    sentence = "Transit refuses the request (400)."


class _Missing(KeyProviderError):
    """Status 404, for a missing key or a missing engine."""

    sentence = "There is no Transit engine at STRONGROOM_TRANSIT_MOUNT (404)."


_Body = Mapping[str, str | int]
_Idle = queue.LifoQueue[http.client.HTTPSConnection]


class _Server:
    """JSON over HTTPS, on connections that stay open."""

    def __init__(self, place: TransitAddress) -> None:
        parts = urlsplit(place.url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
            raise KeyProviderError(
                "STRONGROOM_TRANSIT_URL must be https://host:port. Keys are sent to it, so TLS is required."
            )
        if not _MOUNT.fullmatch(place.mount):
            raise KeyProviderError(
                "STRONGROOM_TRANSIT_MOUNT must be the path where the engine is mounted, for example transit."
            )
        if not _is_header(place.namespace or "none"):
            raise KeyProviderError("STRONGROOM_TRANSIT_NAMESPACE contains characters that a header cannot carry.")
        self._place = place
        self._host, self._port = parts.hostname, parts.port or 443
        self._tls = _tls_context(place.ca_file)
        self._token = self._read_token()
        self._idle: _Idle = queue.LifoQueue(KEPT_CONNECTIONS)
        weakref.finalize(self, _close, self._idle)

    def ask(self, method: str, path: str, body: _Body | None = None, *, of_engine: bool = True) -> JsonObject:
        """Return the answer's `data`. Raises `_Refused`, `_Missing`, `KeyProviderError`, `KeyProviderUnavailable`."""
        target = f"/v1/{self._place.mount}/{path}" if of_engine else f"/v1/{path}"
        status, content = self._send(method, target, body)
        if status == HTTPStatus.FORBIDDEN and self._renewed():
            status, content = self._send(method, target, body)
        _check(status)
        if not content:
            return {}
        try:
            return dict(json.loads(content).get("data") or {})
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise KeyProviderError("What answers at STRONGROOM_TRANSIT_URL is no Transit.") from None

    def _read_token(self) -> str:
        token = self._place.token()
        # `http.client` would quote an invalid token in its own error.
        if not _is_header(token):
            raise KeyProviderError(
                "STRONGROOM_TRANSIT_TOKEN_FILE (or STRONGROOM_TRANSIT_TOKEN) does not contain a valid token."
            )
        return token

    def _renewed(self) -> bool:
        """Report whether there is a new token: agents write one into the file before the old one expires."""
        before, self._token = self._token, self._read_token()
        return before != self._token

    def _send(self, method: str, target: str, body: _Body | None) -> tuple[int, bytes]:
        """Return status and content. The server may have closed an idle connection, so retry once on a new one."""
        connection = self._kept()
        if connection is not None:
            try:
                return self._exchange(connection, method, target, body)
            except TimeoutError:
                connection.close()
                raise KeyProviderUnavailable() from None
            except (OSError, http.client.HTTPException):
                connection.close()
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._tls)
        try:
            return self._exchange(connection, method, target, body)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise KeyProviderError(
                f"The certificate at STRONGROOM_TRANSIT_URL is not trusted ({error.verify_message}). "
                "Set STRONGROOM_TRANSIT_CA_FILE to the certificate of its authority."
            ) from None
        except (OSError, http.client.HTTPException):
            connection.close()
            raise KeyProviderUnavailable() from None

    def _exchange(
        self, connection: http.client.HTTPSConnection, method: str, target: str, body: _Body | None
    ) -> tuple[int, bytes]:
        headers = {"X-Vault-Token": self._token, "X-Vault-Request": "true", "Content-Type": "application/json"}
        if self._place.namespace:
            headers["X-Vault-Namespace"] = self._place.namespace
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read(MAXIMUM_ANSWER_BYTES + 1)
        if len(content) > MAXIMUM_ANSWER_BYTES:
            raise http.client.HTTPException("The answer is too long.")
        if answer.will_close:
            connection.close()
        else:
            self._keep(connection)
        return answer.status, content

    def _kept(self) -> http.client.HTTPSConnection | None:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return None

    def _keep(self, connection: http.client.HTTPSConnection) -> None:
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()


def _close(idle: _Idle) -> None:
    while not idle.empty():
        idle.get().close()


def _check(status: int) -> None:
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status in _TOO_EARLY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise KeyProviderUnavailable()
    if status == HTTPStatus.NOT_FOUND:
        raise _Missing()
    if status == HTTPStatus.BAD_REQUEST:
        raise _Refused()
    if status == HTTPStatus.FORBIDDEN:
        raise KeyProviderError("Transit denies the call (403). Renew the token, or allow the call in its policy.")
    raise KeyProviderError(
        f"Transit answered {status}: STRONGROOM_TRANSIT_URL must be the address of an active server."
    )


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return verifying_context(ca_file)
    except OSError as error:
        raise KeyProviderError(f"STRONGROOM_TRANSIT_CA_FILE, {ca_file}, cannot be used: {error}.") from error


def _is_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _checked(ref: str) -> str:
    if not _REF.fullmatch(ref):
        raise _unknown(ref)
    return ref


def _unknown(ref: str) -> KeyProviderError:
    return KeyProviderError(
        f"Transit has no master key version {ref}. Check STRONGROOM_TRANSIT_MOUNT and STRONGROOM_TRANSIT_NAMESPACE."
    )


def _unexplained(action: str, ref: str) -> KeyProviderError:
    return KeyProviderError(f"Transit refuses to {action} {ref}. Its log may say why.")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: Json) -> bytes:
    try:
        return base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except ValueError:
        # `from None`: the answer may be key material.
        raise KeyProviderError("What answers at STRONGROOM_TRANSIT_URL is no Transit.") from None
