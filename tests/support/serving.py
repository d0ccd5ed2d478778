"""A real server for tests: `strongroom serve` in a separate process, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import TracebackType

from tests.support.patience import HANG_SECONDS, eventually
from tests.support.ports import free_port
from tests.support.undertaker import watched

_START_SECONDS = 20.0
_PROGRAM = "import sys; from vault import server, settings; server.serve(settings.load(), factory=sys.argv[1])"


class RunningServer:
    """A server that runs from construction until `stop`, or the end of the `with` block.

    `env` adds to the environment, for example `{"STRONGROOM_WORKERS": "1"}`. The data directory, keyring and address
    are chosen here unless `env` has them. Without `factory`, the real application is served by `python -m vault serve`.
    With one, such as `"tests.integration.server.toy:create_app"`, the same server serves another Flask app. Raises
    `AssertionError` with the server's log if the server does not become ready.
    """

    def __init__(self, directory: Path, env: Mapping[str, str] | None = None, *, factory: str | None = None) -> None:
        self.directory = directory
        self.port = int((env or {}).get("STRONGROOM_BIND", "").rpartition(":")[2] or free_port())
        self.log_path = directory / f"server-{self.port}.log"
        self.env = self._environment(env or {})
        self.tls = self.env.get("STRONGROOM_PLAIN_HTTP", "") in ("", "0", "false")
        self.url = f"{'https' if self.tls else 'http'}://localhost:{self.port}"
        self.data_dir = Path(self.env["STRONGROOM_DATA_DIR"])
        self.ca_file = self.data_dir / "tls" / "ca.pem"
        command = ["-c", _PROGRAM, factory] if factory else ["-m", "vault", "serve"]
        started = time.monotonic()
        with self.log_path.open("wb") as log:
            started_process = subprocess.Popen([sys.executable, *command], env=self.env, stdout=log, stderr=log)
        self.process = watched(started_process, signal.SIGINT)
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - started

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """Return everything that the server has printed so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def context(self) -> ssl.SSLContext:
        """Return a client's TLS context that trusts only this server's local authority."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def connect(self, timeout_seconds: float = HANG_SECONDS) -> HTTPConnection:
        """Return a new HTTP/1.1 client connection, not opened yet."""
        if not self.tls:
            return HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)
        return HTTPSConnection("localhost", self.port, timeout=timeout_seconds, context=self.context())

    def send_signal(self, number: int) -> None:
        """Send a signal to the server's parent process."""
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGINT, timeout_seconds: float = 40.0) -> int:
        """Stop the server (SIGINT: at once; SIGTERM: gracefully) and return its exit code."""
        if self.process.poll() is None:
            self.send_signal(number)
        if not eventually(lambda: self.process.poll() is not None, timeout_seconds):
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"The server did not stop in time:\n{self.log}")
        return self.process.returncode

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
        made_up = {
            "STRONGROOM_DATA_DIR": str(self.directory / "data"),
            "STRONGROOM_KEYRING": str(self.directory / "keys" / "master.json"),
            "STRONGROOM_BIND": f"127.0.0.1:{self.port}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        return kept | made_up | dict(extra)

    def _await_ready(self) -> None:
        if not eventually(self._answers, _START_SECONDS):
            raise AssertionError(f"The server did not become ready:\n{self.log}")

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"The server ended with {self.process.returncode}:\n{self.log}")
        with contextlib.suppress(OSError, HTTPException):
            return self._is_live()
        return False

    def _is_live(self) -> bool:
        connection = self.connect(timeout_seconds=2.0)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        finally:
            connection.close()
