"""Where settings come from, and which files are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport
from vault.cli.config import CliSettings, load
from vault.errors import SettingsError


@pytest.fixture
def project(home: Path) -> Path:
    return home / "project" / ".strongroom.toml"


@pytest.fixture
def user_file(home: Path) -> Path:
    path = home / ".config" / "strongroom" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def settings(**flags: str) -> CliSettings:
    return load(flags, os.environ, Path.cwd())


def test_the_first_that_has_a_setting_gives_it(project: Path, user_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().url == "https://localhost:8443"
    user_file.write_text('url = "https://user.test"\nformat = "yaml"\n')
    assert settings().url == "https://user.test"
    project.write_text('url = "https://project.test"\nenvironment = "dev"\n')
    assert settings().url == "https://project.test"
    monkeypatch.setenv("STRONGROOM_URL", "https://environment.test/")
    assert settings().url == "https://environment.test"
    assert settings(url="https://flag.test").url == "https://flag.test"
    assert (settings().environment, settings().format) == ("dev", "yaml")
    monkeypatch.setenv("STRONGROOM_ENVIRONMENT", "prod")
    found = settings(format="json")
    assert (found.url, found.ca_file, found.environment, found.format) == (
        "https://environment.test",
        None,
        "prod",
        "json",
    )


def test_a_ca_file_is_found_beside_its_file(project: Path, user_file: Path) -> None:
    project.write_text('ca_file = "ca.pem"\n')
    user_file.write_text('ca_file = "own.pem"\n')
    found = settings()
    assert found.ca_file == str(user_file.parent / "own.pem")
    assert found.project is not None
    assert found.project.ca_file == str(project.parent / "ca.pem")


def test_the_nearest_project_file_holds(project: Path) -> None:
    project.write_text('environment = "far"\n')
    Path(".strongroom.toml").write_text('environment = "near"\n')
    assert settings().environment == "near"


def test_the_users_file_may_be_named(user_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('environment = "named"\n')
    monkeypatch.setenv("STRONGROOM_CONFIG", str(tmp_path / "other.toml"))
    assert settings().environment == "named"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('token = "srm_t_canary"', "contains a token"),
        ('tokem = "srm_t_canary"', "unknown key 'tokem'"),
        ("url = 5", "must be a text"),
        ('format = "json"', "unknown key 'format'"),
        ("url = ", "cannot be read"),
        ('[server]\nurl = "x"', "unknown key 'server'"),
    ],
)
def test_a_project_file_that_cannot_be_used_is_refused(project: Path, text: str, sentence: str) -> None:
    project.write_text(text)
    with pytest.raises(SettingsError, match=sentence) as caught:
        settings()
    assert str(project) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_token_in_the_users_file_is_refused_too(user_file: Path) -> None:
    user_file.write_text('token = "srm_t_canary"')
    with pytest.raises(SettingsError, match="contains a token"):
        settings()


@pytest.mark.parametrize(
    ("name", "meant"), [("ENV", "ENVIRONMENT"), ("URI", "URL"), ("TOKENFILE", "TOKEN_FILE"), ("CAFILE", "CA_FILE")]
)
def test_an_unknown_variable_is_refused_with_the_one_that_may_be_meant(
    name: str, meant: str, strongroom: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"STRONGROOM_{name}", "prod")
    result = strongroom("env", "list")
    assert result.exit_code == 1
    assert f"STRONGROOM_{name} is not a setting of Strongroom. Did you mean STRONGROOM_{meant}?" in result.stderr
    assert server.requests == []


def test_a_setting_of_the_server_does_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", "postgresql://h/x")
    monkeypatch.setenv("STRONGROOM_PKCS11_PIN_FILE", "/x")
    monkeypatch.setenv("STRONGROOM_PORT", "tcp://10.0.0.1:8443")
    assert settings().url == "https://localhost:8443"


@pytest.mark.parametrize("source", ["--url", "STRONGROOM_URL", "project", "config"])
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:9501", "Use https://localhost:9501."),
        ("vault.test", "Use https://vault.test."),
        ("http://localhost:8080", "the command uses only https://"),
        ("HTTP://vault.test", "the command uses only https://"),
        ("https://vault.test:port", "cannot be read"),
        ("https://ada:canary-5c1@vault.test", "must not contain a user"),
        ("http://ada:canary-5c1@vault.test", "the command uses only https://"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_with_its_source(
    url: str,
    sentence: str,
    source: str,
    strongroom: Strongroom,
    project: Path,
    user_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if source == "STRONGROOM_URL":
        monkeypatch.setenv("STRONGROOM_URL", url)
    if source == "project":
        project.write_text(f'url = "{url}"\n')
    if source == "config":
        user_file.write_text(f'url = "{url}"\n')
    result = strongroom("env", "list", *(["--url", url] if source == "--url" else []))
    places = {"project": f"The url in the file {project}", "config": f"The url in the file {user_file}"}
    assert result.exit_code == 1
    assert result.stderr.startswith(f"strongroom: {places.get(source, source)} ")
    assert sentence in result.stderr
    assert "plain_http" not in result.stderr
    assert "canary" not in result.stderr


def test_another_persons_project_file_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write_text('url = "https://evil.test"\n')
    owner = project.stat().st_uid
    monkeypatch.setattr("vault.cli.files._TRUSTED_OWNERS", frozenset({owner + 1}))
    with pytest.raises(SettingsError, match="belongs to another user"):
        settings()


def test_owner_and_content_of_a_settings_file_are_the_same_files(
    project: Path, user_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody with write access to the folder puts their own file in place after the first one was opened.
    project.write_text('url = "https://project.test"\n')
    opened = os.open

    def opens_then_replaces(path: str | Path, *arguments: int) -> int:
        descriptor = opened(path, *arguments)
        if Path(path) == project:
            project.unlink()
            project.write_text('url = "https://evil.test"\n')
        return descriptor

    monkeypatch.setattr("vault.cli.files.os.open", opens_then_replaces)
    assert settings().url == "https://project.test"


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10_000_000])
def test_a_settings_file_without_end_is_refused(size: int, project: Path) -> None:
    project.write_bytes(b"#" * size)
    with pytest.raises(SettingsError, match="larger than 64 KiB"):
        settings()


def test_a_token_of_the_environment_goes_to_no_address_that_the_project_alone_names(
    strongroom: Strongroom, project: Path, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever edits a project edits this file too: in CI a fork could have the token sent to itself.
    project.write_text('url = "https://evil.test"\n')
    result = strongroom("get", "-e", "prod", "PASSWORD")
    assert result.exit_code == 1
    assert "STRONGROOM_TOKEN is not sent to https://evil.test" in result.stderr
    assert server.requests == []


def test_a_password_of_the_environment_goes_to_no_such_address_either(
    anonymous: Strongroom, project: Path, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_text('url = "https://evil.test"\n')
    monkeypatch.setenv("STRONGROOM_PASSWORD", "a password")
    result = anonymous("login", "ada")
    assert result.exit_code == 1
    assert "STRONGROOM_PASSWORD is not sent to https://evil.test" in result.stderr
    assert server.requests == []


@pytest.mark.parametrize("teller", ["environment", "user file", "flag"])
def test_an_address_that_somebody_else_names_too_gets_the_token(
    teller: str, project: Path, user_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_text('url = "https://vault.test"\n')
    if teller == "environment":
        monkeypatch.setenv("STRONGROOM_URL", "https://vault.test/")
    if teller == "user file":
        user_file.write_text('url = "https://vault.test"\n')
    found = settings(url="https://vault.test") if teller == "flag" else settings()
    assert not found.url_is_the_projects


@pytest.mark.parametrize("text", ["url = " + "[" * 30_000, "url = " + "{a=" * 20_000])
def test_values_that_are_nested_too_deeply_are_refused(text: str, project: Path) -> None:
    project.write_text(text)
    with pytest.raises(SettingsError, match="cannot be read"):
        settings()


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe"])
def test_a_file_that_was_named_and_cannot_be_read_is_not_taken_for_none(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        (tmp_path / kind).mkdir()
    if kind == "pipe":
        os.mkfifo(tmp_path / kind)
    monkeypatch.setenv("STRONGROOM_CONFIG", str(tmp_path / kind))
    with pytest.raises(SettingsError, match=f"{kind} cannot be read"):
        settings()
