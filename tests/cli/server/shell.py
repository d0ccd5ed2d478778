"""The command as people run it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.serving import RunningServer


class Shell:
    """Runs the command in a home directory of its own."""

    def __init__(self, server: RunningServer, home: Path) -> None:
        self._home = home
        self._environment: dict[str, str | None] = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "STRONGROOM_NO_KEYCHAIN": "1",
            "STRONGROOM_URL": server.url,
            "STRONGROOM_CA_FILE": str(server.ca_file),
        }

    def __call__(self, *arguments: str, stdin: str = "", **environment: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vault", *arguments],
            input=stdin,
            env={name: text for name, text in (self._environment | environment).items() if text is not None},
            capture_output=True,
            text=True,
            cwd=self._home,
        )
