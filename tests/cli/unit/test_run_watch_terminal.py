"""`run --watch` at a terminal: keys, job control and programs that need a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.patience import eventually
from tests.support.undertaker import watched
from tests.support.watched import DIARY, PATIENT, WatchedRun

CTRL_C, CTRL_Z, CTRL_D = b"\x03", b"\x1a", b"\x04"

_LEAD = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal on standard input the controlling one of a new session, as a terminal's program does."""


class Desk:
    """A terminal with a program in its foreground, and what stands on its screen."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._master = master
        self.screen = ""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def shows(self, words: str) -> bool:
        """Report whether the words come up on the screen."""
        return eventually(lambda: words in self.read())

    def read(self) -> str:
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.screen += os.read(self._master, 65536).decode(errors="replace")
            except OSError:
                break
        return self.screen

    def ended(self) -> int:
        """Wait for the end while reading: a program cannot end before its output is read."""

        def is_over() -> bool:
            self.read()
            return self.process.poll() is not None

        assert eventually(is_over), self.screen
        return self.process.returncode


@contextmanager
def desk(run: WatchedRun, command: list[str]) -> Iterator[Desk]:
    master, slave = pty.openpty()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(run.home), "PYTHONPATH": str(Path(__file__).parents[3])}
    environment |= {"STRONGROOM_NO_KEYCHAIN": "1", "TERM": "dumb", "PS1": "ready> "}
    environment |= {name: os.environ[name] for name in ("UNDERTAKER_MARK",) if name in os.environ}
    started = subprocess.Popen(
        [sys.executable, "-c", _LEAD, *command], stdin=slave, stdout=slave, stderr=slave, cwd=run.home, env=environment
    )
    process = watched(started)
    try:
        yield Desk(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(slave)
        os.close(master)


def prepared(home: Path, code: str, *options: str) -> WatchedRun:
    """A run whose files are there, and that is not started."""
    run = WatchedRun(home, code, *options)
    run.answer(A="1")
    (home / "FEED").touch()
    return run


def test_ctrl_c_ends_the_program_once(home: Path) -> None:
    code = DIARY + "signal.signal(2, lambda *_: (note('got'), signal.signal(2, 0), os.kill(os.getpid(), 2)))\n"
    run = prepared(home, code + PATIENT)
    with desk(run, run.command) as at:
        run.until("start")
        at.type(CTRL_C)
        assert at.ended() == -signal.SIGINT, at.screen
        assert run.diary.count("got") == 1


def test_a_program_with_a_prompt_has_the_terminal(home: Path) -> None:
    run = prepared(home, "")
    with desk(run, [*run.command[:-4], sys.executable, "-i", "-q"]) as at:
        assert at.shows(">>> "), at.screen
        at.type(b"import os; 'same' * (os.tcgetpgrp(0) == os.getpgrp()), os.environ['A']\n")
        assert at.shows("('same', '1')"), at.screen
        # Ctrl-C is for the prompt, and ends nothing.
        at.type(CTRL_C)
        assert at.shows("KeyboardInterrupt"), at.screen
        run.tell({"A": "2"})
        assert at.shows("The values have changed"), at.screen
        at.screen = at.screen.partition("The values have changed")[2]
        assert at.shows(">>> "), at.screen
        at.type(b"os = __import__('os'); 'again' * (os.tcgetpgrp(0) == os.getpgrp()), os.environ['A']\n")
        assert at.shows("('again', '2')"), at.screen
        at.type(b"exit(6)\n")
        assert at.ended() == 6


def test_a_program_is_in_the_foreground_though_it_reads_nothing(home: Path) -> None:
    # Some draw their progress only then.
    code = "note('begin')\nwhile os.tcgetpgrp(1) != os.getpgrp(): time.sleep(0.01)\nnote('start', 1, os.getpid())\n"
    run = prepared(home, DIARY + code + "time.sleep(600)")
    with desk(run, run.command) as at:
        run.until("begin")
        run.until("start")
        at.type(CTRL_C)
        assert at.ended() == -signal.SIGINT, at.screen


def test_a_program_that_was_killed_leaves_no_raw_terminal(home: Path) -> None:
    raw = "import tty\nif os.environ['A'] == '1': tty.setraw(0)\n"
    run = prepared(home, DIARY + raw + PATIENT)
    with desk(run, run.command) as at:
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("start 2")
        assert termios.tcgetattr(at._master)[3] & termios.ICANON


def line(run: WatchedRun, rest: str = "") -> bytes:
    """The run as a line for a shell."""
    return (shlex.join(run.command) + rest + "\n").encode()


def test_ctrl_z_stops_it_and_a_shell_continues_it(home: Path) -> None:
    run = prepared(home, DIARY + PATIENT.replace("while True: time.sleep(60)", "note('line', input())\nsys.exit(9)"))
    with desk(run, ["/bin/bash", "--norc", "-i"]) as at:
        assert at.shows("ready> ")
        at.type(line(run))
        run.until("start")
        at.type(CTRL_Z)
        assert at.shows("Stopped"), at.screen
        at.type(b"echo shell $((40 + 2))\n")
        assert at.shows("shell 42"), at.screen
        at.type(b"fg\n")
        at.screen = ""
        assert eventually(lambda: "run" in at.read())
        at.type(b"typed\n")
        run.until("line typed")
        at.type(b"echo code $?\n")
        assert at.shows("code 9"), at.screen
        at.type(b"exit\n")
        at.ended()


def test_in_a_pipe_the_program_gets_the_terminal_when_it_reads(home: Path) -> None:
    run = prepared(home, DIARY + "note('start', 1, os.getpid())\nprint('line', input(), flush=True)\ntime.sleep(600)")
    with desk(run, ["/bin/bash", "--norc", "-i"]) as at:
        assert at.shows("ready> ")
        at.type(line(run, " | cat"))
        run.until("start")
        at.type(b"typed\n")
        assert at.shows("line typed"), at.screen
        at.type(CTRL_C)
        at.screen = ""
        assert at.shows("ready> ")
        at.type(b"echo codes ${PIPESTATUS[@]}\n")
        assert at.shows("codes 130 0"), at.screen
        at.type(b"exit\n")
        at.ended()


def test_in_the_background_it_leaves_the_terminal_alone(home: Path) -> None:
    run = prepared(home, PATIENT)
    with desk(run, ["/bin/bash", "--norc", "-i"]) as at:
        assert at.shows("ready> ")
        at.type(line(run, " &"))
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("start 2")
        at.type(b"echo shell $((40 + 2))\n")
        assert at.shows("shell 42"), at.screen
        at.type(b"kill %1; wait %1; echo code $?\n")
        assert at.shows("code 143"), at.screen
        at.type(b"exit\n")
        at.ended()
