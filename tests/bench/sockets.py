"""Measures the memory and the processor time of idle WebSockets over TLS, in one worker."""

from __future__ import annotations

import contextlib
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.table import Line
from tests.integration.server.socket_client import handshake
from tests.soak.memory_limit import tree
from tests.support.serving import RunningServer

_SOCKETS = 1_000
_WARM = 50
"""Opened and closed before the first look, so that what a worker loads once is not counted."""
_IDLE_SECONDS = 30.0
"""Longer than the time between two pings."""
_KIBIBYTES_MOST = 100
_FACTORY = "tests.integration.server.toy_live:create_app"
# These clients answer no pings, so the server must not give them up.
_ENV = {
    "TOY_SILENT_SECONDS": "3600",
    "STRONGROOM_WORKERS": "1", "STRONGROOM_LOG_LEVEL": "warning", "STRONGROOM_MAX_CONNECTIONS": "20000",
    "STRONGROOM_HANDSHAKE_TIMEOUT_SECONDS": "60", "STRONGROOM_HEADER_TIMEOUT_SECONDS": "60",
}  # fmt: skip


def idle() -> list[Line]:
    """Return a line for the echo of the server's tests, whose application keeps nothing for a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4 * _SOCKETS, hard)), hard))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-"))
        server = stack.enter_context(RunningServer(Path(folder), _ENV, factory=_FACTORY))
        (worker,) = set(tree(server.process.pid)) - {server.process.pid}
        with _opened(server, _WARM):
            pass
        time.sleep(4.0)
        before = _proportional_kibibytes(worker)
        with _opened(server, _SOCKETS):
            time.sleep(4.0)
            spent = _processor_seconds(worker)
            time.sleep(_IDLE_SECONDS)
            spent = _processor_seconds(worker) - spent
            each = (_proportional_kibibytes(worker) - before) / _SOCKETS
    figures = f"{each:.0f} KiB each of {_SOCKETS:,}; {spent / _IDLE_SECONDS:.1%} of a processor while idle"
    return [Line("idle WebSockets", "", figures, None, f"≤ {_KIBIBYTES_MOST} KiB", each <= _KIBIBYTES_MOST)]


@contextlib.contextmanager
def _opened(server: RunningServer, number: int) -> Iterator[None]:
    context = server.context()
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            tcp = socket.create_connection(("127.0.0.1", server.port), 60.0)
            client = stack.enter_context(context.wrap_socket(tcp, server_hostname="localhost"))
            client.sendall(handshake("/proven"))
            received = b""
            while b"\r\n\r\n" not in received:
                received += client.recv(4096)
            assert b" 101 " in received, received
        yield


def _proportional_kibibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
