"""Where `strongroom run` gets values from: the vault, or the copy of `--offline-for` while the vault is away."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vault.cli.context import Cli
from vault.errors import StrongroomError
from vault.model.clock import DAY_SECONDS

if TYPE_CHECKING:
    from vault.cli.people.offline import Copy
    from vault.client import Values
    from vault.client.pace import OnInterruption

OFFLINE_MOST_SECONDS = 30 * DAY_SECONDS
"""Older values may be wrong, and their credential may have ended long ago."""


@dataclass
class Source:
    """The values that one run asks for. `names` selects some. `offline_seconds` is None without `--offline-for`."""

    cli: Cli
    environment: str
    names: tuple[str, ...] | None
    globals: bool
    offline_seconds: int | None

    def values(self) -> Values:
        """Return the present values, or the kept ones if the vault cannot be reached. Keeps the present ones."""
        try:
            values = self._read()
        except StrongroomError as error:
            if self._copy is None:
                raise
            return self._copy.instead_of(error)
        if self._copy is not None:
            self._copy.keep(values)
        return values

    @contextmanager
    def watch(self, on_interruption: OnInterruption) -> Iterator[Iterator[Values]]:
        """Follow the values from now on, and keep each."""
        with self.cli.client.watch(
            self.environment, self.names, globals=self.globals, on_interruption=on_interruption
        ) as followed:
            yield self._kept(followed)

    def keep_up(self) -> None:
        """Keep the values again every hour from now on, if there is a copy."""
        if self._copy is not None:
            threading.Thread(target=self._copy.renew, args=[self._read], daemon=True).start()

    def refused(self) -> None:
        """Delete the copy: the vault refuses the credential."""
        if self._copy is not None:
            self._copy.forget()

    def _kept(self, followed: Iterable[Values]) -> Iterator[Values]:
        for values in followed:
            # First the program gets them: a keychain may ask somebody for its password.
            yield values
            if self._copy is not None:
                self._copy.keep(values)

    def _read(self) -> Values:
        return self.cli.client.values(self.environment, self.names, globals=self.globals)

    @cached_property
    def _copy(self) -> Copy | None:
        if self.offline_seconds is None:
            return None
        from vault.cli.people.offline import Copy, Origin

        origin = Origin(self.cli.settings.url, self.environment, self.names, self.globals, self.cli.token)
        return Copy(origin, self.offline_seconds)
