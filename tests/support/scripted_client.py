"""A client of `strongroom run` that reads from files what a vault would say, in the process of the command.

    PRESENT    one JSON object: what `values` answers now
    FEED       a line of JSON for each thing that `watch` tells, in order; a test appends to it

An object is `{"A": "1", …}`, or `{"error": "NotAuthenticated"}`; in the feed also `{"interruption": "Unreachable"}`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import cast

from vault import errors
from vault.cli import root
from vault.cli.context import Cli
from vault.client import Client, Values
from vault.client.transport import Unreachable

OnInterruption = Callable[[errors.StrongroomError | None], None]


class ScriptedClient:
    """Says what is in two files of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def values(self, _environment: str, names: Iterable[str] | None = None, *, globals: bool = True) -> Values:
        """Return what PRESENT has."""
        return _values(json.loads((self._folder / "PRESENT").read_text()))

    @contextmanager
    def watch(
        self,
        _environment: str,
        names: Iterable[str] | None = None,
        *,
        globals: bool = True,
        on_interruption: OnInterruption,
    ) -> Iterator[Iterator[Values]]:
        """Follow FEED from where the last call stopped."""
        yield self._follow(on_interruption)

    def close(self) -> None:
        """Does nothing."""

    def _follow(self, on_interruption: OnInterruption) -> Iterator[Values]:
        place = self._folder / "PLACE"
        done = int(place.read_text()) if place.exists() else 0
        while True:
            lines = (self._folder / "FEED").read_text().splitlines(keepends=True)
            for line in [each for each in lines[done:] if each.endswith("\n")]:
                done += 1
                place.write_text(str(done))
                told = json.loads(line)
                if "interruption" in told:
                    on_interruption(_error(told["interruption"]))
                else:
                    yield _values(told)
                    time.sleep(0.005)
            time.sleep(0.01)


def _values(told: dict[str, str]) -> Values:
    if "error" in told:
        raise _error(told["error"])
    return Values(told, revision=1)


def _error(name: str) -> errors.StrongroomError:
    if name == "Unreachable":
        return Unreachable("https://vault.test refused the connection.")
    kind: type[errors.StrongroomError] = getattr(errors, name)
    return kind()


def main(folder: Path, arguments: list[str]) -> None:
    """Call the command with a scripted client."""
    cli = Cli()
    made = cast(Client, cast(AbstractContextManager[object], ScriptedClient(folder)))
    cli.__dict__ |= {"client": made, "_credential": ("srm_t_x", True)}
    root.main(arguments, obj=cli)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
