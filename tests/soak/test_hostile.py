"""All known attacks at once on one server with a memory limit, beside ordinary callers who must not notice.

`make soak`; each of the two phases goes on for half of SOAK_SECONDS, so 60 s by default.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.soak.hostile_load import ATTACKS, ORDINARY, POLITE, Loads, Seen, Session, Target, Works, bearer
from tests.soak.memory_limit import Limit, MemoryWatch, memory_limit, tree
from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD

pytestmark = pytest.mark.timeout(900)

_LIMIT_BYTES = 1024**3
_TOKENS = 300
_SOURCE = Path(os.environ.get("SOAK_SOURCE", Path(__file__).parents[2]))
"""The tree that is measured. Another one, as an older commit, is measured in the same way."""

_SLACK_BYTES = 64 * 1024**2
"""What an allocator keeps of what it was once given, for two workers."""


def test_no_attack_stops_ordinary_callers(tmp_path: Path, soak_seconds: float) -> None:
    seconds = soak_seconds / 2
    env = {"STRONGROOM_WORKERS": "2", "STRONGROOM_LOG_LEVEL": "warning"}
    with memory_limit(_LIMIT_BYTES) as limit, started(tmp_path, env, limit) as server:
        target = prepare(server)
        workers = set(tree(server.process.pid)) - {server.process.pid}
        with MemoryWatch(server.process.pid) as watch:
            base = run(target, seconds, POLITE)
            before_bytes = watch.now_bytes()
            attacked = run(target, seconds, ATTACKS)
            seconds_until_back = back_within(watch, before_bytes + _SLACK_BYTES, 60.0)
            after_bytes = watch.now_bytes()
            report(limit, base, attacked, watch, (before_bytes, after_bytes), seconds_until_back)
        survived, kills = set(tree(server.process.pid)) - {server.process.pid}, limit.kills()
    assert (kills, survived) == (0, workers)
    assert set(base["ordinary"].statuses) == {"200"}
    assert set(attacked["ordinary"].statuses) == {"200"}
    assert watch.peak_bytes < _LIMIT_BYTES
    assert p99(attacked["ordinary"]) <= 3 * p99(base["ordinary"])
    assert seconds_until_back <= 60.0


def started(folder: Path, env: dict[str, str], limit: Limit) -> RunningServer:
    with limit.inside(), contextlib.chdir(_SOURCE):
        return RunningServer(folder, env | {"PYTHONPATH": str(_SOURCE)})


def run(target: Target, seconds: float, works: Works) -> dict[str, Seen]:
    """Ordinary callers beside `works`."""
    loads = Loads(target, ORDINARY + works)
    time.sleep(seconds)
    return loads.stop()


def back_within(watch: MemoryWatch, goal_bytes: int, seconds: float) -> float:
    """How long it takes until the memory is back, at most a little more than `seconds`."""
    started_seconds = time.monotonic()
    while watch.now_bytes() > goal_bytes and time.monotonic() - started_seconds <= seconds:
        time.sleep(0.5)
    return time.monotonic() - started_seconds


def p99(seen: Seen) -> float:
    return sorted(seen.seconds)[int(len(seen.seconds) * 0.99)]


def report(
    limit: Limit,
    base: dict[str, Seen],
    attacked: dict[str, Seen],
    watch: MemoryWatch,
    held: tuple[int, int],
    back: float,
) -> None:
    lines = [
        f"limit: {limit.kind}; killed {limit.kills()}",
        f"memory: {held[0] >> 20} MiB before, {watch.peak_bytes >> 20} at most, {held[1] >> 20} after {back:.1f} s",
    ]
    for phase in (base, attacked):
        for seen in phase.values():
            if seen.seconds:
                half = sorted(seen.seconds)[len(seen.seconds) // 2]
                took = f"half in {half * 1000:.0f} ms, p99 {p99(seen) * 1000:.0f} ms"
                lines.append(f"{seen.kind}: {len(seen.seconds)} calls, {took}, {seen.statuses}")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")


# -- Who is there ----------------------------------------------------------------------------------------------


def prepare(server: RunningServer) -> Target:
    """People, environments and tokens. Calls of before make no difference: the ordinary callers are known."""
    secrets: dict[str, str] = {}
    target = Target(server.port, str(server.ca_file), secrets)
    session = Session(target)
    for name in ("ada", "mallory"):
        add_person(server, name)
        secrets[name] = ok(session, "POST", "/sessions", {"username": name, "password": PASSWORD})["secret"]
    for name in ("prod", "written-4", "written-5"):
        variables = [{"name": f"V{number}", "value": "x" * 40} for number in range(20)]
        ok(session, "POST", "/environments", {"name": name, "variables": variables, "max_versions": 5}, secrets["ada"])
    for number in range(4):
        name = f"polite-{number}"
        add_person(server, name)
        secrets[name] = ok(session, "POST", "/sessions", {"username": name, "password": PASSWORD})["secret"]
        variables = [{"name": f"V{number}", "value": "x" * 40} for number in range(20)]
        ok(session, "POST", "/environments", {"name": "prod", "variables": variables}, secrets[name])
    prepare_mallory(session, secrets)
    session.close()
    warm(target)
    return target


def prepare_mallory(session: Session, secrets: dict[str, str]) -> None:
    mallory = secrets["mallory"]
    variables = [{"name": f"V{number}", "value": "x" * 100_000} for number in range(10)]
    ok(session, "POST", "/environments", {"name": "big", "variables": variables}, mallory)
    for name, grant in (
        ("read", {"environment": "big", "permissions": ["read"]}),
        ("least", {"path": "nothing", "permissions": ["list"]}),
    ):
        secrets[name] = ok(session, "POST", "/tokens", {"name": name, "grants": [grant]}, mallory)["secret"]
    grants = [{"path": f"p{number}", "permissions": ["list"]} for number in range(64)]
    for number in range(_TOKENS):
        ok(session, "POST", "/tokens", {"name": f"n{number}", "grants": grants, "ttl_seconds": 86400}, mallory)


def warm(target: Target) -> None:
    """Let each worker fill its memos of checked rows. They have a bound of their own, and stay."""
    for _ in range(12):
        session = Session(target)
        for name in ("mallory", "ada"):
            status, _ = session.ask("LIST", "/v1/auth/token/accessors", bearer(target.secrets[name]))
            assert status in (200, 404)
        session.close()


def add_person(server: RunningServer, name: str) -> None:
    words = [sys.executable, "-m", "vault", "user", "add", name, "--password", "-"]
    subprocess.run(
        words, env=server.env, input=PASSWORD + "\n", text=True, check=True, capture_output=True, cwd=_SOURCE
    )


def ok(session: Session, method: str, path: str, body: Any, secret: str = "") -> Any:
    fields = bearer(secret) if secret else {"Content-Type": "application/json"}
    status, answer = session.ask(method, "/api/v1" + path, fields, json.dumps(body).encode())
    assert status in (200, 201), (status, answer[:500])
    return json.loads(answer)
