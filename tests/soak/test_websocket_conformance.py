"""The cases of the Autobahn test suite (RFC 6455), against an echo on the server's own WebSocket connection.

kosoku runs them: Autobahn's own runner needs Python 2. Left out are compression, which the server does not speak, and
the cases with messages over the server's limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.server.conftest import LIVE, LIVE_LIMITS
from tests.support.serving import RunningServer

pytestmark = pytest.mark.timeout(3600)

LEFT_OUT = ["1.1.6", "1.1.7", "1.1.8", "1.2.6", "1.2.7", "1.2.8", "9.*", "10.*", "12.*", "13.*"]
"""Messages of 64 KiB and more (1.1.6 to 1.2.8, 9, 10), and permessage-deflate (12, 13)."""

CASES = 240


def test_the_server_passes_the_cases_of_autobahn(tmp_path: Path) -> None:
    # The runner speaks plain HTTP, which the server takes from a proxy alone.
    plain = {"STRONGROOM_PLAIN_HTTP": "1", "STRONGROOM_TRUSTED_PROXIES": "127.0.0.1/32"}
    with RunningServer(tmp_path, LIVE_LIMITS | plain, factory=LIVE) as server:
        program, reports = Path(sys.executable).with_name("kosoku"), tmp_path / "reports"
        command: list[str | Path] = [program, f"ws://127.0.0.1:{server.port}/mirror", "--outdir", reports]
        command += [word for case in LEFT_OUT for word in ("--exclude", case)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
        log = server.log
    found = [json.loads(path.read_text()) for path in reports.glob("*_case_*.json")]
    behaviours = {report["id"]: (report["behavior"], report["behaviorClose"]) for report in found}
    good = {"OK", "NON-STRICT", "INFORMATIONAL"}
    assert {case: pair for case, pair in behaviours.items() if not good.issuperset(pair)} == {}, done.stdout
    assert len(behaviours) == CASES, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout
    assert '"level": "error"' not in log
