"""`strongroom serve` before it serves: what is refused, what is warned of, and that nothing is made before."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization

from tests.support.tls_server import HOUR, NOW, make_certificate
from vault.cli import root
from vault.cli.operators.serve import is_taken

Serve = Callable[..., Result]
RECIPIENT = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Runs `serve` up to the moment when it would listen."""
    monkeypatch.setattr("vault.server.serve", lambda _settings: None)
    env = {
        "HOME": str(tmp_path / "home"),
        "STRONGROOM_BIND": "127.0.0.1:0",
        "STRONGROOM_ARGON2_MEMORY_KIB": str(19 * 1024),
    }

    def run(*arguments: str, **settings: str | Path) -> Result:
        given = {f"STRONGROOM_{name}": str(text) for name, text in settings.items()}
        return CliRunner(env=env | given).invoke(root, ["serve", *arguments])

    return run


def refused(result: Result, tmp_path: Path) -> str:
    """What was said by a `serve` that made nothing."""
    assert result.exit_code == 1, result.stderr
    assert not (tmp_path / "home").exists()
    return result.stderr


def test_a_port_is_taken_while_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        assert is_taken(bind)
    assert not is_taken(bind)


def test_an_address_that_is_not_this_machine_s_is_not_taken() -> None:
    assert not is_taken("192.0.2.1:8443")


@pytest.mark.parametrize("name", ["BIND", "METRICS_BIND"])
@pytest.mark.parametrize("bind", ["192.0.2.1:8443", "[2001:db8::1]:8443", "no-such-host.invalid:8443"])
def test_an_address_that_is_not_this_machine_s_is_refused(serve: Serve, tmp_path: Path, name: str, bind: str) -> None:
    said = refused(serve(**{name: bind}), tmp_path)
    assert said.startswith(f"strongroom: STRONGROOM_{name} is {bind}, where this machine cannot listen: ")


def test_an_address_of_an_option_is_refused_too(serve: Serve, tmp_path: Path) -> None:
    assert "STRONGROOM_BIND is 192.0.2.1:1" in refused(serve("--bind", "192.0.2.1:1"), tmp_path)
    assert "STRONGROOM_BIND" in refused(serve("--bind", ""), tmp_path)


def test_a_recipient_of_backups_with_one_wrong_character_is_refused(serve: Serve, tmp_path: Path) -> None:
    for wrong in (RECIPIENT[:-1] + "q", RECIPIENT[:20] + "q" + RECIPIENT[21:], f"{RECIPIENT},{RECIPIENT[:-1]}"):
        assert "STRONGROOM_BACKUP_RECIPIENTS" in refused(serve(BACKUP_RECIPIENTS=wrong), tmp_path)


def test_a_key_of_another_certificate_is_refused(serve: Serve, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (make_certificate(tmp_path / name).chain for name in ("one", "two"))
    only_key = tmp_path / "key.pem"
    only_key.write_bytes(b"-----BEGIN" + two.read_bytes().rpartition(b"-----BEGIN")[2])
    for key in (two, only_key):
        assert "STRONGROOM_TLS_KEY is not the key" in refused(serve(TLS_CERT=one, TLS_KEY=key), tmp_path)
    # The server's own certificate must come first in its file.
    only_key.write_bytes(b"-----BEGIN" + one.read_bytes().rpartition(b"-----BEGIN")[2])
    first = tmp_path / "wrong-order.pem"
    first.write_bytes((tmp_path / "one" / "ca.pem").read_bytes() + one.read_bytes())
    assert "STRONGROOM_TLS_KEY is not the key" in refused(serve(TLS_CERT=first, TLS_KEY=only_key), tmp_path)


def test_a_key_with_a_passphrase_is_refused(serve: Serve, tmp_path: Path) -> None:
    chain = make_certificate(tmp_path).chain
    key = serialization.load_pem_private_key(b"-----BEGIN" + chain.read_bytes().rpartition(b"-----BEGIN")[2], None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (tmp_path / "sealed.pem").write_bytes(sealed)
    said = refused(serve(TLS_CERT=chain, TLS_KEY=tmp_path / "sealed.pem"), tmp_path)
    assert "STRONGROOM_TLS_KEY" in said
    assert "has a passphrase" in said


@pytest.mark.parametrize(
    ("begins", "hours", "words"),
    [
        (NOW - 2 * HOUR, 1, "expired on"),
        (NOW - 40 * timedelta(days=1), 24, "expired on"),
        (NOW + 24 * HOUR, 48, "is not valid before"),
        (NOW - HOUR, 48, "is valid for 1 more days"),
    ],
)
def test_a_certificate_outside_of_its_dates_is_warned_of(
    serve: Serve, tmp_path: Path, begins: object, hours: int, words: str
) -> None:
    chain = make_certificate(tmp_path, begins=begins, hours=hours).chain  # type: ignore[arg-type] # A datetime.
    chain.chmod(0o600)
    done = serve(TLS_CERT=chain, TLS_KEY=chain)
    assert done.exit_code == 0, done.stderr
    assert f"Warning: {chain} {words}" in done.stderr


@pytest.mark.parametrize(("mode", "is_warned"), [(0o644, True), (0o602, True), (0o600, False), (0o640, False)])
def test_a_key_that_everybody_can_read_is_warned_of(serve: Serve, tmp_path: Path, mode: int, is_warned: bool) -> None:
    chain = make_certificate(tmp_path, hours=24 * 60).chain
    chain.chmod(mode)
    done = serve(TLS_CERT=chain, TLS_KEY=chain)
    assert done.exit_code == 0, done.stderr
    assert (f"can read or change the key {chain}" in done.stderr) is is_warned
    assert ("Warning" in done.stderr) is is_warned


def test_the_doctor_says_the_same_of_the_certificate(serve: Serve, tmp_path: Path) -> None:
    chain = make_certificate(tmp_path, begins=NOW + 24 * HOUR, hours=48).chain
    made = serve(TLS_CERT=chain, TLS_KEY=chain)
    assert made.exit_code == 0, made.stderr
    env = {"HOME": str(tmp_path / "home"), "STRONGROOM_TLS_CERT": str(chain), "STRONGROOM_TLS_KEY": str(chain)}
    told = CliRunner(env=env).invoke(root, ["doctor", "--database"])
    assert "is not valid before" in told.stdout
    assert told.exit_code == 1
