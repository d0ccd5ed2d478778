"""Measures how much memory a worker keeps after a burst of large calls, with and without the allocator's settings."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from tests.bench.table import Line
from tests.soak.memory_limit import tree
from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD

_PEOPLE = 6
_CLIENTS = 60
_BURST_SECONDS = 15.0
_IDLE_SECONDS = 26.0
"""The wait for a trim. The worker trims its heaps once in ten seconds."""
_ENVIRONMENT = "/api/v1/environments/big"
_LARGE = [{"name": f"V{number}", "value": "x" * 100_000} for number in range(10)]
# Too many variables. The server finds this only after it has parsed all of them.
_REFUSED = json.dumps({"variables": [{"name": f"N{n}", "value": "y" * 30} for n in range(20_000)]}).encode()
_WITHOUT = """
from vault.server import allocator
allocator.give_memory_back = allocator.trim = lambda: None
"""


def kept() -> list[Line]:
    """Return a line for an unchanged worker, and one for a worker whose allocator has glibc's own settings."""
    return [_line("as it is", ""), _line("glibc's own settings", _WITHOUT)]


def _line(name: str, patch: str) -> Line:
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        # Python imports `sitecustomize` at its start.
        (Path(folder) / "sitecustomize.py").write_text(patch)
        path = f"{folder}:{Path(__file__).parents[2]}"
        env = {"STRONGROOM_WORKERS": "1", "STRONGROOM_LOG_LEVEL": "warning", "PYTHONPATH": path}
        with RunningServer(Path(folder), env) as server:
            (worker,) = set(tree(server.process.pid)) - {server.process.pid}
            secrets = [_person(server, f"person-{number}") for number in range(_PEOPLE)]
            before = _private_mebibytes(worker)
            peak = max(_burst(server, secrets, worker))
            time.sleep(_IDLE_SECONDS)
            after = _private_mebibytes(worker)
    return Line(f"memory: {name}", "", f"{before} MiB before a burst, {peak} at most, {after} when it was idle again")


def _person(server: RunningServer, name: str) -> str:
    """Add a person with an environment of 1 MB, and return the secret of their session."""
    words = [sys.executable, "-m", "vault", "user", "add", name, "--password", "-"]
    subprocess.run(words, env=server.env, input=PASSWORD + "\n", text=True, check=True, capture_output=True)
    login = json.dumps({"username": name, "password": PASSWORD}).encode()
    secret: str = json.loads(_ask(server, "POST", "/api/v1/sessions", login))["secret"]
    body = json.dumps({"name": "big", "variables": _LARGE}).encode()
    _ask(server, "POST", "/api/v1/environments", body, secret)
    _ask(server, "GET", f"{_ENVIRONMENT}/values", None, secret)
    return secret


def _burst(server: RunningServer, secrets: list[str], worker: int) -> Iterator[int]:
    """Yield the worker's memory again and again while clients read and write large bodies."""
    end = time.monotonic() + _BURST_SECONDS

    def work(number: int) -> None:
        secret = secrets[number % _PEOPLE]
        while time.monotonic() < end:
            with contextlib.suppress(OSError, HTTPException):
                if number % 2:
                    _ask(server, "GET", f"{_ENVIRONMENT}/values?format=json", None, secret)
                else:
                    _ask(server, "PUT", f"{_ENVIRONMENT}/variables", _REFUSED, secret)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        yield _private_mebibytes(worker)
        time.sleep(0.2)
    for thread in threads:
        thread.join()


def _ask(server: RunningServer, method: str, path: str, body: bytes | None, secret: str = "") -> bytes:
    connection = server.connect(60.0)
    fields = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    try:
        connection.request(method, path, body, fields)
        return connection.getresponse().read()
    finally:
        connection.close()


def _private_mebibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) >> 10
