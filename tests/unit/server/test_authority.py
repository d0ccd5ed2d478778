"""The local authority: for this machine only, whole files, renewed in time."""

from __future__ import annotations

import datetime
import ipaddress
import multiprocessing
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from vault.errors import SettingsError
from vault.server import authority

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def verify(directory: Path, leaf: x509.Certificate, name: x509.DNSName | x509.IPAddress) -> None:
    store = Store([certificate(directory / "ca.pem")])
    PolicyBuilder().store(store).time(NOW).build_server_verifier(name).verify(leaf, [])


def test_all_of_it_is_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    directory.mkdir(mode=0o755)
    authority.ensure(directory, NOW)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
        "authority.pem": 0o600,
        "ca.pem": 0o600,
        "server.pem": 0o600,
    }


def test_the_file_for_clients_holds_no_key(tmp_path: Path) -> None:
    files = authority.ensure(tmp_path / "tls", NOW)
    assert files.ca_file is not None
    assert b"PRIVATE" not in files.ca_file.read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ],
)
def test_the_certificate_stands_for_this_machine(tmp_path: Path, name: x509.DNSName | x509.IPAddress) -> None:
    files = authority.ensure(tmp_path, NOW)
    verify(tmp_path, certificate(files.certificate), name)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)


@pytest.mark.parametrize("name", ["example.org", "localhost.example.org"])
def test_what_the_authority_signs_for_another_name_is_not_believed(tmp_path: Path, name: str) -> None:
    authority.ensure(tmp_path, NOW)
    issuer = authority._read(tmp_path / "authority.pem")
    assert issuer is not None
    key = ec.generate_private_key(ec.SECP256R1())
    forged = (
        authority._builder(authority._name(name), issuer.certificate.subject, key, NOW)
        .not_valid_after(NOW + 10 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    with pytest.raises(VerificationError):
        verify(tmp_path, forged, x509.DNSName(name))


def test_asking_again_changes_nothing(tmp_path: Path) -> None:
    authority.ensure(tmp_path, NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    authority.ensure(tmp_path, NOW + 300 * DAY)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_within_30_days_of_its_end_the_certificate_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    authority.ensure(tmp_path, NOW)
    ca, old = (tmp_path / "ca.pem").read_bytes(), certificate(tmp_path / "server.pem")
    authority.ensure(tmp_path, NOW + 368 * DAY)
    renewed = certificate(tmp_path / "server.pem")
    assert (tmp_path / "ca.pem").read_bytes() == ca
    assert renewed.not_valid_after_utc > old.not_valid_after_utc
    renewed.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))


def test_a_new_authority_renews_the_certificate_too(tmp_path: Path) -> None:
    authority.ensure(tmp_path, NOW)
    (tmp_path / "authority.pem").unlink()
    authority.ensure(tmp_path, NOW)
    certificate(tmp_path / "server.pem").verify_directly_issued_by(certificate(tmp_path / "ca.pem"))


@pytest.mark.parametrize("content", ["", "no key at all"])
def test_a_spoiled_file_is_told_and_left_alone(tmp_path: Path, content: str) -> None:
    authority.ensure(tmp_path, NOW)
    (tmp_path / "authority.pem").write_text(content, encoding="ascii")
    with pytest.raises(SettingsError, match=r"authority\.pem"):
        authority.ensure(tmp_path, NOW)
    assert (tmp_path / "authority.pem").read_text(encoding="ascii") == content


def test_a_key_that_is_not_its_certificates_is_told(tmp_path: Path) -> None:
    authority.ensure(tmp_path / "a", NOW)
    authority.ensure(tmp_path / "b", NOW)
    key = (tmp_path / "a" / "server.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    path = tmp_path / "b" / "server.pem"
    path.write_bytes(key + (tmp_path / "b" / "ca.pem").read_bytes())
    with pytest.raises(SettingsError, match="does not match its certificate"):
        authority.ensure(tmp_path / "b", NOW)


def _ensure(directory: Path) -> bytes:
    files = authority.ensure(directory)
    assert files.ca_file is not None
    return files.ca_file.read_bytes() + files.certificate.read_bytes()


def test_many_processes_at_once_end_up_with_one_authority(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        seen = pool.map(_ensure, [tmp_path / "tls"] * 12)
    assert len(set(seen)) == 1
    assert len(list((tmp_path / "tls").iterdir())) == 3
