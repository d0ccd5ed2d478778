"""Runs programs to their end, or as servers while a test needs them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.patience import HANG_SECONDS, eventually
from tests.support.undertaker import watched


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, and return what it said."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=HANG_SECONDS,
        **options,
    )


@contextlib.contextmanager
def started(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """A program that runs and listens on `port`; its output goes to a file in `folder` and into a failure's message."""
    output = folder / "output.log"
    with output.open("wb") as log:
        process = watched(subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    try:
        assert eventually(lambda: _listens(port) or process.poll() is not None), output.read_text()
        assert process.poll() is None, output.read_text()
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
