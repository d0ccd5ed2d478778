"""An impostor of the server, over real TLS: a project's file does not lead the command to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tls_server import Certificate, Server, make_certificate, say
from vault.cli.people import authority, keychain
from vault.client import Authority

BODY = json.dumps({"items": [], "next": None}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    (tmp_path / "impostor").mkdir()
    return make_certificate(tmp_path / "impostor")


@pytest.fixture
def impostor(certificate: Certificate) -> Iterator[Server]:
    server = Server(certificate, say(ANSWER))
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cloned project, whose file names the impostor's authority."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRONGROOM_NO_KEYCHAIN", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".strongroom.toml").write_text(f'ca_file = "{certificate.ca_file}"\n')
    return tmp_path


def env_list(server: Server) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vault", "env", "list", "--url", f"https://localhost:{server.port}"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
    )


def genuine(folder: Path) -> Authority:
    """The authority that the login was verified with."""
    (folder / "genuine").mkdir()
    path = make_certificate(folder / "genuine").ca_file
    return Authority(path.read_text(), str(path))


@pytest.mark.parametrize("names_url", [False, True])
@pytest.mark.parametrize("was_pinned", [False, True])
def test_an_impostor_gets_no_stored_token(names_url: bool, was_pinned: bool, impostor: Server, home: Path) -> None:
    url = f"https://localhost:{impostor.port}"
    if names_url:
        with (home / ".strongroom.toml").open("a") as file:
            file.write(f'url = "{url}"\n')
    keychain.save(url, "srm_s_canary")
    authority.keep(url, genuine(home) if was_pinned else None)
    result = env_list(impostor)
    assert result.returncode == 1
    assert "is not trusted" in result.stderr
    assert impostor.requests == []


@pytest.mark.parametrize("names_url", [False, True])
def test_an_impostor_gets_no_token_of_the_environment(
    names_url: bool, impostor: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_TOKEN", "srm_t_canary")
    if names_url:
        with (home / ".strongroom.toml").open("a") as file:
            file.write(f'url = "https://localhost:{impostor.port}"\n')
    assert env_list(impostor).returncode == 1
    assert impostor.requests == []


def test_the_kept_authority_is_enough_for_the_genuine_server(
    impostor: Server, certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRONGROOM_NO_KEYCHAIN", "1")
    monkeypatch.chdir(tmp_path)
    url = f"https://localhost:{impostor.port}"
    keychain.save(url, "srm_s_canary")
    authority.keep(url, Authority("Größe\n" + certificate.ca_file.read_text(), "ca.pem"))
    result = env_list(impostor)
    assert result.returncode == 0, result.stderr
    assert b"Bearer srm_s_canary" in impostor.requests[0]


def test_kept_authorities_without_a_certificate_are_not_the_systems(home: Path, impostor: Server) -> None:
    url = f"https://localhost:{impostor.port}"
    keychain.save(url, "srm_s_canary")
    authority.keep(url, Authority("nothing", "ca.pem"))
    assert "no certificate" in env_list(impostor).stderr
