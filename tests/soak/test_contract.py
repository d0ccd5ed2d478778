"""A fuzzer compares the API with its description: schemathesis, against a real server, with each kind of credential.

`make soak`; each run makes about a tenth of SOAK_SECONDS examples for every operation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD

pytestmark = pytest.mark.timeout(3600)

PERMISSIONS = ["create", "delegate", "delete", "history", "list", "read", "update"]

ENDS_ITS_CALLER = ("/api/v1/operator/keys/reseal", "/api/v1/sessions")
"""After a success, every other call of the run would be refused: these are tried alone, after everything else."""

_RUN_SECONDS = 1500


@pytest.mark.parametrize("credential", ["nobody", "session", "token", "operator"])
def test_the_api_is_as_its_description_says(tmp_path: Path, soak_seconds: float, credential: str) -> None:
    with RunningServer(tmp_path, {"STRONGROOM_WORKERS": "1", "STRONGROOM_LOG_LEVEL": "warning"}) as server:
        secret = secrets_of(server)[credential]
        examples = max(4, int(soak_seconds / 12))
        others = [word for path in ENDS_ITS_CALLER for word in ("--exclude-path", path)]
        found = fuzzed(server, secret, examples, *others)
        for path in ENDS_ITS_CALLER:
            found += fuzzed(server, secret, examples, "--include-path", path)
        log = server.log
    faults = [fault for fault in found if not is_meant(fault)]
    counts = Counter(fault["title"] for fault in faults)
    sys.stdout.write(f"\n{credential}: {len(faults)} differences {dict(counts)}\n")
    assert faults == []
    assert "Traceback" not in log
    assert "request_failed" not in log


def is_meant(fault: Mapping[str, Any]) -> bool:
    """Whether a fault is how the API is meant to be, with the reason."""
    # Who has no valid credential does not learn which methods a path has: 401, where the fuzzer expects 405. It
    # sends no credential to the calls of a login.
    is_login = all(call.partition(" ")[2].startswith("/api/v1/sessions") for call in fault.get("operations", ["?"]))
    return bool(fault["type"] == "UnsupportedMethodResponse" and is_login)


def fuzzed(server: RunningServer, secret: str, examples: int, *options: str) -> list[dict[str, Any]]:
    """The differences that one run finds. Raises `AssertionError` if it did not test anything."""
    report = server.directory / "report.json"
    report.unlink(missing_ok=True)
    command: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"), "--config-file", Path(__file__).with_name("contract.toml"),
        "run", f"{server.url}/api/v1/openapi.json", "--checks", "all", "--max-examples", str(examples),
        "--generation-deterministic", "--no-shrink", "--tls-verify", server.ca_file,
        "--report", "json", "--report-json-path", report, "--no-color", *options,
    ]  # fmt: skip
    if secret:
        command += ["--header", f"Authorization: Bearer {secret}"]
    done = subprocess.run(
        command, cwd=server.directory, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False
    )
    assert done.returncode in (0, 1), done.stdout[-4000:] + done.stderr[-4000:]
    document = json.loads(report.read_text())
    assert document["complete"], done.stdout[-4000:]
    assert document["operations"]["tested"] == document["operations"]["selected"] > 0
    assert document["errors"] == [], document["errors"]
    found: list[dict[str, Any]] = document["failures"]
    return found


def secrets_of(server: RunningServer) -> dict[str, str]:
    """A credential of each kind, of two people who have something."""
    for name, options in (("ada", []), ("olga", ["--operator"])):
        command = [sys.executable, "-m", "vault", "user", "add", name, *options, "--password", "-"]
        subprocess.run(command, env=server.env, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True)
    session = asked(server, "POST", "/sessions", {"username": "ada", "password": PASSWORD})["secret"]
    first = {"name": "prod", "variables": [{"name": "A", "value": "1"}]}
    asked(server, "POST", "/environments", first, session)
    grant = {"path": "*", "permissions": PERMISSIONS}
    token = asked(server, "POST", "/tokens", {"name": "all", "grants": [grant]}, session)["secret"]
    # A new operator has to change the password first.
    begun = asked(server, "POST", "/sessions", {"username": "olga", "password": PASSWORD})["secret"]
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}
    operator = asked(server, "PUT", "/me/password", change, begun)["session"]["secret"]
    return {"nobody": "", "session": session, "token": token, "operator": operator}


def asked(server: RunningServer, method: str, path: str, body: Any, secret: str = "") -> Any:
    connection = server.connect()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    try:
        connection.request(method, f"/api/v1{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    assert answer.status in (200, 201), (answer.status, text)
    return json.loads(text)
