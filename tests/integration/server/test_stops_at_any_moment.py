"""SIGTERM at every moment between the start of a server and its end: no traceback, and no worker that is cut short."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.server.conftest import TOY
from tests.support.patience import HANG_SECONDS, slowness
from tests.support.ports import free_port
from tests.support.undertaker import watched

_PROGRAM = "import sys; from vault import server, settings; server.serve(settings.load(), factory=sys.argv[1])"
_BROKEN = "tests.integration.server.broken_toy:create_app"
_SIGNALS_MOST = 400
"""For each worker. A socket that Python writes signals to has room for about five hundred."""


def stopped_after(directory: Path, factory: str, seconds: float, pause_seconds: float) -> str:
    """The log of a server whose workers get SIGTERM again and again after its first `seconds`, and then itself too."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")} | {
        "STRONGROOM_DATA_DIR": str(directory / "data"),
        "STRONGROOM_KEYRING": str(directory / "keys" / "master.json"),
        "STRONGROOM_BIND": f"127.0.0.1:{free_port()}",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    log_path = directory / "log"
    with log_path.open("wb") as log:
        command = [sys.executable, "-c", _PROGRAM, factory]
        process = watched(subprocess.Popen(command, env=env, stdout=log, stderr=log), signal.SIGKILL)
    time.sleep(seconds)
    for number in range(_SIGNALS_MOST):
        if process.poll() is not None:
            break
        for worker in children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)
        if number == _SIGNALS_MOST // 2:
            process.send_signal(signal.SIGTERM)
        time.sleep(pause_seconds)
    process.wait(HANG_SECONDS)
    return log_path.read_text()


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


@pytest.mark.parametrize(
    ("factory", "after_seconds"),
    [
        pytest.param(TOY, 0.2, id="while it boots"),
        pytest.param(TOY, 1.5, id="once it serves"),
        pytest.param(_BROKEN, 0.2, id="while it cannot start"),
    ],
)
def test_sigterm_at_any_moment_cuts_no_worker_short(tmp_path: Path, factory: str, after_seconds: float) -> None:
    log = stopped_after(tmp_path, factory, after_seconds * slowness(), 0.01)
    assert "Traceback" not in log
    assert "was sent SIGTERM" not in log
