"""Runs a program, and starts it again, signals it or runs a command when its values change.

    running ──changed──▶ due ──debounce, jitter──▶ stopping ──ended──▶ running with the new values
       │                  │                           │
       └── the program ends by itself, at any of these: so do we, with its exit code

The program has a process group of its own, so that one signal reaches all that it has started. One thread waits for
signals, the program and the changes; another one follows the vault (`following.py`).
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

from vault.cli.people.programs import NotStarted, start_process
from vault.cli.people.signals import KEYBOARD, Signals
from vault.cli.people.terminal import Terminal
from vault.cli.words import CliError, tell

if TYPE_CHECKING:
    from vault.client import Values

_DEBOUNCES_MOST = 10
"""Changes without a pause are taken after ten times the debounce. Otherwise the program would never get any."""

_GROUP_POLL_SECONDS = 0.05
_GROUP_WAIT_SECONDS = 2.0
"""How long a new program waits for processes of the old one that even SIGKILL does not end."""

_EXIT_INTERRUPTED = 128 + signal.SIGINT
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})

_ONLY_STANDARD_ERROR = (
    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
    # Standard output has the data of the program.
    (os.POSIX_SPAWN_DUP2, 2, 1),
)

Environment = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and what to do after a change: start it again, or send `signal`, or run `on_change` in a shell."""

    command: tuple[str, ...]
    debounce_seconds: float
    grace_seconds: float
    jitter_seconds: float
    signal: signal.Signals | None
    on_change: str | None


class Changes(Protocol):
    """Where the newest values come from: `following.Feed`."""

    def take(self) -> Values | None:
        """Return the newest values once, or None."""


class Supervisor:
    """Runs the program of `plan` until it ends. `environment_of` makes its environment of new values, or raises
    `CliError` if they cannot be used.
    """

    def __init__(
        self, plan: Plan, signals: Signals, changes: Changes, environment_of: Callable[[Values], Environment]
    ) -> None:
        self._plan = plan
        self._signals = signals
        self._changes = changes
        self._environment_of = environment_of
        self._terminal = Terminal()
        self._program = 0
        self._status: int | None = None
        self._hook: int | None = None
        self._has: Environment = {}
        self._wanted: Environment = {}
        self._first_change = 0.0
        self._jitter_seconds = 0.0
        self._due: float | None = None
        self._not_before = 0.0
        self._kill_at: float | None = None
        self._is_killed = False
        self._is_asked_to_end = False

    def begin(self, environment: Environment) -> None:
        """Start the program. Raises `NotStarted`."""
        self._status, self._kill_at, self._is_killed, self._due = None, None, False, None
        self._has = self._wanted = environment
        self._program = start_process(self._plan.command, environment, mask=self._signals.mask)
        if self._terminal.is_for_programs:
            self._terminal.lend(self._program)

    def wait(self) -> int:
        """Watch over the program until it ends, and return its wait status. Raises `NotStarted` if it cannot be started
        again.
        """
        try:
            while not self._is_over():
                for number in self._signals.wait(self._seconds_left()):
                    self._pass_on(number)
                self._reap()
                self._look_for_change()
                # That may have taken a while, and a program that has ended must not be started again.
                self._reap()
                self._go_on()
        finally:
            self._terminal.take_back(restores_modes=self._status is None or os.WIFSIGNALED(self._status))
            if self._hook is not None:
                _send_group(self._hook, signal.SIGTERM)
        return self._status or 0

    def _begin_again(self) -> None:
        """Start the program with the new values, or with the old ones if the system does not take the new ones."""
        self._terminal.take_back(restores_modes=True)
        former, wanted = self._has, self._wanted
        try:
            self.begin(wanted)
        except NotStarted as error:
            tell(f"{error.message} The program is started again with the values that it had.")
            self.begin(former)

    def _is_over(self) -> bool:
        if self._status is None:
            return False
        # Ctrl-C in a terminal reaches only the program.
        is_interrupted = _is_interrupt(self._status)
        return self._kill_at is None or self._is_asked_to_end or is_interrupted

    def _seconds_left(self) -> float | None:
        if self._status is not None:
            return _GROUP_POLL_SECONDS
        if self._kill_at is not None:
            return None if self._is_killed else max(0.0, self._kill_at - time.monotonic())
        if self._due is None or self._hook is not None:
            return None
        return max(0.0, self._next_step() - time.monotonic())

    def _pass_on(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        if number in _ENDING:
            # A change must not start a program again that is about to end.
            self._is_asked_to_end = self._is_asked_to_end or self._kill_at is not None
            self._not_before = time.monotonic() + self._plan.grace_seconds
        if number == signal.SIGCONT:
            self._resume()
        elif number in KEYBOARD:
            _send_group(self._program, number)
        elif self._status is None:
            _send(self._program, number)

    def _reap(self) -> None:
        """Take the states of all children, also of those that process 1 of a container inherits."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._program and os.WIFSTOPPED(status):
                self._note_stop(os.WSTOPSIG(status))
            elif pid == self._program:
                self._status = status
            elif pid == self._hook and not os.WIFSTOPPED(status):
                self._hook = None
                _tell_hook_failed(status)

    def _note_stop(self, number: int) -> None:
        """The program was stopped: by Ctrl-Z, or because it uses a terminal that it does not have."""
        wants_terminal = number in (signal.SIGTTIN, signal.SIGTTOU)
        if wants_terminal and self._terminal.lend(self._program):
            _send_group(self._program, signal.SIGCONT)
        elif wants_terminal or number == signal.SIGTSTP:
            self._terminal.take_back(restores_modes=False)
            # After SIGCONT, `_pass_on` resumes the program. Without a shell, nobody else would.
            if not self._signals.stop_this_job() and not wants_terminal:
                self._resume()

    def _resume(self) -> None:
        if self._terminal.is_for_programs:
            self._terminal.lend(self._program)
        _send_group(self._program, signal.SIGCONT)

    def _look_for_change(self) -> None:
        values = self._changes.take()
        if values is None:
            return
        try:
            self._wanted = self._environment_of(values)
        except CliError as error:
            self._wanted = self._has
            tell(f"The new values are not used. {error.message}")
        if self._wanted == self._has:
            self._due = None
            return
        now = time.monotonic()
        if self._due is None:
            self._first_change = now
            self._jitter_seconds = random.uniform(0.0, self._plan.jitter_seconds)  # noqa: S311 - spreads load.
        quiet = now + self._plan.debounce_seconds
        latest = self._first_change + _DEBOUNCES_MOST * self._plan.debounce_seconds
        self._due = min(quiet, latest) + self._jitter_seconds

    def _go_on(self) -> None:
        """Take the next step that is due."""
        now = time.monotonic()
        if self._kill_at is not None:
            self._go_on_stopping(now)
        elif self._status is None and self._due is not None and self._hook is None and now >= self._next_step():
            self._due = None
            self._apply()

    def _next_step(self) -> float:
        """Return when a change that waits is taken."""
        return max(self._due or 0.0, self._not_before)

    def _apply(self) -> None:
        if self._plan.signal is not None:
            self._has = self._wanted
            tell(f"The values have changed. The program gets {self._plan.signal.name}.")
            _send(self._program, self._plan.signal)
        elif self._plan.on_change is not None:
            self._has = self._wanted
            tell("The values have changed. The command of --on-change runs.")
            self._run_hook(self._plan.on_change)
        else:
            tell("The values have changed. The program is started again.")
            self._kill_at = time.monotonic() + self._plan.grace_seconds
            _send_group(self._program, signal.SIGTERM)
            # A stopped program takes no other signal.
            _send_group(self._program, signal.SIGCONT)

    def _run_hook(self, command: str) -> None:
        try:
            self._hook = start_process(
                ("/bin/sh", "-c", command),
                self._wanted,
                mask=self._signals.mask,
                file_actions=_ONLY_STANDARD_ERROR,
            )
        except NotStarted as error:
            tell(error.message)

    def _go_on_stopping(self, now: float) -> None:
        assert self._kill_at is not None
        if self._status is not None and not _has_members(self._program):
            if not self._is_over():
                self._begin_again()
        elif now >= self._kill_at and not self._is_killed:
            self._is_killed = True
            tell(f"The program did not end within {self._plan.grace_seconds:g} s, so it is killed.")
            _send_group(self._program, signal.SIGKILL)
        elif self._status is not None and now >= self._kill_at + _GROUP_WAIT_SECONDS and not self._is_over():
            self._begin_again()


def end_as(status: int) -> NoReturn:
    """End this process as the program ended: with its exit code, or by the same signal, as a shell expects.

    It ends at once: the thread that follows the vault may be within a call.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    # The program has dumped its core if that was wanted. Ours would have the values and the token.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    # The kernel does not let process 1 of a container die of a signal.
    os._exit(128 + number)


def _is_interrupt(status: int) -> bool:
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGINT
    return os.WEXITSTATUS(status) == _EXIT_INTERRUPTED


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _send_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Those that are left belong to another user.
        return False
    return True


def _tell_hook_failed(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code:
        told = f"exit code {code}" if code > 0 else f"signal {-code}"
        tell(f"The command of --on-change ended with {told}. It runs again at the next change.")
