"""Makes sure that no process of a test run outlives it.

A small process, the undertaker, watches the processes of a run through a pipe. If the run dies without cleaning up
(`kill -9`, or a timeout that ends the interpreter), the pipe closes, and the undertaker stops the processes that are
left with all their children.

An interrupt can come after a process has started and before it is watched. So every process of a run also inherits a
mark in its environment, and the undertaker of the run stops whatever has it.
"""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TypeVar

Text = TypeVar("Text", str, bytes)

_MARK = "UNDERTAKER_MARK"
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

def marked(mark):
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and mark in open(f"/proc/{name}/environ", "rb").read().split(b"\\0"):
                yield int(name)
        except OSError:
            pass

living = {}
for line in sys.stdin:
    order, pid, number = line.split()
    if order == "watch":
        living[int(pid)] = int(number), born(int(pid))
    else:
        living.pop(int(pid), None)

if sys.argv[1]:
    for pid in marked(sys.argv[1].encode()):
        living.setdefault(pid, (int(signal.SIGTERM), born(pid)))
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
for directory in sys.argv[2:]:
    shutil.rmtree(directory, ignore_errors=True)
"""


class Undertaker:
    """Cleans up after a dead test run: the processes that it watches, those with a mark, and one directory."""

    def __init__(self, directory: Path | None = None, *, mark: str = "") -> None:
        # Use a new session: Ctrl-C at the terminal must not end it before its work is done.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, mark, *([] if directory is None else [str(directory)])],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Undertakers have no mark: one must not stop another.
            env={name: text for name, text in os.environ.items() if name != _MARK},
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


def watched(process: subprocess.Popen[Text], with_signal: signal.Signals = signal.SIGKILL) -> subprocess.Popen[Text]:
    """Return the process, which from now on does not outlive this one."""
    of_this_process().watch(process.pid, with_signal)
    return process


@cache
def of_this_process() -> Undertaker:
    """Return the undertaker of this run. From its first call on, every process that is started has the run's mark."""
    os.environ[_MARK] = f"{os.getpid()}-{secrets.token_hex(8)}"
    made = Undertaker(mark=f"{_MARK}={os.environ[_MARK]}")
    atexit.register(made.dismiss)
    return made
