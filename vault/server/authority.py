"""A certificate authority for this machine only, used if the operator configures no certificate.

It can certify only localhost, 127.0.0.1 and ::1 (name constraints, RFC 5280, 4.2.1.10), so clients that trust it
trust it for no other site. Each file is written atomically under a lock, so two servers that start at the same
moment use the same authority.

    tls/authority.pem   the authority's key and certificate      0600
    tls/ca.pem          only its certificate: give this one to clients
    tls/server.pem      the server's key and certificate         0600
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vault.errors import SettingsError
from vault.model.clock import as_datetime, now_us

_AUTHORITY_LIFE = datetime.timedelta(days=3650)
_SERVER_LIFE = datetime.timedelta(days=397)  # what browsers accept from any authority
_RENEW_BEFORE_END = datetime.timedelta(days=30)
_CLOCK_SLACK = datetime.timedelta(hours=1)

_DNS_NAME = "localhost"
_ADDRESSES = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


class TlsFiles(NamedTuple):
    """The server's certificate and key, and what clients must trust (None: they trust it already)."""

    certificate: Path
    key: Path
    ca_file: Path | None


class _Pair(NamedTuple):
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)

    def lasts(self, now: datetime.datetime) -> bool:
        return self.certificate.not_valid_after_utc - now > _RENEW_BEFORE_END


def ensure(directory: Path, now: datetime.datetime | None = None) -> TlsFiles:
    """Return the files in `directory`. Creates or renews them if needed. Raises `SettingsError` if that fails."""
    now = now or as_datetime(now_us())
    try:
        with _locked(directory):
            authority = _authority(directory, now)
            _write_if_new(directory / "ca.pem", authority.certificate.public_bytes(Encoding.PEM))
            _server(directory, authority, now)
    except OSError as error:
        raise SettingsError(f"The local TLS authority in {directory} cannot be used: {error}") from error
    server = directory / "server.pem"
    return TlsFiles(server, server, directory / "ca.pem")


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Tighten the mode of an older or looser folder. This raises if the folder belongs to another user.
    directory.chmod(0o700)
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _authority(directory: Path, now: datetime.datetime) -> _Pair:
    path = directory / "authority.pem"
    found = _read(path)
    if found is not None and found.lasts(now):
        return found
    made = _make_authority(now)
    _write(path, made.pem())
    return made


def _server(directory: Path, authority: _Pair, now: datetime.datetime) -> None:
    path = directory / "server.pem"
    found = _read(path)
    if found is not None and found.lasts(now) and _vouched_for(found, authority):
        return
    _write(path, _make_server(authority, now).pem())


def _vouched_for(server: _Pair, authority: _Pair) -> bool:
    try:
        server.certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # it raises InvalidSignature, ValueError or TypeError; each means no
        return False
    return True


def _read(path: Path) -> _Pair | None:
    if not path.exists():
        return None
    try:
        text = path.read_bytes()
        key = load_pem_private_key(text, password=None)
        certificate = x509.load_pem_x509_certificate(text)
    except ValueError as error:
        raise SettingsError(
            f"{path} has no key and certificate. Move the file away, and Strongroom creates a new one."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise SettingsError(
            f"The key in {path} does not match its certificate. Move the file away, and Strongroom creates a new one."
        )
    return _Pair(key, certificate)


def _write_if_new(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        _write(path, content)


def _write(path: Path, content: bytes) -> None:
    # Write a temporary file and rename it, so that a power loss leaves the old file or the new one.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _make_authority(now: datetime.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Strongroom local authority")
    permitted: list[x509.GeneralName] = [x509.DNSName(_DNS_NAME)]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in _ADDRESSES]
    certificate = (
        _builder(name, name, key, now)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Pair(key, certificate)


def _make_server(authority: _Pair, now: datetime.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(_DNS_NAME)]
    names += [x509.IPAddress(address) for address in _ADDRESSES]
    certificate = (
        _builder(_name(_DNS_NAME), authority.certificate.subject, key, now)
        .not_valid_after(min(now + _SERVER_LIFE, authority.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Pair(key, certificate)
