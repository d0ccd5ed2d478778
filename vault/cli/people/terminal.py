"""The terminal of this process: which process group may read from it, and gets its keys."""

from __future__ import annotations

import os
import termios
from contextlib import suppress


class Terminal:
    """The controlling terminal, if there is one. Its errors are ignored: a terminal can be hung up at any moment.

    The signal SIGTTOU must be blocked.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._lent_to: int | None = None
        self._modes: list[int | list[bytes | int]] | None = None
        with suppress(OSError):
            self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self.is_for_programs = self._descriptor is not None and os.isatty(0) and os.isatty(1)
        """Whether a program should have it from the start. In `prog | less`, the other program needs it too."""

    def lend(self, group: int) -> bool:
        """Make `group` the foreground if this process is in it. Returns whether the group now has the terminal."""
        if self._descriptor is None:
            return False
        with suppress(OSError, termios.error):
            foreground = os.tcgetpgrp(self._descriptor)
            if foreground == os.getpgrp():
                self._modes = termios.tcgetattr(self._descriptor)
                os.tcsetpgrp(self._descriptor, group)
                self._lent_to = foreground = group
            return foreground == group
        return False

    def take_back(self, *, restores_modes: bool) -> None:
        """Make this process's group the foreground again. A program that was killed could not restore the modes."""
        if self._descriptor is None or self._lent_to is None:
            return
        with suppress(OSError, termios.error):
            os.tcsetpgrp(self._descriptor, os.getpgrp())
            if restores_modes and self._modes is not None:
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._modes)
        self._lent_to = None
