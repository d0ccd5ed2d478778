"""Every setting with ten wrong values each: a sentence with its name and without a secret, and nothing is made."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from vault.crypto.password import LANES_RANGE, MEMORY_RANGE_KIB, PASSES_RANGE
from vault.errors import SettingsError
from vault.keys import Providers
from vault.services.backup import recipients_of
from vault.settings import Settings, check_certificate, load, socket_address
from vault.settings.addresses import (
    DATABASE_OPTIONS,
    REDIS_OPTIONS,
    REDIS_TLS_OPTIONS,
    check_database,
    check_listener,
    check_redis,
)
from vault.settings.numbers import BOUNDS
from vault.storage.database.engine import parse_url

SECRET = "hunter2"
KINDS = {item.name: str(item.type) for item in dataclasses.fields(Settings)}
RECIPIENT = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa"
CONTROL = ["a\nb", "a\rb", "a\tb", "a\0b", "a\x1bb", "a\x7fb", "\n", "a\n", "\x01", "a\x0bb"]
WORDS = ["", "xml", "JSON", " json", "json ", "loud", "1", "yes", "info,debug", "-"]

DATABASES = [
    "postgresql://ada:hunter2@h/d?sslmod=x", "postgresql://ada:hunter2@h/d?sslmode=on",
    "postgresql://ada:hunter2@h:x/d", "postgresql://ada:hunter2@h:99999/d", "postgresql://ada:hunter2@one:1,two:2/d",
    "postgresql://ada:hunter2@one,two/d?target_session_attrs=any", "postgresql://ada:hunter2@/d?host=one&host=two",
    "postgresql://ada:hunter2@one:x,two:2/d?target_session_attrs=primary", "postgresql://ada:hunter2@,/d",
    "postgresql://ada:hunter2@/d?host=one:1&host=two:2&port=3&target_session_attrs=primary",
    "postgresql://ada:hunter2@/d?host=one,two&port=1,2,3&target_session_attrs=primary",
    "postgresql://ada:hunter2@one/d?target_session_attrs=read-only",
    "postgresql://ada:hun@hunter2@h/d", "mysql://ada:hunter2@h/d", "ada:hunter2@h/d", "host=h password=hunter2",
    "postgresql://ada:hunter2@h/d?sslrootcert=/nowhere", "postgresql://ada:hunter2@h/d?sslmode=", "sqlite://",
    "postgresql://ada:hunter2@h/d\n", "postgresql://ada:hunter2@[::1/d", "postgresql://ada:hunter2@1.2.3.999/d",
    "postgresql://h/ada:x?hunter2@h", "sqlite:///:memory:", "sqlite:////x.db?mode=ro", " postgresql://ada:hunter2@h/d",
    "postgresql://ada:hunter2@h/d?target_session_attrs=writable", "postgresql://ada:hunter2@/d?host=a:0",
]  # fmt: skip
REDISES = [
    "redis://:hunter2@h:6379/0?foo=bar", "localhost:6379", "http://h", "redis://:hunter2@h:x", "redis://:hunter2@h:0",
    "redis://:hunter2@h/zero", "redis://:hunter2@", "redis://:x?hunter2@h", "redis://:x#hunter2@h", "unix://",
    "redis://:hunter2@h?db=one", "redis://:hunter2@h?ssl_ca_certs=/x", "rediss://:hunter2@h?ssl_ca_certs=/nowhere",
    "redis://:hun@hunter2@h", "redis://:hunter2@h/0\n", "redis://:hunter2@h?db=1&db=2", "redis://:hunter2@[::1",
]  # fmt: skip
LISTENERS = ["18443", "localhost", ":", "127.0.0.1:84430", "h:x", "h h:1", "::1:80", "[::1]", "999.1.1.1:80",
             "[::g]:80", "https://h:443", "h:-1", "h:80/", "h:80,i:80", "a..b:80"]  # fmt: skip
SERVICES = ["h", "http://h:8200", "https://", "https://ada:hunter2@h", "https://h/v1", "https://h?x=hunter2", "ftp://h",
            "https://h:99999", "https://h:x", "https://h h", "https://h\n", "https://1.2.3.999"]  # fmt: skip
NETWORKS = ["proxy.local", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "::1/129", "::g", "10.0.0.1 10.0.0.2", "*", "all",
            "10.0.0.0-10.0.0.9", "10.0.0.1:80", "[::1]", "10.0.0.0/8;10.1.0.0/16"]  # fmt: skip

TEXTS: dict[str, list[str]] = {
    "database_url": DATABASES,
    "redis_url": REDISES,
    "bind": ["", *LISTENERS],
    "metrics_bind": LISTENERS,
    "transit_url": SERVICES,
    "aws_kms_endpoint": SERVICES,
    "public_url": [
        "http://h", "https://h/", "https://h/path", "https://ada:hunter2@h", "https://H", "https://h:443", "https://h:0",
        "https://", "https://h\n", "h", "https://h:99999", "https://1.2.3.999", "https://a..b",
    ],
    "audit_forward": [
        "syslog+udp:logs", "https://logs", "syslog+tls:", "syslog+tls", "syslog:logs:0", "syslog:logs:65536", "file:x",
        "syslog:a..b", f"syslog:{'a' * 64}", "file:/nowhere/x", "file:/", "syslog:logs:514/x",
    ],
    "backup_to": [
        "x", "/x", "dir:x", "dir:", "s3:/b", "s3://", "s3://B", "s3://b", "http://b", "dir:/dev/null", "dir:/a,x",
    ],
    "backup_recipients": [
        "age1", "x", "AGE1" + "q" * 58, "age1" + "b" * 58, "age1" + "q" * 57, "age1" + "q" * 59, "ssh-ed25519 AAAA",
        "age1" + "q" * 58 + ";x", "AGE-SECRET-KEY-1", ",", "age1" + "q" * 58, f"{RECIPIENT}x", RECIPIENT[:-1],
        f"{RECIPIENT},{RECIPIENT[:-1]}q", f"{RECIPIENT} {RECIPIENT}",
    ],
    "security_contact": [
        "x@y", "mailto:", "http://h", "mailto:a b", "h", "tel:", "https://", "a\nb", "mailto:a\r", "-",
    ],
    "require_second_factor": [*WORDS, "operator", "OPERATORS"],
    "log_level": WORDS,
    "log_format": [word for word in WORDS if word] + ["", "text", "info"],
    "key_provider": ["x", "FILE", "file ", "aws", "kms", "vault", "hsm", "", "file,transit", "none"],
    "aws_kms_key_id": ["a b", "a,b", "ä", "*", "a?b", "a\nb", "a'b", 'a"b', "a;b", "{a}"],
    "aws_kms_region": [
        "x", "EU-CENTRAL-1", "eu_central_1", "eu central", "eu-", "-1", "eu\n", "*", "eu-central-1,x", "1",
    ],
    "pkcs11_token": ["x" * 33, *CONTROL],
    "transit_mount": ["", "/x", "x//y", "..", "a b", "a\nb", "a?b", "ä", "a%2Fb", "../x"],
    "transit_namespace": ["/x", "x//y", "..", "a b", "a\nb", "a?b", "ä", "a%2Fb", "../x", "a:b"],
    "transit_token": [
        f"hunter2{more}x" for more in (" ", "\n", "\t", "ä", "\r", "\0", "\x7f", "\u00a0", "\u200b", "\ufeff")
    ],
}  # fmt: skip

FILES = [
    "absent", "empty", "folder", "~/x", "file/below", "folder/absent", "loop", "x" * 300, "broken", "fifo-less/none",
]  # fmt: skip
FOLDERS = ["file", "file/below", "file/a/b", "~/x", "~", "loop", "x" * 300, "x" * 256 + "/y", "empty", "empty/x"]
KEPT = ["folder", "file/below", "file/a/b", "~/x", "~", "loop", "x" * 300, "x" * 256 + "/y", "empty/x", "loop/x"]
PEM = ["file", "garbage", "half", "latin"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with files of every wrong kind."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "garbage").write_bytes(bytes(range(256)))
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    (tmp_path / "half").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN PRIVATE KEY-----\n")
    return tmp_path


def wrong_numbers(name: str) -> list[str]:
    least, most = BOUNDS[name]
    texts = [str(int(most) + 1), "", " ", "many", "1e3", "0x10", "1_0", "\u0663", "nan", "inf", "-1", "9" * 30, "1,5"]
    return texts if KINDS[name] == "float" else [*texts, "1.5", str(int(least) - 1)]


def wrong(name: str, home: Path) -> list[str]:
    """Return wrong values of a setting; what is written in tables above, or what its kind tells."""
    if name in TEXTS:
        return TEXTS[name]
    if KINDS[name] in ("int", "float"):
        return wrong_numbers(name)
    if KINDS[name] == "bool":
        return ["perhaps", "2", "-1", "on", "off", "y", "n", "True!", "0.0", "null"]
    if KINDS[name].startswith("tuple"):
        return NETWORKS
    texts = {"data_dir": FOLDERS, "keyring": KEPT, "backup_key": KEPT}.get(name, FILES)
    if name in ("tls_cert", "tls_key", "transit_ca_file", "audit_forward_ca_file"):
        texts = [*texts, *PEM]
    return [text if text.startswith("~") else str(home / text) for text in texts]


def beside(name: str, home: Path) -> Mapping[str, str]:
    """Return what a setting needs beside it, so that only its own value is wrong."""
    if name == "tls_key":
        return {"STRONGROOM_TLS_CERT": str(home / "half")}
    if name == "tls_cert":
        return {"STRONGROOM_TLS_KEY": str(home / "half")}
    return {"STRONGROOM_AUDIT_FORWARD": "syslog+tls:logs"} if name == "audit_forward_ca_file" else {}


def start(given: Mapping[str, str]) -> None:
    """Do what `serve` does before it makes anything."""
    settings = load(given)
    check_certificate(settings)
    recipients_of(settings.backup_recipients)
    Providers(settings, "an id")


SECRETS = ("passphrase", "pkcs11_pin")
"""Every text may be one of these: only their files can be wrong."""


@pytest.mark.parametrize("name", sorted(set(KINDS) - set(SECRETS)))
def test_a_wrong_value_is_refused_with_the_settings_name(home: Path, name: str) -> None:
    values = wrong(name, home)
    assert len(set(values)) >= 10
    before = sorted(home.rglob("*"))
    for value in values:
        with pytest.raises(SettingsError) as caught:
            start({"HOME": str(home), **beside(name, home), f"STRONGROOM_{name.upper()}": value})
        said = str(caught.value)
        assert f"STRONGROOM_{name.upper()}" in said, (value, said)
        assert SECRET not in said, value
        assert said[-1] in ".?", said
        assert len(said) < 1000, said
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("name", ["database_url", "redis_url", *SECRETS])
def test_a_secrets_file_that_is_wrong_is_named(home: Path, name: str) -> None:
    for path in ("absent", "folder", "latin", "loop", "broken", "file/below", "x" * 300, "", "~/x", "folder/absent"):
        with pytest.raises(SettingsError, match=f"STRONGROOM_{name.upper()}_FILE"):
            load({"HOME": str(home), f"STRONGROOM_{name.upper()}_FILE": str(home / path) if path else str(home)})


def test_a_recipient_with_any_one_wrong_character_is_refused() -> None:
    assert len(recipients_of(f" {RECIPIENT} , {RECIPIENT},")) == 2
    for place, right in enumerate(RECIPIENT):
        for wrong_one in {"q", "z", "2", "b", "1", "Q"} - {right}:
            text = RECIPIENT[:place] + wrong_one + RECIPIENT[place + 1 :]
            with pytest.raises(SettingsError, match="STRONGROOM_BACKUP_RECIPIENTS") as caught:
                recipients_of(text)
            assert text not in str(caught.value)


def test_every_number_has_bounds_and_its_default_lies_within_them() -> None:
    numbers = {item.name: item.default for item in dataclasses.fields(Settings) if str(item.type) in ("int", "float")}
    assert set(numbers) == set(BOUNDS)
    for name, default in numbers.items():
        least, most = BOUNDS[name]
        assert isinstance(default, int | float)
        assert least <= default <= most, name


def test_the_bounds_of_argon2_are_those_that_a_stored_hash_may_have() -> None:
    ranges = {"argon2_memory_kib": MEMORY_RANGE_KIB, "argon2_passes": PASSES_RANGE, "argon2_lanes": LANES_RANGE}
    assert {name: BOUNDS[name] for name in ranges} == ranges


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8443", (socket.AF_INET, "127.0.0.1", 8443)),
        (":8443", (socket.AF_INET, "", 8443)),
        ("[::1]:8443", (socket.AF_INET6, "::1", 8443)),
        ("vault.example:1", (socket.AF_INET, "vault.example", 1)),
    ],
)
def test_a_listener_has_a_family_a_host_and_a_port(bind: str, address: tuple[socket.AddressFamily, str, int]) -> None:
    check_listener("STRONGROOM_BIND", bind)
    assert socket_address(bind) == address


def test_a_misspelt_name_is_told_the_name_that_was_meant() -> None:
    for given, meant in (("WORKRES", "WORKERS"), ("DATABASE_URI", "DATABASE_URL"), ("LOGLEVEL", "LOG_LEVEL")):
        with pytest.raises(SettingsError, match=f"Did you mean STRONGROOM_{meant}"):
            load({"HOME": "/h", f"STRONGROOM_{given}": "x"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:p%40ss@h.example:5432/d?sslmode=verify-full&sslrootcert=system",
        "postgres://ada@/d?host=one.example:5432&host=two.example:5433&target_session_attrs=read-write",
        "postgresql://ada@/d?host=one,two&port=5432,5433&target_session_attrs=primary", "postgresql:///d?host=%2Frun%2Fpostgresql&port=5433",
        "postgresql+psycopg://ada@[fd00::1]:5432/d", "postgresql://ada:a b@10.0.0.1/d", "sqlite:////srv/my data/v.db",
        "postgresql://h", "sqlite:///here.db", "postgresql://ada:p@one:1,two:2/d?target_session_attrs=read-write",
        "postgres://one,two.example:5433?target_session_attrs=primary&sslmode=require",
    ],
)  # fmt: skip
def test_an_address_of_a_database_is_taken(url: str) -> None:
    check_database(url)


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://ada:p@one:1,two:2/d?target_session_attrs=primary", "one,two", "1,2"),
        ("postgresql://one,two:2/d?target_session_attrs=primary", "one,two", ",2"),
        ("postgresql://ada:a,b@one,two/d?target_session_attrs=primary", "one,two", ","),
        ("postgresql://ada:a,b@one:5/d", "one", 5),
    ],
)
def test_several_hosts_reach_the_driver_as_the_operator_wrote_them(url: str, hosts: str, ports: object) -> None:
    parsed = parse_url(url)
    _, given = parsed.get_dialect()().create_connect_args(parsed)
    assert (given["host"], given.get("port")) == (hosts, ports)
    assert given["dbname"] == "d"


def test_libpq_knows_every_option_that_an_address_may_have() -> None:
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    # An older libpq lacks the newest of them.
    assert DATABASE_OPTIONS - known <= {
        "sslnegotiation",
        "load_balance_hosts",
        "require_auth",
        "sslcertmode",
        "gssdelegation",
    }


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://:p%40ss@h:6379/0", "rediss://ada:p@[fd00::1]:6379/1?ssl_cert_reqs=required&protocol=3",
        "unix:///run/redis.sock?db=2", "rediss://h?ssl_check_hostname=true&client_name=vault&db=3",
    ],
)  # fmt: skip
def test_an_address_of_redis_is_taken_and_redis_takes_it_too(url: str) -> None:
    import redis

    check_redis(url)
    assert "client_name" in REDIS_OPTIONS < REDIS_OPTIONS | REDIS_TLS_OPTIONS
    redis.Redis.from_url(url).connection_pool.make_connection()
