"""The signals that a supervisor gets, taken one after the other in its main thread."""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from types import FrameType
from typing import Self

KEYBOARD = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH})
"""A terminal sends these to a whole process group."""

PASSED_ON = KEYBOARD | {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT}


class Signals:
    """Collects signals within a `with` block, and wakes whoever waits for them. For the main thread only.

    A signal that the caller of this process ignores, as `nohup` does, stays ignored. `mask` is the signal mask from
    before, for the programs that are started.
    """

    def __enter__(self) -> Self:
        self._arrived: deque[int] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._former_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._former = {
            number: signal.signal(number, self._take)
            for number in PASSED_ON | {signal.SIGCHLD}
            if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGCHLD
        }
        # Without this, a terminal stops a background process that writes (`stty tostop`) or changes the foreground.
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        return self

    def __exit__(self, *exception: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float | None) -> list[int]:
        """Wait for a signal or for `wake`, at most so long, and return the signals that have come."""
        select.select([self._reader], [], [], seconds)
        while _drain(self._reader):
            pass
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        return found

    def wake(self) -> None:
        """End a `wait`. Any thread may call it."""
        try:
            os.write(self._writer, b"\0")
        except OSError:
            # The pipe is full, so the wait ends anyway, or the block is over.
            return

    def stop_this_job(self) -> bool:
        """Stop this process and its process group until a shell continues them. Returns whether it was stopped.

        The kernel does not stop a group that no shell could continue.
        """
        former = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.killpg(os.getpgrp(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, former)
        return signal.SIGCONT in self._arrived

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(number)


def _drain(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""
