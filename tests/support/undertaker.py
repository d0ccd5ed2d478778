"""Makes sure that no process of a test run outlives it.

A small process, the undertaker, watches the processes of a run through a pipe. If the run dies without cleaning up
(`kill -9`, or a timeout that ends the interpreter), the pipe closes, and the undertaker stops the processes that are
left with all their children.
"""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

_STOP_SECONDS = 10.0

# A process is identified by its number and start time, because numbers are used again.
_PROGRAM = """
import os, shutil, signal, sys, time

def born(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return None

def send(pid, number, birth):
    if born(pid) != birth:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True

def family(pid):
    found = [(pid, born(pid))]
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            for child in file.read().split():
                found += family(int(child))
    except OSError:
        pass
    return found

living = {}
for line in sys.stdin:
    order, pid, number = line.split()
    if order == "watch":
        living[int(pid)] = int(number), born(int(pid))
    else:
        living.pop(int(pid), None)
left = [one for pid, (_, birth) in living.items() if born(pid) == birth for one in family(pid)]
for pid, birth in left:
    send(pid, signal.SIGCONT, birth)
for pid, (number, birth) in living.items():
    send(pid, number, birth)
deadline = time.monotonic() + 5
while time.monotonic() < deadline and any([send(pid, 0, birth) for pid, birth in left]):
    time.sleep(0.02)
for pid, birth in left:
    send(pid, signal.SIGKILL, birth)
for directory in sys.argv[1:]:
    shutil.rmtree(directory, ignore_errors=True)
"""


class Undertaker:
    """Cleans up after a dead test run: the processes that it watches, and one directory."""

    def __init__(self, directory: Path | None = None) -> None:
        # Use a new session: Ctrl-C at the terminal must not end it before its work is done.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *([] if directory is None else [str(directory)])],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, pid: int, with_signal: signal.Signals) -> None:
        """Watch `pid`: if this process dies, stop it with that signal, and with SIGKILL after five seconds."""
        self._tell(f"watch {pid} {int(with_signal)}")

    def release(self, pid: int) -> None:
        """Stop watching `pid`, because it has been stopped."""
        self._tell(f"release {pid} 0")

    def dismiss(self) -> None:
        """Close the pipe: stop what is still watched, remove the directory, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_STOP_SECONDS)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def watched(process: subprocess.Popen[bytes], with_signal: signal.Signals = signal.SIGKILL) -> subprocess.Popen[bytes]:
    """Return the process, which from now on does not outlive this one."""
    _of_this_process().watch(process.pid, with_signal)
    return process


@cache
def _of_this_process() -> Undertaker:
    made = Undertaker()
    atexit.register(made.dismiss)
    return made
