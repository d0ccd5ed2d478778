"""Settings: what is read, what is refused, and that every refusal names its variable."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest

from vault.errors import SettingsError
from vault.settings import Settings, load

HOME = {"HOME": "/home/ada"}


def refusal(**given: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load({**HOME, **given})
    return str(caught.value)


def test_without_any_setting_there_is_an_embedded_vault() -> None:
    settings = load(HOME)
    assert settings.database_url == "sqlite:////home/ada/.local/share/strongroom/strongroom.db"
    assert settings.embedded


def test_the_keyring_does_not_lie_beside_the_database_by_default() -> None:
    settings = load(HOME)
    assert not settings.keyring.is_relative_to(settings.data_dir)
    assert not settings.data_dir.is_relative_to(settings.keyring.parent)


def test_the_xdg_folders_are_used() -> None:
    settings = load({**HOME, "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"})
    assert settings.data_dir == Path("/d/strongroom")
    assert settings.keyring == Path("/c/strongroom/keyring/master.json")


def test_the_database_lies_in_the_data_directory() -> None:
    assert load({**HOME, "STRONGROOM_DATA_DIR": "/srv/x"}).database_url == "sqlite:////srv/x/strongroom.db"


def test_values_are_read_as_their_kind() -> None:
    settings = load(
        {
            **HOME,
            "STRONGROOM_WORKERS": "3",
            "STRONGROOM_BODY_TIMEOUT_SECONDS": "2.5",
            "STRONGROOM_PLAIN_HTTP": "yes",
            "STRONGROOM_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1",
        }
    )
    assert (settings.workers, settings.body_timeout_seconds, settings.plain_http) == (3, 2.5, True)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32"]


def test_a_name_that_no_setting_has_is_refused() -> None:
    assert "STRONGROOM_WORKRES" in refusal(STRONGROOM_WORKRES="2")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WORKRES", "WORKERS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("ENV", "ENVIRONMENT"),
        ("token_file", "TOKEN_FILE"),
        ("TLS_CERTIFICATE", "TLS_CERT"),
    ],
)
def test_the_name_that_may_be_meant_is_said(name: str, meant: str) -> None:
    assert refusal(**{f"STRONGROOM_{name}": "x"}).endswith(f"Did you mean STRONGROOM_{meant}?")


@pytest.mark.parametrize("name", ["URL_FILE", "ENVIRONMENT_FILE", "CA_FILE_FILE", "PROFILE", "", "_", "QQQQ"])
def test_a_name_that_nothing_reads_is_refused(name: str) -> None:
    assert f"STRONGROOM_{name} is not a setting" in refusal(**{f"STRONGROOM_{name}": "x"})


def test_names_of_kubernetes_are_left_alone() -> None:
    link = "tcp://10.0.0.1:8443"
    names = ["PORT", "PORT_8443_TCP", "METRICS_PORT", "METRICS_PORT_9464_UDP"]
    load({**HOME, **{f"STRONGROOM_{name}": link for name in names}})
    names = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTPS", "PORT_8443_TCP_ADDR", "METRICS_SERVICE_PORT"]
    load({**HOME, **dict.fromkeys((f"STRONGROOM_{name}" for name in names), "8443")})
    assert "STRONGROOM_PORT is not a setting" in refusal(STRONGROOM_PORT="8443")
    assert "STRONGROOM_METRICS_PORT is not a setting" in refusal(STRONGROOM_METRICS_PORT="9464")


def test_names_of_the_command_are_left_alone() -> None:
    load({**HOME, "STRONGROOM_TOKEN": "srm_t_x", "STRONGROOM_URL": "https://x", "STRONGROOM_PASSWORD_FILE": "/x"})


def test_other_peoples_variables_are_left_alone() -> None:
    load({**HOME, "WORKERS": "many", "strongroom_workers": "x"})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("STRONGROOM_BIND", "18443"),
        ("STRONGROOM_BIND", "localhost"),
        ("STRONGROOM_BIND", ""),
        ("STRONGROOM_BIND", "127.0.0.1:84430"),
        ("STRONGROOM_METRICS_BIND", "9464"),
        ("STRONGROOM_WORKERS", "many"),
        ("STRONGROOM_WORKERS", "0"),
        ("STRONGROOM_THREADS", "-1"),
        ("STRONGROOM_PLAIN_HTTP", "perhaps"),
        ("STRONGROOM_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("STRONGROOM_BODY_TIMEOUT_SECONDS", "soon"),
        ("STRONGROOM_LOG_FORMAT", "xml"),
        ("STRONGROOM_LOG_LEVEL", "loud"),
        ("STRONGROOM_TLS_CERT", "/cert.pem"),
        ("STRONGROOM_SESSION_IDLE_SECONDS", "0"),
        ("STRONGROOM_QUOTA_BYTES", "-1"),
        ("STRONGROOM_BODY_TIMEOUT_SECONDS", "nan"),
        ("STRONGROOM_HANDSHAKE_TIMEOUT_SECONDS", "-1"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_name(variable: str, text: str) -> None:
    assert variable in refusal(**{variable: text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MEMORY_KIB", "1024"),
        ("MEMORY_KIB", str(2 * 1024 * 1024)),
        ("PASSES", "1"),
        ("PASSES", "99"),
        ("LANES", "99"),
    ],
)
def test_argon2_stays_between_too_weak_and_too_dear(name: str, text: str) -> None:
    assert "Argon2id" in refusal(**{f"STRONGROOM_ARGON2_{name}": text})


def test_plain_http_needs_the_proxys_addresses() -> None:
    assert "STRONGROOM_TRUSTED_PROXIES" in refusal(STRONGROOM_PLAIN_HTTP="1")


@pytest.mark.parametrize("around", ["{}", "{}\n", "\ufeff{}\r\n", " {}\t\n\n", "\n\ufeff {} \ufeff"])
def test_a_secret_is_read_from_its_file_without_what_is_around(around: str, tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text(around.format("postgresql://ada:pass@db/strongroom"), encoding="utf-8")
    settings = load({**HOME, "STRONGROOM_DATABASE_URL_FILE": str(path)})
    assert settings.database_url == "postgresql://ada:pass@db/strongroom"
    assert not settings.embedded


def test_a_passphrase_keeps_what_vaults_were_founded_with(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("\ufeff two words \r\n\n", encoding="utf-8")
    kept = "\ufeff two words \r\n"
    assert load({**HOME, "STRONGROOM_PASSPHRASE_FILE": str(tmp_path / "passphrase")}).passphrase == kept
    assert load({**HOME, "CREDENTIALS_DIRECTORY": str(tmp_path)}).passphrase == kept


@pytest.mark.parametrize("content", ["", "\n", " \r\n\t", "\ufeff\n"])
@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "PASSPHRASE", "PKCS11_PIN"])
def test_a_secrets_file_that_is_empty_is_refused(name: str, content: str, tmp_path: Path) -> None:
    # An empty DATABASE_URL_FILE would found a second vault in a SQLite file.
    (tmp_path / "empty").write_text(content, encoding="utf-8")
    told = refusal(**{f"STRONGROOM_{name}_FILE": str(tmp_path / "empty")})
    assert told == f"The file {tmp_path / 'empty'}, which STRONGROOM_{name}_FILE names, is empty."
    assert f"STRONGROOM_{name}_FILE" in refusal(**{f"STRONGROOM_{name}_FILE": content})


def test_a_credential_of_systemd_that_is_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("\n")
    assert "is empty" in refusal(CREDENTIALS_DIRECTORY=str(tmp_path))


@pytest.mark.parametrize("text", [",", " , ,"])
@pytest.mark.parametrize("name", ["BACKUP_RECIPIENTS", "BACKUP_TO", "OPERATOR_NETWORKS", "TRUSTED_PROXIES"])
def test_a_list_of_nothing_is_refused(name: str, text: str) -> None:
    assert refusal(**{f"STRONGROOM_{name}": text}).startswith(f"STRONGROOM_{name} is {text!r}, which names nothing.")


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("redis://one")
    given = {"STRONGROOM_REDIS_URL": "redis://two", "STRONGROOM_REDIS_URL_FILE": str(path)}
    for order in (given, dict(reversed(given.items()))):
        assert "STRONGROOM_REDIS_URL" in refusal(**order)


def test_a_secrets_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "STRONGROOM_REDIS_URL_FILE" in refusal(STRONGROOM_REDIS_URL_FILE=str(tmp_path / "none"))
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    assert "STRONGROOM_REDIS_URL_FILE" in refusal(STRONGROOM_REDIS_URL_FILE=str(tmp_path / "latin"))


def test_only_secrets_have_a_file_form() -> None:
    assert "STRONGROOM_WORKERS_FILE" in refusal(STRONGROOM_WORKERS_FILE="/x")


def test_no_refusal_repeats_a_password() -> None:
    assert "hunter2" not in refusal(STRONGROOM_DATABASE_URL="redis://:hunter2@x", STRONGROOM_NO="1")


def test_settings_cannot_be_changed_but_copied() -> None:
    settings = load(HOME)
    assert replace(settings, workers=7).workers == 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.workers = 7  # type: ignore[misc]  # what it must refuse
    assert isinstance(settings, Settings)
    assert settings.workers == 2


def test_the_repr_of_settings_hides_where_passwords_stand() -> None:
    settings = load({**HOME, "STRONGROOM_DATABASE_URL": "postgresql://ada:hunter2@db/x"})
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("bind", ["127.0.0.1:8443", "vault.internal:443", "[::1]:8443", "[fe80::1%eth0]:1", ":8443"])
def test_a_listener_is_a_host_and_a_port(bind: str) -> None:
    assert load({**HOME, "STRONGROOM_BIND": bind}).bind == bind


def test_browsers_find_the_vault_where_the_setting_says_and_else_on_this_machine() -> None:
    assert (load(HOME).origin, load(HOME).public_host) == ("https://localhost:8443", "localhost")
    assert load({**HOME, "STRONGROOM_BIND": "[::]:443"}).origin == "https://localhost"
    named = load({**HOME, "STRONGROOM_PUBLIC_URL": "https://vault.example.org:9443"})
    assert (named.origin, named.public_host) == ("https://vault.example.org:9443", "vault.example.org")


@pytest.mark.parametrize(
    "url",
    [
        "http://vault.example",
        "https://vault.example/",
        "https://vault.example/path",
        "https://ada@vault.example",
        "https://Vault.Example",
        "https://vault.example:443",
        "https://vault.example:0",
        "https://",
        "https://vault.example\n",
        "vault.example",
    ],
)
def test_a_public_address_is_written_as_browsers_write_an_origin(url: str) -> None:
    assert "STRONGROOM_PUBLIC_URL" in refusal(STRONGROOM_PUBLIC_URL=url)


@pytest.mark.parametrize(
    "target",
    [
        "stdout", "file:/var/log/audit", "syslog", "syslog:logs", "syslog:[::1]:514", "syslog+tcp:10.0.0.1:601",
        "syslog+tls:logs.example",
    ],
)  # fmt: skip
def test_the_audit_goes_where_it_can_go(target: str) -> None:
    assert load({**HOME, "STRONGROOM_AUDIT_FORWARD": target}).audit_forward == target


@pytest.mark.parametrize(
    "target",
    [
        "syslog+udp:logs:514", "https://logs", "syslog+tls:", "syslog+tls", "syslog:logs:0", "syslog:logs:65536",
        "syslog:logs:abc", "file:relative", f"syslog:{'a' * 64}.example", "syslog:a..b", "syslog:logs:514/x",
    ],
)  # fmt: skip
def test_where_the_audit_cannot_go_is_refused(target: str) -> None:
    assert refusal(STRONGROOM_AUDIT_FORWARD=target).startswith("STRONGROOM_AUDIT_FORWARD ")


def test_the_authorities_of_a_receiver_are_read_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for path in (tmp_path / "absent.pem", tmp_path / "no.pem", tmp_path):
        told = refusal(STRONGROOM_AUDIT_FORWARD="syslog+tls:logs", STRONGROOM_AUDIT_FORWARD_CA_FILE=str(path))
        assert told.startswith(f"STRONGROOM_AUDIT_FORWARD_CA_FILE names {str(path)!r}, ")
    assert "syslog+tls" in refusal(
        STRONGROOM_AUDIT_FORWARD="syslog:logs", STRONGROOM_AUDIT_FORWARD_CA_FILE=str(tmp_path)
    )


def test_a_second_factor_is_demanded_of_nobody_operators_or_all() -> None:
    assert load(HOME).require_second_factor == "none"
    for given in ("none", "operators", "all"):
        assert load({**HOME, "STRONGROOM_REQUIRE_SECOND_FACTOR": given}).require_second_factor == given
    for given in ("yes", "Operators", "operator"):
        assert "none, operators or all" in refusal(STRONGROOM_REQUIRE_SECOND_FACTOR=given)
