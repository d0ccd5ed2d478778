"""A release of Strongroom that runs from a path of its own: an unpacked wheel, or this checkout.

release = Release.unpacked(wheel, folder)
release.command(env, "db", "upgrade")
with release.serve(folder, env) as server:
    caller = Caller(server)
    caller.ok("POST", "/sessions", {"username": "ada", "password": "…"})
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.patience import HANG_SECONDS
from tests.support.serving import RunningServer

CHECKOUT = Path(__file__).parents[2]
LOW_COST = {"STRONGROOM_ARGON2_MEMORY_KIB": "19456", "STRONGROOM_ARGON2_PASSES": "2"}
"""The lowest cost of Argon2id that a vault takes."""


class Release:
    """One release's code, with its command and its server. The libraries are those of this Python."""

    def __init__(self, code: Path) -> None:
        self.code = code

    @classmethod
    def unpacked(cls, wheel: Path, folder: Path) -> Release:
        """The release in a wheel."""
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder)
        return cls.compiled(folder)

    @classmethod
    def compiled(cls, code: Path) -> Release:
        """The release in a folder whose files no longer change.

        Where Python writes no bytecode, each of its processes would compile the package again.
        """
        assert compileall.compile_dir(code, quiet=1)
        return cls(code)

    @property
    def version(self) -> str:
        """What the release says that it is."""
        return self.command({}, "--version").split()[-1]

    def command(self, env: Mapping[str, str], *arguments: str, given: str | None = None) -> str:
        """What a command printed to standard output. Raises `AssertionError` where it fails."""
        done = self.run(env, *arguments, given=given)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(
        self, env: Mapping[str, str], *arguments: str, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `strongroom` with these arguments to its end."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
        return subprocess.run(
            [sys.executable, "-m", "vault", *arguments],
            env=kept | self._path() | dict(env),
            input=given or "",
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )

    def serve(self, folder: Path, env: Mapping[str, str]) -> RunningServer:
        """Start `strongroom serve`, and wait until it answers."""
        return RunningServer(folder, self._path() | dict(env))

    def _path(self) -> dict[str, str]:
        # Without a safe path, `python -m` would take the package from the folder in which the tests run.
        return {"PYTHONPATH": str(self.code), "PYTHONSAFEPATH": "1"}


@dataclass(frozen=True)
class Answer:
    """One answer of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Caller:
    """A client of a running server, with or without a credential. Each call has a connection of its own."""

    server: RunningServer
    secret: str = field(default="", repr=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Make one call, below `/api/v1` unless the path begins with `/v1`; header names take `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.secret:
            sent["Authorization"] = f"Bearer {self.secret}"
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        connection = self.server.connect(timeout_seconds=30.0)
        try:
            connection.request(method, path if path.startswith("/v1/") else f"/api/v1{path}", data, sent)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of a call that must succeed; None where there is none."""
        answer = self(method, path, body, **headers)
        assert 200 <= answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json if answer.body else None

    def as_(self, secret: str) -> Caller:
        """Somebody else on the same server."""
        return Caller(self.server, secret)


def kill(server: RunningServer) -> None:
    """End a server and its workers as a power cut does: nobody of them writes anything more."""
    pid = server.process.pid
    workers = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    # The parent first: it would start other workers, which would drain the spool.
    server.process.kill()
    server.process.wait()
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
