"""`strongroom run --watch` in a process of its own, with a scripted vault and a program that keeps a diary."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.support.patience import HANG_SECONDS, eventually
from tests.support.undertaker import watched

ROOT = Path(__file__).parents[2]

DIARY = """
import os, signal, sys, time
def note(*words):
    with open("diary", "a") as file:
        print(*words, file=file)
"""
"""The beginning of a program that writes what happens to it, a line each."""

PATIENT = DIARY + "note('start', os.environ.get('A'), os.getpid())\nwhile True: time.sleep(60)\n"
"""A program that runs until it is ended."""


class WatchedRun:
    """One run, from construction to the end of the `with` block. `options` stand before the program.

    `code` is the program, for Python.
    """

    def __init__(
        self,
        home: Path,
        code: str,
        *options: str,
        first: dict[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        **environment: str,
    ) -> None:
        self.home = home
        self._first = {"A": "1"} if first is None else first
        self._code = code
        self._options = ("--watch", "--debounce=0.2", *options)
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "STRONGROOM_NO_KEYCHAIN": "1",
            **environment,
        }
        self._streams = (stdin, stdout, stderr)

    @property
    def command(self) -> list[str]:
        """The command line of the run."""
        script = [sys.executable, "-m", "tests.support.scripted_client", str(self.home), "run", "-e", "prod"]
        return [*script, *self._options, "--", sys.executable, "-S", "-c", self._code]

    def __enter__(self) -> Self:
        self.answer(**self._first)
        (self.home / "FEED").touch()
        stdin, stdout, stderr = self._streams
        with (self.home / "out").open("wb") as out, (self.home / "err").open("wb") as err:
            process = subprocess.Popen(
                self.command,
                env=self._environment | {name: os.environ[name] for name in ("UNDERTAKER_MARK",) if name in os.environ},
                cwd=self.home,
                stdin=stdin,
                stdout=stdout or out,
                stderr=stderr or err,
                start_new_session=True,
            )
        self.process = watched(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in [int(line.split()[-1]) for line in self.diary if line.startswith("start")]:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.kill()
        self.process.wait()

    def answer(self, **values: str) -> None:
        """Let the vault answer a call for values with these, from now on."""
        (self.home / "PRESENT").write_text(json.dumps(values))

    def tell(self, *news: dict[str, str]) -> None:
        """Let the feed tell these, one after the other."""
        with (self.home / "FEED").open("a") as file:
            file.writelines(json.dumps(each) + "\n" for each in news)

    @property
    def diary(self) -> list[str]:
        """What the programs have written."""
        path = self.home / "diary"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def said(self) -> str:
        """What the command has said on stderr."""
        return (self.home / "err").read_text()

    def starts(self) -> list[str]:
        """The values of A that the programs were started with."""
        return [line.split()[1] for line in self.diary if line.startswith("start")]

    def until(self, *words: str) -> None:
        """Wait until a line of the diary begins with these words."""
        line = " ".join(words)
        assert eventually(lambda: any(each.startswith(line) for each in self.diary)), (self.diary, self.said)

    def until_said(self, words: str) -> None:
        """Wait until the command has said this."""
        assert eventually(lambda: words in self.said), (self.diary, self.said)

    def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        return self.process.wait(HANG_SECONDS)
