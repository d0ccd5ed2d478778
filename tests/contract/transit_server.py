"""A small server that follows Transit's documented answers, over real TLS. It is a fake, for tests only.

What is taken from the documentation (openbao.org and developer.hashicorp.com, "Transit secrets engine (API)"): paths,
bodies, statuses; encrypting under a missing name makes a derived key where there is a context; every refusal of an
operation is a 400 with `errors`, a missing key or engine on a read a 404, a bad token a 403, a sealed server a 503.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.support.tls_server import Certificate, make_certificate

NONCE_BYTES = 12
TOKEN = "s.the-token-of-these-tests"


class Answer(Exception):
    """A status with its body."""

    def __init__(self, status: int, body: dict[str, Any] | None = None) -> None:
        self.status = status
        self.body = body


def refused(why: str) -> Answer:
    return Answer(400, {"errors": [why]})


@dataclass
class TransitKey:
    """A named key with its versions, counted from 1."""

    derived: bool
    versions: list[bytes] = field(default_factory=lambda: [secrets.token_bytes(32)])
    min_decryption_version: int = 1
    min_encryption_version: int = 0
    deletion_allowed: bool = False

    def cipher(self, version: int, context: bytes) -> AESGCM:
        if self.derived and not context:
            raise refused("missing 'context' for key derivation; the key was created using a derived key")
        secret = self.versions[version - 1]
        return AESGCM(HKDF(SHA256(), 32, None, context).derive(secret) if self.derived else secret)


@dataclass
class TransitServer:
    """The engine's state, and knobs for its troubles."""

    url: str = ""
    ca_file: Path = Path()
    token: str = TOKEN
    mount: str = "transit"
    sealed: bool = False
    delay: threading.Event | None = None
    """Each answer waits for it."""

    keys: dict[str, TransitKey] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    connections: int = 0

    def answer(self, method: str, path: str, body: dict[str, Any], token: str) -> Answer:
        self.requests.append((method, path, body))
        if self.delay is not None:
            self.delay.wait(10)
        try:
            if self.sealed:
                raise Answer(503, {"errors": ["Vault is sealed"]})
            if token != self.token:
                raise Answer(403, {"errors": ["permission denied"]})
            return self._route(method, path, body)
        except Answer as answer:
            return answer

    def _route(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if path == "/v1/auth/token/lookup-self":
            return Answer(200, {"data": {"ttl": 3600}})
        match = re.fullmatch(rf"/v1/{self.mount}/(keys|encrypt|decrypt)/([\w-]+)(/rotate|/config)?", path)
        if match is None:
            raise Answer(404, {"errors": []})
        kind, name, action = match[1], match[2], (match[3] or "").strip("/")
        return getattr(self, f"_{method.lower()}_{action or kind}")(name, body)  # type: ignore[no-any-return]  # each method returns an answer

    def _post_keys(self, name: str, body: dict[str, Any]) -> Answer:
        self.keys.setdefault(name, TransitKey(derived=body.get("derived", False)))
        return Answer(200, {"data": self._described(name)})

    def _get_keys(self, name: str, body: dict[str, Any]) -> Answer:
        return Answer(200, {"data": self._described(name)}) if name in self.keys else Answer(404, {"errors": []})

    def _delete_keys(self, name: str, body: dict[str, Any]) -> Answer:
        if name not in self.keys:
            raise refused("could not delete key; not found")
        if not self.keys[name].deletion_allowed:
            raise refused("deletion is not allowed for this key")
        del self.keys[name]
        return Answer(204)

    def _post_rotate(self, name: str, body: dict[str, Any]) -> Answer:
        self._known(name).versions.append(secrets.token_bytes(32))
        return Answer(200, {"data": self._described(name)})

    def _post_config(self, name: str, body: dict[str, Any]) -> Answer:
        key = self._known(name)
        decryption = max(1, body.get("min_decryption_version", key.min_decryption_version))
        encryption = body.get("min_encryption_version", key.min_encryption_version)
        if max(decryption, encryption) > len(key.versions):
            raise refused(f"cannot set min version, latest key version is {len(key.versions)}")
        if 0 < encryption < decryption:
            raise refused("min encryption version must be greater than or equal to min decryption version")
        key.min_decryption_version, key.min_encryption_version = decryption, encryption
        key.deletion_allowed = body.get("deletion_allowed", key.deletion_allowed)
        return Answer(200, {"data": self._described(name)})

    def _post_encrypt(self, name: str, body: dict[str, Any]) -> Answer:
        context = base64.b64decode(body.get("context", ""))
        # A token whose policy says `create` may do this; the real server does it for such a token.
        key = self.keys.setdefault(name, TransitKey(derived=bool(context)))
        version = body.get("key_version", 0) or len(key.versions)
        if version < (key.min_encryption_version or 1):
            raise refused("requested version for encryption is less than the minimum encryption key version")
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + key.cipher(version, context).encrypt(nonce, base64.b64decode(body["plaintext"]), None)
        ciphertext = f"vault:v{version}:{base64.b64encode(sealed).decode()}"
        return Answer(200, {"data": {"ciphertext": ciphertext, "key_version": version}})

    def _post_decrypt(self, name: str, body: dict[str, Any]) -> Answer:
        if name not in self.keys:
            raise refused("encryption key not found")
        key = self.keys[name]
        match = re.fullmatch(r"vault:v(\d+):(.*)", body["ciphertext"])
        if match is None:
            raise refused("invalid ciphertext: no prefix")
        version, sealed = int(match[1]), base64.b64decode(match[2])
        if version < key.min_decryption_version:
            raise refused("ciphertext or signature version is disallowed by policy (too old)")
        cipher = key.cipher(version, base64.b64decode(body.get("context", "")))
        try:
            plaintext = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            raise refused("cipher: message authentication failed") from None
        return Answer(200, {"data": {"plaintext": base64.b64encode(plaintext).decode()}})

    def _known(self, name: str) -> TransitKey:
        if name not in self.keys:
            raise refused(f"no existing key named {name} could be found")
        return self.keys[name]

    def _described(self, name: str) -> dict[str, Any]:
        key = self.keys[name]
        return {
            "name": name,
            "type": "aes256-gcm96",
            "derived": key.derived,
            "latest_version": len(key.versions),
            "min_decryption_version": key.min_decryption_version,
            "min_encryption_version": key.min_encryption_version,
            "deletion_allowed": key.deletion_allowed,
        }


@contextmanager
def transit_server(folder: Path, certificate: Certificate | None = None) -> Iterator[TransitServer]:
    """The server, answering until the end."""
    state = TransitServer()
    if certificate is None:
        folder.mkdir(parents=True, exist_ok=True)
        certificate = make_certificate(folder)
    server = _Server(("127.0.0.1", 0), _handler(state))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.chain)
    server.tls = tls
    state.url, state.ca_file = f"https://localhost:{server.server_address[1]}", certificate.ca_file
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread: a client that does not shake hands holds nobody up.
        try:
            with self.tls.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError:
            return


def _handler(state: TransitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer in one piece: in two, the second waits 40 ms for the client to acknowledge the first.
        wbufsize = -1

        def setup(self) -> None:
            state.connections += 1
            super().setup()

        def respond(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            answer = state.answer(self.command, self.path, body, self.headers.get("X-Vault-Token", ""))
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = respond

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
