"""Follows the values of an environment beside a program that runs. Nothing that goes wrong here ends the program."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

from vault.cli.words import tell
from vault.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound, StrongroomError

if TYPE_CHECKING:
    from vault.client import Values
    from vault.client.pace import OnInterruption

LONGEST_PAUSE_SECONDS = 60.0

_GOES_ON = "The program goes on with the values that it has."

Follow: TypeAlias = "Callable[[OnInterruption], AbstractContextManager[Iterable[Values]]]"
"""Begins to follow: `Client.watch`, which yields the present values and then each different ones."""


class Feed:
    """The newest values of an environment, read on a thread of its own.

    `wake` is called when there are new values to take, and `refused` if the vault refuses the credential, which ends
    the feed. After any other error it is begun again, after a pause that grows.
    """

    def __init__(self, follow: Follow, *, wake: Callable[[], None], refused: Callable[[], None]) -> None:
        self._follow = follow
        self._wake = wake
        self._refused = refused
        self._lock = threading.Lock()
        self._newest: Values | None = None
        self._is_interrupted = False
        self._failures = 0
        self._has_no_feed = False

    def start(self) -> None:
        """Begin to follow. The thread ends with the process."""
        threading.Thread(target=self._run, daemon=True).start()

    def take(self) -> Values | None:
        """Return the newest values once, or None if nothing has come since the last call."""
        with self._lock:
            found, self._newest = self._newest, None
        return found

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self._follow_once()
            except (NotAuthenticated, Forbidden, InvalidInput) as error:
                tell(f"Warning: Changes are not followed any more: {error.message} {_GOES_ON}")
                self._refused()
                return
            except StrongroomError as error:
                self._note(error)
                self._failures += 1
                self._has_no_feed = isinstance(error, NotFound)
                pause.wait(_pause_seconds(self._failures, is_gone=self._has_no_feed))
            except Exception as error:  # A bug must not end the program. Its text may quote a value.
                tell(f"Warning: Changes are not followed any more: an unexpected {type(error).__name__}. {_GOES_ON}")
                return

    def _follow_once(self) -> None:
        """Take values until the vault refuses more.

        The first ones are those of now. A server without a feed gives these too, and refuses the next step.
        """
        with self._follow(self._note) as followed:
            for number, values in enumerate(followed):
                if number or not self._has_no_feed:
                    self._note(None)
                    self._failures = 0
                with self._lock:
                    self._newest = values
                self._wake()

    def _note(self, error: StrongroomError | None) -> None:
        if error is not None and not self._is_interrupted:
            tell(f"Warning: Changes are not followed at the moment: {error.message} {_GOES_ON}")
        elif error is None and self._is_interrupted:
            tell("Changes are followed again.")
        self._is_interrupted = error is not None


def _pause_seconds(failures: int, *, is_gone: bool) -> float:
    """Return how long to wait. Full jitter, so that a thousand programs do not call a new server at one moment.

    An environment that is gone may come back, but hardly at once.
    """
    longest = LONGEST_PAUSE_SECONDS if is_gone else min(LONGEST_PAUSE_SECONDS, 2.0 ** min(failures, 10))
    return random.uniform(longest / 2 if is_gone else 0.0, longest)  # noqa: S311 - spreads load, guards nothing.
