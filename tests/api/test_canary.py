"""Canaries put through every call, its failures and its crash, on a real server: where do they come out?"""

from __future__ import annotations

import base64
import json
import re
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
import pytest

from tests.api.crashing import CRASH
from tests.api.test_matrix import ALL_CASES, PERMISSIONS, Case, World
from tests.support.patience import HANG_SECONDS
from tests.support.ports import free_port
from tests.support.serving import RunningServer
from tests.support.vaults import HOST
from vault import settings
from vault.app import open_vault, prepare_vault

# Long, so that a part of one is found too; none is a word of the product's own.
PASSWORD = "canaryPasswordQ7wZ-quetzal-91"
NEW_PASSWORD = "canaryNewPasswordX4-toucan-55"
VALUE = "canaryValueK3vP-heron-28"
DESCRIPTION = "canaryDescriptionM8-ibis-77"
NAME = "CANARY_NAME_R2_STORK_63"

ENVIRONMENT = {
    "STRONGROOM_WORKERS": "1",
    "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
    "STRONGROOM_ARGON2_PASSES": "2",
    "STRONGROOM_LOG_LEVEL": "debug",
}

CRASHING: dict[str, Any] = {CRASH.replace("-", "_"): "1"}
"""The header that lets a call fail inside the first service that it reaches."""

PLAIN_FIELDS = {"name", "username", "environment", "path", "metadata"}
"""Where a text is a plain name or label, which the README says of them."""


@dataclass
class Flight:
    """What came back, and where the server may have left something."""

    server: RunningServer
    metrics_port: int
    secrets: set[str] = field(default_factory=set)
    factors: set[str] = field(default_factory=set)
    """What an authenticator app holds, and recovery codes."""
    wrong: list[tuple[str, int, bytes]] = field(default_factory=list)
    """Answers that hold a canary and should not."""
    statuses: list[int] = field(default_factory=list)
    metrics: str = ""
    while_running: bytes = b""
    """The data directory before the stop."""

    def call(
        self, method: str, path: str, body: Any = None, *, secret: str = "", raw: bytes | None = None,
        may_tell: bool = False, face: str = "/api/v1", **headers: Any
    ) -> Any:  # fmt: skip
        """One call; unless it `may_tell`, no canary may be in its answer."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret:
            sent["Authorization"] = f"Bearer {secret}"
        data = raw if body is None else json.dumps(body).encode()
        connection = self.server.connect()
        try:
            connection.request(method, face + path, data, sent)
            answer = connection.getresponse()
            told = answer.read() + str(answer.getheaders()).encode()
            text = told.partition(b"[('")[0]
        finally:
            connection.close()
        self.statuses.append(answer.status)
        forbidden = (VALUE, DESCRIPTION, PASSWORD, NEW_PASSWORD, *self.secrets, *self.factors)
        may_tell = may_tell or (method == "GET" and answer.status == 200)
        if not may_tell and any(canary.encode() in told for canary in forbidden):
            self.wrong.append((f"{method} {path}", answer.status, told))
        return json.loads(text) if text.startswith(b"{") else {}


def leaves(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every field and item in a body."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from leaves(inner, (*path, key))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = replaced(body[path[0]], path[1:], value)
    return copy


def variants(case: Case) -> Iterator[Any]:
    """The body with something wrong, or a canary, in each of its places."""
    for path in leaves(case.body):
        plain = any(step in PLAIN_FIELDS for step in path)
        wrongs: list[Any] = [[VALUE], {"x": VALUE}, {NAME: [VALUE]}, f"{VALUE}\ud800", f"{VALUE}\0"]
        for wrong in wrongs if plain else [VALUE, *wrongs]:
            yield replaced(case.body, path, wrong)
        yield replaced(case.body, path[:-1], VALUE)
    if isinstance(case.body, dict):
        yield {**case.body, "unknown": VALUE}


def fly(flight: Flight) -> None:
    """Everything that a person does, with canaries."""
    call = flight.call
    login = {"username": "ada", "password": PASSWORD}

    def log_in(password: str = PASSWORD) -> str:
        made = call("POST", "/sessions", {**login, "password": password}, may_tell=True)
        flight.secrets.add(made["secret"])
        return str(made["secret"])

    ada = log_in()
    variables = [{"name": NAME, "value": VALUE, "type": "secret", "description": DESCRIPTION}]
    body = {"name": "canaries", "description": "plain", "variables": variables}
    env = call("POST", "/environments", body, secret=ada)["id"]
    gone = call("POST", "/environments", {**body, "name": "gone"}, secret=ada)["id"]
    call("DELETE", f"/environments/{gone}", secret=ada)
    call("PATCH", f"/environments/{env}", {"description": DESCRIPTION}, secret=ada, may_tell=True)
    for place in (f"/environments/{env}", "/globals"):
        call("PATCH", f"{place}/variables", {"variables": {NAME: VALUE, "B": VALUE, "A": VALUE}}, secret=ada)
        call("PUT", f"{place}/variables/{NAME}", {"value": VALUE, "description": DESCRIPTION}, secret=ada)
        call("PUT", f"{place}/variables", {"variables": variables}, secret=ada, If_Match="*", Idempotency_Key="k")
        call("DELETE", f"{place}/variables/{NAME}", secret=ada)
        call("POST", f"{place}/rollback", {"revision": 1}, secret=ada)
        for path in ("/variables", "/values", "/values?format=dotenv", "/export", "/revisions/1", "/revisions/1/diff"):
            call("GET", place + path, secret=ada, may_tell=True)
    grant = {"environment_id": env, "permissions": PERMISSIONS}
    made = call("POST", "/tokens", {"name": "t", "grants": [grant]}, secret=ada, may_tell=True, Idempotency_Key="k")
    service = made["secret"]
    flight.secrets.add(service)
    call("GET", f"/environments/{env}/values", secret=service, may_tell=True)
    for text in (f"{NAME}={VALUE}\n", f"= {VALUE}", f"{VALUE}", f"A='{VALUE}", f'A="{VALUE}\\x', f"A={VALUE} {VALUE}"):
        for kind in ("dotenv", "json"):
            call("POST", "/import", {"environment": env, "format": kind, "text": text}, secret=ada)
    for text in (f'{{"{NAME}": "{VALUE}"', f'{{"A": {VALUE}}}', f'["{VALUE}"]', f'{{"A": {{"B": "{VALUE}"}}}}'):
        call("POST", "/import", {"environment": env, "format": "json", "text": text}, secret=ada)
    world = World(env, "canaries", gone, made["id"], "0" * 12)
    _go_wrong(flight, world, ada, service)
    _with_other_credentials(flight, env, service)
    _through_vaults_face(flight, ada)
    # Passwords and tokens that are refused.
    for password in (PASSWORD + "x", VALUE, VALUE * 60, f"{PASSWORD}\ud800", f"{PASSWORD}\0"):
        call("POST", "/sessions", {**login, "password": password})
        call("POST", "/sessions", {"username": PASSWORD, "password": password})
        call("DELETE", "/me", {"password": password}, secret=ada)
    for presented in (VALUE, service[:-1], service + "0", service[:-1] + "0", f"{service} {ada}"):
        call("GET", "/me", secret=presented)
    call("GET", "/me", Authorization=f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}")
    call("GET", f"/environments/{env}", secret=ada, Cookie=f"session={VALUE}", may_tell=True)
    changed = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    renewed = call("PUT", "/me/password", changed, secret=ada, may_tell=True)["session"]["secret"]
    flight.secrets.add(renewed)
    _with_second_factor(flight, renewed)


def _with_second_factor(flight: Flight, ada: str) -> None:
    begun = flight.call("POST", "/me/factors/totp", secret=ada, may_tell=True)
    code = pyotp.TOTP(begun["secret"]).now()
    for wrong in (VALUE[:20], "000000"):
        flight.call("POST", f"/me/factors/totp/{begun['id']}", {"code": wrong}, secret=ada)
    added = flight.call("POST", f"/me/factors/totp/{begun['id']}", {"code": code}, secret=ada, may_tell=True)
    flight.factors |= {begun["secret"], *added["recovery_codes"]}
    login = {"username": "ada", "password": NEW_PASSWORD}
    challenge = flight.call("POST", "/sessions", login)["challenge"]["id"]
    used, spare = added["recovery_codes"][:2]
    for proof in ({"recovery_code": VALUE[:20]}, {"code": used}, {"recovery_code": used, "code": spare}, {"x": spare}):
        flight.call("POST", f"/sessions/challenges/{challenge}", proof)
    made = flight.call("POST", f"/sessions/challenges/{challenge}", {"recovery_code": used}, may_tell=True)
    flight.secrets.add(made["secret"])
    flight.call("POST", f"/sessions/challenges/{challenge}", {"recovery_code": used})
    flight.call("POST", f"/sessions/challenges/{challenge}", {"recovery_code": spare}, **CRASHING)
    flight.call("GET", "/me/factors", secret=made["secret"])


def _go_wrong(flight: Flight, world: World, ada: str, service: str) -> None:
    for (method, rule), case in ALL_CASES.items():
        path = world.fill(case.path)
        matched: dict[str, Any] = {"If_Match": case.if_match} if case.if_match else {}
        # Every call crashes, as a person's and as a service's, with the canaries in hand.
        full = json.dumps(world.fill(case.body) if case.body else {}).replace('"2"', f'"{VALUE}"')
        for secret in (ada, service):
            flight.call(method, path, raw=full.encode(), secret=secret, **matched, **CRASHING)
        broken = (VALUE, f'{{"{VALUE}', f'{{"a": {VALUE}}}', f'"{VALUE}"\xff')
        for raw in (text.encode("latin-1") for text in broken):
            if case.body is not None:
                flight.call(method, path, raw=raw, secret=ada, **matched)
        if rule in ("/me", "/me/password", "/sessions", "/sessions/step-up"):
            continue
        for body in variants(case) if case.body is not None else ():
            told = method == "PATCH" and rule in ("/environments/<env>", "/globals")
            flight.call(method, path, world.fill(body), secret=ada, may_tell=told, **matched)
        if method == "GET":
            for name in ("limit", "cursor", "format", "globals", "resolve", "against", "deleted", "unknown"):
                flight.call("GET", f"{path.partition('?')[0]}?{name}={VALUE}", secret=ada)
        flight.call(method, path + "/" + quote(VALUE), secret=ada)


def basic(secret: str) -> str:
    """A token as it travels in Basic credentials."""
    return base64.b64encode(f"token:{secret}".encode()).decode()


def _with_other_credentials(flight: Flight, env: str, service: str) -> None:
    shapes: list[dict[str, Any]] = [
        {"Authorization": f"Basic {basic(service)}"}, {"X_API_Key": service}, {"Authorization": basic(service)},
        {"Authorization": f"Basic {basic(service)[:-4]}"}, {"X_API_Key": service[:-1]}, {"X_Vault_Token": service},
    ]  # fmt: skip
    for headers in shapes:
        flight.call("GET", f"/environments/{env}/values", may_tell=True, **headers)
        flight.call("PATCH", f"/environments/{env}/variables", {"variables": {NAME: VALUE}}, **headers)
        flight.call("GET", f"/environments/{env}/values", **headers, **CRASHING)


def _through_vaults_face(flight: Flight, ada: str) -> None:
    """Everything that a Vault client does, with canaries; each call fails and crashes too."""

    def call(method: str, path: str, body: Any = None, *, secret: str = ada, **more: Any) -> Any:
        headers = {"X_Vault_Token": secret} if secret else {}
        return flight.call(method, path, body, face="/v1", **more | headers)

    data, merge = {"data": {NAME: VALUE, "nested": {NAME: [VALUE]}}}, {"Content_Type": "application/merge-patch+json"}
    calls: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("PUT", "/secret/data/kv/one", data, {}),
        ("PATCH", "/secret/data/kv/one", data, merge),
        ("GET", "/secret/data/kv/one", None, {"may_tell": True}),
        ("GET", "/secret/data/kv/one?resolve=true", None, {"may_tell": True}),
        ("GET", "/secret/subkeys/kv/one", None, {"may_tell": True}),
        ("POST", "/secret/metadata/kv/one", {"custom_metadata": {"k": DESCRIPTION}}, {}),
        ("GET", "/secret/metadata/kv/one", None, {"may_tell": True}),
        ("LIST", "/secret/metadata/kv", None, {}),
        ("DELETE", "/secret/data/kv/one", None, {}),
        ("PUT", "/kv/kv/two", {NAME: VALUE}, {}),
        ("GET", "/kv/kv/two", None, {"may_tell": True}),
    ]
    for method, path, body, more in calls:
        call(method, path, body, **more)
        call(method, path, body, **more, **CRASHING)
        call(method, path, body, secret=VALUE, **{**more, "may_tell": False})
        if body is not None:
            for raw in (f'{{"data": {VALUE}', f'{{"data": "{VALUE}", "options": "{VALUE}"}}', f'["{VALUE}"]'):
                call(method, path, raw=raw.encode(), **more)
    role = call("POST", "/auth/token/create", {"policies": ["path:kv:read,delegate"]}, may_tell=True)["auth"]
    flight.secrets.add(role["client_token"])
    login = {"role_id": role["client_token"][6:18], "secret_id": role["client_token"][18:61]}
    flight.secrets.add(call("POST", "/auth/approle/login", login, may_tell=True)["auth"]["client_token"])
    call("POST", "/auth/approle/login", {**login, "secret_id": VALUE})
    call("POST", "/auth/approle/login", {**login, "role_id": VALUE})
    person = call("POST", "/auth/userpass/login/ada", {"password": PASSWORD}, secret="", may_tell=True)["auth"]
    flight.secrets.add(person["client_token"])
    for wrong in ({"password": NEW_PASSWORD}, {"password": [VALUE]}, {"password": f"{PASSWORD}\ud800"}):
        call("POST", "/auth/userpass/login/ada", wrong)
    call("POST", f"/auth/userpass/login/{PASSWORD}", {"password": PASSWORD})
    wrapped = call("POST", "/sys/wrapping/wrap", {NAME: VALUE}, may_tell=True, X_Vault_Wrap_TTL="60")["wrap_info"]
    flight.secrets.add(wrapped["token"])
    for is_first in (True, False):
        # The second time it is spent, and the answer says so without the token.
        call("POST", "/sys/wrapping/unwrap", {"token": wrapped["token"]}, secret="", may_tell=is_first)
    call("POST", "/auth/token/lookup", {"token": role["client_token"]}, may_tell=True)
    call("POST", "/auth/token/lookup", {"token": role["client_token"][:-1]})
    call("POST", "/auth/token/revoke-self", secret=person["client_token"])


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Flight:
    """A server through which all canaries have flown; it has stopped."""
    folder = tmp_path_factory.mktemp("canaries")
    port = free_port()
    places = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_METRICS_BIND": f"127.0.0.1:{port}",
        **ENVIRONMENT,
    }
    (folder / "data").mkdir()
    chosen = settings.load(places)
    prepare_vault(chosen)
    services = open_vault(chosen)
    with services.storage.write() as unit:
        services.people.accounts.add(unit, HOST, "ada", PASSWORD)
    services.storage.close()
    with RunningServer(folder, places, factory="tests.api.crashing:create_app") as server:
        found = Flight(server, port)
        fly(found)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=HANG_SECONDS) as answer:
            found.metrics = answer.read().decode()
        # Before the stop: what lies in the write-ahead log must be sealed too.
        files = [path for path in sorted(server.data_dir.rglob("*")) if path.is_file()]
        found.while_running = b"".join(path.read_bytes() for path in files)
        server.stop(signal.SIGTERM)
    return found


def forms(canary: str) -> list[bytes]:
    """A canary as it may have been written."""
    raw = canary.encode()
    hexadecimal = raw.hex().encode()
    return [raw, hexadecimal, hexadecimal.upper(), base64.b64encode(raw)[:-4], canary.encode("utf-16-le")]


def leaked(flight: Flight, data: bytes) -> list[str]:
    # Of a token, its id may be told; its secret part begins behind that.
    tokens = [secret[18:61] for secret in flight.secrets]
    travelling = [basic(secret) for secret in flight.secrets]
    canaries = [PASSWORD, NEW_PASSWORD, VALUE, DESCRIPTION, NAME, *tokens, *travelling, *flight.factors]
    return [canary for canary in canaries if any(form in data for form in forms(canary))]


def test_the_flight_went_everywhere(flight: Flight) -> None:
    # Otherwise the tests below find nothing because nothing was there.
    assert {200, 201, 204, 400, 401, 404, 422, 500} <= set(flight.statuses)
    assert flight.statuses.count(500) >= len(ALL_CASES)
    assert (len(flight.secrets) >= 3, len(flight.factors)) == (True, 11)
    assert flight.server.log.count("request_failed") >= len(ALL_CASES)


def test_no_answer_holds_a_canary_that_it_should_not(flight: Flight) -> None:
    assert flight.wrong == []


def test_no_canary_is_in_the_logs(flight: Flight) -> None:
    assert leaked(flight, flight.server.log.encode()) == []


def test_no_canary_is_in_the_metrics(flight: Flight) -> None:
    assert "strongroom_requests_total" in flight.metrics
    assert leaked(flight, flight.metrics.encode()) == []


def test_no_canary_is_in_any_file(flight: Flight) -> None:
    files = [path for path in flight.server.directory.rglob("*") if path.is_file()]
    assert {"strongroom.db", "master.json"} <= {path.name for path in files}
    assert {path.name: leaked(flight, path.read_bytes()) for path in files if leaked(flight, path.read_bytes())} == {}
    assert leaked(flight, flight.while_running) == []


def test_the_log_names_no_path_and_no_query(flight: Flight) -> None:
    routes = set(re.findall(r'"route": "([^"]*)"', flight.server.log))
    assert routes
    assert not [route for route in routes if "?" in route or re.search(r"[0-9a-f]{8}-", route)]


def test_crashes_are_logged_with_their_place_and_without_locals(flight: Flight) -> None:
    crashes = [json.loads(line) for line in flight.server.log.splitlines() if "request_failed" in line]
    assert all("crashing.py" in crash["exception"] for crash in crashes)
    assert {crash["error"] for crash in crashes} == {"RuntimeError"}


def test_a_search_for_canaries_finds_one_that_is_there(flight: Flight, tmp_path: Path) -> None:
    for form in forms(VALUE):
        assert leaked(flight, b"...." + form + b"....") == [VALUE]
