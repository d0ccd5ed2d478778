"""Writers and readers that run all the time, and the server processes that take each other's places beneath them."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.releases.running import LOW_COST, Caller, Release
from tests.support.patience import eventually
from tests.support.ports import free_port
from tests.support.serving import RunningServer

_READY_SECONDS = 30.0
_SETTLE_SECONDS = 0.5
"""A call that was under way when its server was taken off the list ends in less."""
_PAUSE_SECONDS = 0.1


class Fleet:
    """Servers of one vault, on ports of their own. Clients ask for one of those that are ready."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.env = LOW_COST | {
            "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_WORKERS": "1",
            **env,
        }
        self.logs: list[Path] = []
        self._folder = folder
        self._ready: list[RunningServer] = []
        self._turns = itertools.count()

    def caller(self, secret: str = "") -> Caller:
        """A client of the next server that is ready, in turn."""
        ready = self._ready
        return Caller(ready[next(self._turns) % len(ready)], secret)

    def start(self, release: Release) -> RunningServer:
        """Start a server, and let clients come to it once it is ready."""
        port = free_port()
        server = release.serve(self._folder, self.env | {"STRONGROOM_BIND": f"127.0.0.1:{port}"})
        self.logs.append(server.log_path)
        is_ready = eventually(lambda: _status(server, "/readyz") == 200, _READY_SECONDS)
        assert is_ready, f"The server did not get ready:\n{server.log}"
        self._ready = [*self._ready, server]
        return server

    def stop(self, server: RunningServer) -> None:
        """Let no client come to a server any more, then stop it as a deployment does."""
        self._ready = [each for each in self._ready if each is not server]
        time.sleep(_SETTLE_SECONDS)
        server.stop(signal.SIGTERM)

    def replace(self, old: RunningServer, release: Release) -> RunningServer:
        """A rolling step: a new server on another port, and then the old one's end."""
        new = self.start(release)
        self.stop(old)
        return new

    def close(self) -> None:
        """Stop all that still run."""
        for server in self._ready:
            server.stop()

    def lines_with(self, *words: str) -> list[str]:
        """The lines of all servers' logs that hold one of `words`."""
        lines = [line for path in self.logs for line in path.read_text(errors="replace").splitlines()]
        return [line for line in lines if any(word in line for word in words)]


@dataclass
class Load:
    """Writers with an environment each, and as many readers that know what must be there."""

    fleet: Fleet
    secret: str = ""
    people: int = 2
    failures: list[str] = field(default_factory=list)
    """Every call that was not answered with 200, and every answer that lacked what had been acknowledged."""
    written: dict[str, dict[str, str]] = field(default_factory=dict)
    revisions: dict[str, list[int]] = field(default_factory=dict)
    reads: int = 0
    _ends: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, secret: str) -> None:
        """Make the environments, and begin, with this token."""
        self.secret = secret
        for number in range(self.people):
            name = f"load-{number}"
            self.fleet.caller(self.secret).ok("POST", "/environments", {"name": name, "max_versions": 1000})
            self.written[name], self.revisions[name] = {}, []
            self._run(self._write, name)
            self._run(self._read, name)

    def stop(self) -> None:
        """End after the calls that are under way."""
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """Nothing failed, nothing that was acknowledged is lost, and no revision was given twice."""
        assert self.failures == []
        for name, written in self.written.items():
            assert self.fleet.caller(self.secret).ok("GET", f"/environments/{name}/values")["values"] == written
            # Each environment has one writer, so its revisions have the numbers from 1 on.
            assert self.revisions[name] == list(range(1, len(self.revisions[name]) + 1))

    def read_layers(self, name: str, values: dict[str, str]) -> None:
        """Read an environment that stands on another one, from now on: each answer has these values."""

        def read(name: str, number: int) -> None:
            found = self.fleet.caller(self.secret).ok("GET", f"/environments/{name}/values")["values"]
            assert found == values, found

        self._run(read, name)

    def _run(self, step: Callable[[str, int], None], name: str) -> None:
        def run() -> None:
            for number in itertools.count():
                if self._ends.wait(_PAUSE_SECONDS):
                    return
                try:
                    step(name, number)
                except Exception as error:  # Whatever it is, a call has failed.
                    self.failures.append(f"{step.__name__} {number} of {name}: {error!r}")

        thread = threading.Thread(target=run, name=f"{step.__name__} {name}")
        self._threads.append(thread)
        thread.start()

    def _write(self, name: str, number: int) -> None:
        # Few names, so that an environment stays small; each value is new.
        variable, value = f"V{number % 50}", f"{name}-{number}"
        body = {"variables": {variable: value}}
        answer = self.fleet.caller(self.secret).ok("PATCH", f"/environments/{name}/variables", body)
        self.revisions[name].append(answer["revision"])
        self.written[name][variable] = value

    def _read(self, name: str, number: int) -> None:
        known = dict(self.written[name])
        found = self.fleet.caller(self.secret)("GET", f"/environments/{name}/values")
        if not known and found.status == 404:
            return
        assert found.status == 200, found
        self.reads += 1
        values = found.json["values"]
        stale = [key for key, value in known.items() if _count(values.get(key)) < _count(value)]
        assert stale == [], f"stale or lost: {stale}"


def _count(value: str | None) -> int:
    return -1 if value is None else int(value.rpartition("-")[2])


def _status(server: RunningServer, path: str) -> int:
    connection = server.connect(timeout_seconds=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
