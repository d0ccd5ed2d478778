"""What is shipped around the code: the wheel, the locks, the image, compose, the proxy, the systemd unit, make.

Linters read these files in `make lint`; here are the facts that no linter knows, tried with the real programs.
"""

from __future__ import annotations

import configparser
import dataclasses
import http.client
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import struct
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.patience import HANG_SECONDS, in_time
from tests.support.ports import free_port
from tests.support.programs import run, started
from tests.support.serving import RunningServer
from vault import __version__, settings
from vault.observe import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
LOCKS = DEPLOY / "requirements"
TOY = "tests.integration.server.toy:create_app"


# -- The distribution ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built in a copy of the sources: a build leaves things behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "vault", source / "vault", ignore=shutil.ignore_patterns("__pycache__"))
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "out", source)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (source / "out").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "vault").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == expected
    assert "vault/py.typed" in shipped


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    info = f"strongroom-{__version__}.dist-info"
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0 AND BSD-3-Clause AND MIT\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "strongroom = vault.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


BLOCKED_IMPORT = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} belongs to the server", name=name)

blocked = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Blocker())
import vault.client
from vault.__main__ import main
sys.argv[1:] = ["--help"]
main()
"""


def test_the_sdk_and_the_command_work_without_the_server_s_packages() -> None:
    server_only = "flask,flask_smorest,marshmallow,gunicorn,h2,argon2,redis,sqlalchemy,alembic,psycopg,structlog"
    found = run(sys.executable, "-c", BLOCKED_IMPORT, f"{server_only},prometheus_client", cwd=ROOT)
    assert found.returncode == 0, found.stderr
    assert "run" in found.stdout


PROGRAM = """
from vault.client import Client, Grant

with Client() as client:
    reveal_type(client.values("prod"))
    reveal_type(client.values("prod")["BUCKET"])
    reveal_type(client.environment("prod").variables()[0])
    reveal_type(client.environment("prod").set("A", "1", type="secret"))
    reveal_type(client.environments.list())
    reveal_type(client.tokens.create("web", [Grant(("read",), path="*")]).secret)
    client.environments.create("prod", descripton="what it is for")
    client.environment("prod").set("A", "1", type="hidden")
    client.values("prod")["PORT"] + 1
"""
"""What somebody may write who has installed the wheel; the last three lines are mistakes."""


def test_a_program_over_the_installed_sdk_is_checked_by_its_types(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    assert run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv").returncode == 0
    (packages,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    wheel.extractall(packages)
    (tmp_path / "program.py").write_text(PROGRAM)
    options = ("--strict", "--no-error-summary", "--cache-dir", tmp_path / "cache")
    python = tmp_path / "venv" / "bin" / "python"
    told = run(sys.executable, "-m", "mypy", *options, "--python-executable", python, "program.py", cwd=tmp_path)
    lines = re.findall(r"^program.py:(\d+): (?:note: Revealed type is \"(.*)\"|error: .*\[(.*)\])$", told.stdout, re.M)
    assert [(int(line), kind or code) for line, kind, code in lines] == [
        (5, "vault.client.values.Values"),
        (6, "str"),
        (7, "vault.model.environment.Variable"),
        (8, "vault.client.answers.RevisionNumber"),
        (9, "list[vault.client.answers.Environment]"),
        (10, "str"),
        (11, "call-arg"),
        (12, "arg-type"),
        (13, "operator"),
    ], told.stdout + told.stderr


# -- The locks -------------------------------------------------------------------------------------------------


def _locked(name: str) -> dict[str, str]:
    lines = (LOCKS / f"{name}.txt").read_text().splitlines()
    pins = (line.removesuffix(" \\").split("==") for line in lines if line and line[0] not in " #")
    return {canonicalize_name(package): version for package, version in pins}


def _required(*extras: str) -> list[Requirement]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    texts = [parser["options"]["install_requires"]]
    texts += [parser["options.extras_require"][extra] for extra in extras]
    return [Requirement(line) for text in texts for line in text.split("\n") if line]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("base", ()),
        ("server", ("server",)),
        ("providers", ("server", "awskms", "pkcs11", "s3")),
        ("dev", ("server", "async", "awskms", "pkcs11", "s3", "dev")),
        ("docs", ("docs",)),
        ("audit", ("audit",)),
        ("soak", ("soak",)),
    ],
)
def test_a_lock_meets_every_requirement_of_setup_cfg(lock: str, extras: tuple[str, ...]) -> None:
    locked = _locked(lock)
    for requirement in _required(*extras):
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize("lock", ["base", "server", "providers", "build"])
def test_every_lock_says_what_the_widest_one_says(lock: str) -> None:
    assert _locked(lock).items() <= _locked("dev").items()


@pytest.mark.parametrize("lock", ["docs", "audit", "soak"])
def test_the_lock_of_a_tool_changes_no_version_that_everything_else_has(lock: str) -> None:
    widest = _locked("dev")
    assert {name: version for name, version in _locked(lock).items() if widest.get(name, version) != version} == {}


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_holds_hashes_and_names_no_index(path: Path) -> None:
    text = path.read_text()
    pins = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^ *#.*\n?", "", text).strip())
    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


# -- The image -------------------------------------------------------------------------------------------------

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_image_runs_as_nobody_special_and_its_settings_are_known(tmp_path: Path) -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)", final, re.MULTILINE) == ["10001:10001"]
    environ = dict(re.findall(r"(STRONGROOM_\w+)=(\S+)", final))
    loaded = settings.load(environ)
    volumes = json.loads(re.findall(r"^VOLUME (.*)", final, re.MULTILINE)[0])
    assert [str(loaded.data_dir), str(loaded.keyring.parent)] == volumes
    assert not re.search(r"(?i)(password|secret|token|database_url|redis_url)=", final)


def test_nothing_but_what_is_needed_can_get_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")} - {"deploy"}
    assert {word.rpartition("/")[0] if word.startswith("deploy/") else word for word in copied} == allowed


def test_the_image_takes_the_lock_that_is_chosen() -> None:
    assert re.findall(r"^ARG LOCK=(\w+)$", DOCKERFILE, re.MULTILINE) == ["server"]
    copied = re.findall(r"deploy/requirements/(\w+)\.txt", DOCKERFILE)
    assert {"server", "providers"} < set(copied)
    assert '-r "${LOCK}.txt"' in DOCKERFILE
    # What the larger lock adds is what the providers need, and all that the server needs is in it.
    pins = {name: set(re.findall(r"^[\w.-]+==\S+", (LOCKS / f"{name}.txt").read_text(), re.M)) for name in copied}
    assert pins["server"] < pins["providers"]
    assert {pin.partition("==")[0] for pin in pins["providers"] - pins["server"]} >= {"boto3", "python-pkcs11"}


# -- The secrets, the proxy ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secrets_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an operator gets from make-secrets.sh."""
    directory = tmp_path_factory.mktemp("deployment") / "secrets"
    made = run(DEPLOY / "scripts/make-secrets.sh", "localhost", directory)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    return directory


def test_secrets_are_closed_to_others_and_stay_as_they_are_on_a_second_run(secrets_directory: Path) -> None:
    before = {path.name: path.read_text() for path in secrets_directory.iterdir()}
    assert secrets_directory.stat().st_mode & 0o777 == 0o700
    assert run(DEPLOY / "scripts/make-secrets.sh", "elsewhere", secrets_directory).returncode == 0
    assert {path.name: path.read_text() for path in secrets_directory.iterdir()} == before


@pytest.mark.parametrize(
    "left",
    [["strongroom_tls.key"], ["redis_tls.key", "redis_tls.pem", "proxy.pem"], ["metrics.pem", "prometheus.key"], []],
    ids=lambda left: ",".join(left) or "nothing",
)
def test_secrets_of_a_run_that_was_cut_off_are_made_again(
    secrets_directory: Path, tmp_path: Path, left: list[str]
) -> None:
    """The files that were left belong to an authority whose key is gone."""
    for name in left:
        shutil.copy(secrets_directory / name, tmp_path / name)
    assert run(DEPLOY / "scripts/make-secrets.sh", "localhost", tmp_path).returncode == 0
    for name in ("strongroom_tls", "postgres_tls", "redis_tls", "strongroom_client", "proxy", "metrics"):
        verified = run("openssl", "verify", "-CAfile", tmp_path / "internal_ca.pem", tmp_path / f"{name}.pem")
        assert verified.returncode == 0, verified.stderr
        key = tmp_path / (f"{name}.pem" if name in ("proxy", "metrics") else f"{name}.key")
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tmp_path / f"{name}.pem", key)


def test_a_real_certificate_of_the_proxy_stays(tmp_path: Path) -> None:
    (tmp_path / "proxy.pem").write_text("bought elsewhere")
    assert run(DEPLOY / "scripts/make-secrets.sh", "localhost", tmp_path).returncode == 0
    assert (tmp_path / "proxy.pem").read_text() == "bought elsewhere"


@pytest.mark.parametrize(
    "gone", ["redis_tls.pem", "strongroom_client.key", "metrics.pem", "metrics_ca.pem", "proxy.pem"]
)
def test_secrets_that_cannot_be_added_are_named(secrets_directory: Path, tmp_path: Path, gone: str) -> None:
    """As after an upgrade from a release whose compose file needed fewer."""
    made = shutil.copytree(secrets_directory, tmp_path / "secrets")
    (made / gone).unlink()
    found = run(DEPLOY / "scripts/make-secrets.sh", "localhost", made)
    assert (found.returncode, found.stdout) == (1, "")
    assert f": {gone}. The authority's key is gone" in found.stderr


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that arrived."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream(secrets_directory: Path) -> Iterator[int]:
    """The port of a TLS server with the certificate that the vault would have."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secrets_directory / "strongroom_tls.pem", secrets_directory / "strongroom_tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def proxy(upstream: int, secrets_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a HAProxy that runs the file we ship; only addresses and paths are changed."""
    port = free_port()
    text = (DEPLOY / "haproxy.cfg").read_text()
    text = text.replace("/run/secrets", str(secrets_directory)).replace("bind :8443", f"bind 127.0.0.1:{port}")
    text = text.replace("server strongroom strongroom:8443", f"server strongroom 127.0.0.1:{upstream}")
    path = tmp_path_factory.mktemp("proxy") / "haproxy.cfg"
    path.write_text(text)
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "haproxy is not installed; `make test` installs it on Debian and Ubuntu."
    checked = run(program, "-c", "-dW", "-f", path)
    assert checked.returncode == 0, checked.stderr
    with started([program, "-db", "-f", str(path)], port, path.parent):
        yield port


def _headers_seen(port: int, secrets_directory: Path, sent: dict[str, str]) -> dict[str, str]:
    context = ssl.create_default_context(cafile=str(secrets_directory / "internal_ca.pem"))
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=HANG_SECONDS)
    try:
        connection.request("GET", "/", headers=sent)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        seen: dict[str, str] = json.loads(response.read())
        return seen
    finally:
        connection.close()


def test_the_proxy_tells_the_vault_who_calls_and_believes_no_caller(proxy: int, secrets_directory: Path) -> None:
    lies = [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "x-forwarded-host",
        "X-Real-IP",
        "X-Client-Cert",
        "X_Client_Cert",
        "Forwarded",
    ]
    seen = _headers_seen(proxy, secrets_directory, dict.fromkeys(lies, "203.0.113.9"))
    assert "203.0.113.9" not in seen.values()
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"


def test_the_proxy_cuts_a_slow_caller_and_serves_the_others_meanwhile(proxy: int, secrets_directory: Path) -> None:
    context = ssl.create_default_context(cafile=str(secrets_directory / "internal_ca.pem"))
    started = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", proxy), timeout=HANG_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as slow,
    ):
        slow.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nno more than this")
        assert _headers_seen(proxy, secrets_directory, {})
        assert b" 408 " in slow.recv(1000)
    seconds = time.monotonic() - started
    assert seconds > 4
    assert in_time(seconds, 8)


def test_the_image_s_health_check_is_healthy_on_an_answer_and_not_without(upstream: int) -> None:
    command = json.loads(re.findall(r"^    CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0])
    for port, code in ((upstream, 0), (free_port(), 1)):
        script = command[2].replace(":8443", f":{port}")
        assert run(sys.executable, command[1], script).returncode == code


# -- Compose ---------------------------------------------------------------------------------------------------

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_container_is_locked_down_and_has_a_health_check(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= service.keys()
    # The image that this repository builds brings its own check. Other images have none.
    assert "healthcheck" in service or ("build" in service and "HEALTHCHECK" in DOCKERFILE)
    assert ("ports" in service) == (name == "proxy")


def test_only_the_proxy_s_network_has_a_way_out() -> None:
    outward = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}
    assert outward == {"front"}
    assert [name for name, service in SERVICES.items() if "front" in service.get("networks", ())] == ["proxy"]
    # It is where the vault is, and listens there.
    assert [name for name, service in SERVICES.items() if "networks" not in service] == ["metrics"]
    assert SERVICES["metrics"]["network_mode"] == "service:strongroom"


def _settings_of_compose(secrets_directory: Path) -> dict[str, str]:
    environ = SERVICES["strongroom"]["environment"]
    key = secrets_directory / "strongroom_client.key"
    return {
        name: value.replace("/tmp/client.key", str(key)).replace("/run/secrets", str(secrets_directory))
        for name, value in environ.items()
    }


def test_compose_s_settings_are_known_and_name_the_proxy(secrets_directory: Path) -> None:
    loaded = settings.load(_settings_of_compose(secrets_directory))
    assert not loaded.embedded
    assert loaded.redis_url.startswith("rediss://")
    assert loaded.metrics_bind.startswith("127.0.0.1:")
    proxy_address = SERVICES["proxy"]["networks"]["middle"]["ipv4_address"]
    assert [str(network) for network in loaded.trusted_proxies] == [f"{proxy_address}/32"]


def test_every_secret_of_compose_is_a_file_that_make_secrets_makes(secrets_directory: Path) -> None:
    files = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    made = {path.name for path in secrets_directory.iterdir()}
    assert files <= made
    assert {name for service in SERVICES.values() for name in service.get("secrets", ())} == set(COMPOSE["secrets"])
    # What is left is for Prometheus.
    assert made - files == {"prometheus.pem", "prometheus.key"}


def test_compose_has_no_password(secrets_directory: Path) -> None:
    made = {path.name for path in secrets_directory.iterdir()}
    assert all(name.endswith((".pem", ".key")) for name in made)
    loaded = settings.load(_settings_of_compose(secrets_directory))
    assert urlsplit(loaded.database_url).password is None
    assert urlsplit(loaded.redis_url).password is None
    assert "PASSWORD" not in "".join(SERVICES["postgres"]["environment"])


# -- systemd ---------------------------------------------------------------------------------------------------

UNIT = (DEPLOY / "systemd/strongroom.service").read_text()


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    assert UNIT.count("\nExecStart=") == 1
    program = shutil.which("systemd-analyze")
    if program is None:
        # Not every system is systemd's, and no unit is started on this one; the facts below hold all the same.
        return
    path = tmp_path / "strongroom.service"
    # The program is not installed here, which systemd would report.
    path.write_text(UNIT.replace("/opt/strongroom/bin/strongroom", sys.executable))
    verified = run(program, "verify", path)
    # It exits 0 on keys that it does not know, so what it prints is what counts.
    complaints = [line for line in (verified.stdout + verified.stderr).splitlines() if "strongroom" in line]
    assert complaints == []


def test_the_server_tells_systemd_from_its_main_process_when_it_is_ready(tmp_path: Path) -> None:
    assert "\nType=notify\nNotifyAccess=main\n" in UNIT
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(5)
        systemd.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with RunningServer(tmp_path, {"NOTIFY_SOCKET": str(address)}, factory=TOY) as server:
            message, credentials, _, _ = systemd.recvmsg(1000, 100)
            assert message.startswith(b"READY=1")
            assert struct.unpack("3i", credentials[0][2])[0] == server.process.pid


def test_the_unit_s_settings_are_known(tmp_path: Path, secrets_directory: Path) -> None:
    credentials = {
        "database_url": "postgresql://db/strongroom\n",
        "redis_url": "redis://cache/0\n",
        "tls.pem": (secrets_directory / "strongroom_tls.pem").read_text(),
        "tls.key": (secrets_directory / "strongroom_tls.key").read_text(),
    }
    assert set(re.findall(r"^LoadCredential=(\S+?):", UNIT, re.MULTILINE)) == set(credentials)
    for name, content in credentials.items():
        (tmp_path / name).write_text(content)
    environ = dict(re.findall(r"^Environment=(STRONGROOM_\w+)=(.*)$", UNIT, re.MULTILINE))
    loaded = settings.load({name: value.replace("%d", str(tmp_path)) for name, value in environ.items()})
    directories = {str(loaded.data_dir), str(loaded.keyring.parent)}
    stated = re.findall(r"^StateDirectory=(.*)$", UNIT, re.MULTILINE)[0].split()
    assert directories == {f"/var/lib/{name}" for name in stated}


def test_systemd_waits_longer_than_the_server_takes_to_stop(tmp_path: Path) -> None:
    longest = settings.load({"STRONGROOM_DATA_DIR": str(tmp_path)}).graceful_timeout_seconds
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)[0]) > longest
    assert int(SERVICES["strongroom"]["stop_grace_period"].removesuffix("s")) > longest


# -- The runbook -----------------------------------------------------------------------------------------------


def test_the_runbook_speaks_of_settings_and_metrics_that_exist(tmp_path: Path) -> None:
    text = (DEPLOY / "RUNBOOK.md").read_text()
    known = {f"{settings.PREFIX}{field.name.upper()}" for field in dataclasses.fields(settings.Settings)}
    named = set(re.findall(r"STRONGROOM_[A-Z_]*[A-Z]", text))
    assert {name.removesuffix("_FILE") for name in named} <= known
    exported = {family.name for family in Metrics().registry.collect()}
    shown = {name.removesuffix("_total") for name in re.findall(r"`[^`]*?\b(strongroom_(?!tls)[a-z_]+)", text)}
    assert shown <= exported
    assert "strongroom_integrity_errors" in shown


# -- make ------------------------------------------------------------------------------------------------------


def test_make_alone_lists_what_the_readme_promises() -> None:
    listed = run("make", "--no-print-directory", cwd=ROOT).stdout
    for target in ("help", "setup", "demo", "serve", "test", "lint", "bench", "soak"):
        assert f"make {target} " in listed


def test_the_demo_does_the_main_job(tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    told = run(sys.executable, DEPLOY / "demo.py", env=env)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "BUCKET is shop-eu-west-1" in told.stdout
    assert list(tmp_path.glob("strongroom-demo-*")) == []


def test_a_machine_without_a_fit_python_is_told_so(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    found = run("/bin/sh", DEPLOY / "scripts/find-python.sh", env={"PATH": str(tmp_path)})
    assert found.returncode == 1
    assert "Python 3.11 or newer" in found.stderr


def test_a_machine_without_servers_and_without_apt_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "ls").symlink_to("/bin/ls")
    found = run("/bin/sh", DEPLOY / "scripts/install-test-servers.sh", env={"PATH": str(tmp_path)})
    assert found.returncode == 1
    assert "redis-server" in found.stderr
    assert "package manager" in found.stderr
