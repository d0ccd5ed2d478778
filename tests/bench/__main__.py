"""`make bench`: measure everything once, on SQLite and on PostgreSQL, and print one table.

Real servers over TLS on this machine's loopback address; nothing is kept. Rates are of client and server together on
this machine's processors; the microseconds in brackets are the workers' own processor time for a request.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench import audit, cases, keys
from tests.bench.cases import Measured
from tests.bench.clients import Clients
from tests.bench.stores import SIZES, Store, prepare
from tests.bench.table import Line, show
from tests.servers import Postgres

_STORED = (10, 1_000, 100_000)
_CLIENTS = 8


def main() -> None:
    """Measure, and print."""
    started = time.monotonic()
    # Whoever ends it early, also by `timeout`, must not find its servers still there.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        # Before everything else: they are forked.
        clients = Clients(_CLIENTS)
        stack.callback(clients.close)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-")))
        postgres = stack.enter_context(Postgres(durable=True, settings={"shared_buffers": "128MB"}))
        lines: list[Line] = []
        lines += _measure("SQLite", directory / "sqlite", _sqlite_url, clients)
        lines += _measure("PostgreSQL", directory / "postgresql", lambda _: postgres.create_database(), clients)
    show(sorted(lines, key=lambda line: _order(line, lines)))
    print(f"Measured in {time.monotonic() - started:.0f} s with {cases.READERS} readers at once.")


def _measure(name: str, directory: Path, make_url: Callable[[Path], str], clients: Clients) -> Iterator[Line]:
    stores: list[tuple[Store, Path]] = []
    for number in _STORED:
        folder = directory / str(number)
        folder.mkdir(parents=True)
        _say(f"{name}: a vault with {number:,} environments")
        stores.append((prepare(folder, make_url(folder), environments=number), folder))
    _say(f"{name}: reads")
    with ExitStack() as stack:
        first = Measured(name, *stores[0], clients, stack)
        yield from cases.values_and_constant(first)
        yield from cases.vaults_face(first)
        # A second server over the same vault, for one comparison.
        with ExitStack() as brief:
            silent = Measured(name, *stores[0], clients, brief, cases.UNAUDITED_FACTORY)
            yield from cases.values_and_constant(silent, SIZES[:1], ", reads not recorded")
            yield from audit.cost(first, silent)
        others = [Measured(name, *store, clients, stack) for store in stores[1:]]
        yield from cases.stored_environments([first, *others])
        yield from cases.another_and_never(first)
        _say(f"{name}: writes, logins, starts")
        yield from cases.writes(first)
        yield from cases.logins(first)
        yield from cases.run_true(first)
    yield from cases.start(name, *stores[0])
    _say(f"{name}: rewraps")
    yield from keys.rewraps(name, directory, make_url)
    yield from audit.verification(name, stores[0][0])


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'strongroom.db'}"


def _order(line: Line, lines: list[Line]) -> int:
    """Lines of one case stand together, in the order in which the cases came."""
    return [other.case for other in lines].index(line.case)


def _say(what: str) -> None:
    # To whoever waits at a terminal; the table alone goes to a file.
    if sys.stderr.isatty():
        print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
