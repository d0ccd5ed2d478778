"""A TLS server for tests, with a temporary authority and a script of answers."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Certificate:
    """Paths of a certificate with its key, and of the authority that signed it."""

    chain: Path
    ca_file: Path


def make_certificate(
    folder: Path, *, name: str = "localhost", begins: datetime.datetime = NOW - HOUR, hours: int = 2
) -> Certificate:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Test authority", name)]
    signed = []
    for subject, key, is_ca in ((names[0], keys[0], True), (names[1], keys[1], False)):
        builder = x509.CertificateBuilder(
            names[0], subject, key.public_key(), x509.random_serial_number(), begins, begins + hours * HOUR
        ).add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        if not is_ca:
            alternatives = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives[: 2 if name == "localhost" else 1]), False
            )
        signed.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(signed[0])
    (folder / "chain.pem").write_bytes(signed[1] + private)
    return Certificate(folder / "chain.pem", folder / "ca.pem")


class Server:
    """Accepts TLS connections and answers each request from the next of its scripts. The last one repeats."""

    def __init__(self, certificate: Certificate, *scripts: Callable[[ssl.SSLSocket], None]) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._scripts = list(scripts)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.chain)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            # One connection at a time. The others wait in the listener's queue.
            with plain:
                plain.settimeout(5)
                try:
                    with self._context.wrap_socket(plain, server_side=True) as connection:
                        self._serve(connection)
                except OSError:
                    continue

    def _serve(self, connection: ssl.SSLSocket) -> None:
        while True:
            request = b""
            while b"\r\n\r\n" not in request:
                data = connection.recv(65536)
                if not data:
                    return
                request += data
            self.requests.append(request)
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            script(connection)


def say(data: bytes) -> Callable[[ssl.SSLSocket], None]:
    return lambda connection: connection.sendall(data)


def say_and_hang_up(data: bytes) -> Callable[[ssl.SSLSocket], None]:
    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return act
