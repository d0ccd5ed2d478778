"""`make bench`: measures everything once, on SQLite and on PostgreSQL, and prints one table.

`make bench BENCH="reads audit"` measures only these groups. `GROUPS` has all their names. `make bench AGAINST=COMMIT`
compares this tree with a commit: see `against.py`.

The servers are real and use TLS on the loopback address. All their files are removed afterwards. Client and server
share this machine's processors, so the rates include the client's work. The microseconds in brackets are the workers'
own processor time for one request.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack
from pathlib import Path

from tests.bench import against, audit, cases, intake, keys, live, memory, pages, restores, sockets
from tests.bench.cases import Measured
from tests.bench.clients import Clients
from tests.bench.stores import Store, prepare
from tests.bench.table import Line, show
from tests.bench.terminal import chosen, say
from tests.support.servers import Postgres

_STORED = (10, 1_000, 100_000)
_CLIENTS = 32

GROUPS = (
    "reads", "audit", "stored", "refusals", "writes", "imports", "pages", "logins", "starts", "rewraps",
    "restores", "verify", "intake", "memory", "sockets", "live",
)  # fmt: skip


def main() -> None:
    """Measure the chosen groups, and print the table."""
    started = time.monotonic()
    words, commit = os.environ.get("BENCH", "").split(), os.environ.get("AGAINST", "")
    # If the run is ended early, for example by `timeout`, exit normally, so that its servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if commit:
        against.run(commit, words)
        print(f"Measured in {time.monotonic() - started:.0f} s.")
        return
    wanted = frozenset(chosen(words, GROUPS, "BENCH"))
    if wanted <= set(_ALONE):
        show([line for group in _ALONE if group in wanted for line in _ALONE[group]()])
        return
    with ExitStack() as stack:
        # Start the clients first, because they are forked and this process has no threads yet.
        clients = Clients(_CLIENTS)
        stack.callback(clients.close)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strongroom-bench-")))
        postgres = stack.enter_context(Postgres(durable=True, settings={"shared_buffers": "128MB"}))
        lines: list[Line] = []
        lines += _measure("SQLite", directory / "sqlite", _sqlite_url, clients, wanted)
        lines += _measure("PostgreSQL", directory / "postgresql", lambda _: postgres.create_database(), clients, wanted)
    for group in wanted & set(_ALONE):
        lines += _ALONE[group]()
    show(sorted(lines, key=lambda line: _order(line, lines)))
    seconds = time.monotonic() - started
    print(f"Measured in {seconds:.0f} s, with {cases.READERS} readers at once unless a line says otherwise.")


def _measure(
    name: str, directory: Path, make_url: Callable[[Path], str], clients: Clients, wanted: Set[str]
) -> Iterator[Line]:
    stores = list(_stores(name, directory, make_url, _STORED if "stored" in wanted else _STORED[:1]))
    with ExitStack() as stack:
        first = Measured(name, *stores[0], clients, stack)
        for group, measure in _GROUPS_OF_ONE.items():
            if group in wanted:
                say(f"{name}: {group}")
                yield from measure(first)
        if "stored" in wanted:
            say(f"{name}: stored")
            yield from cases.stored_environments([first, *(Measured(name, *one, clients, stack) for one in stores[1:])])
    if "starts" in wanted:
        say(f"{name}: starts")
        yield from cases.start(name, *stores[0])
    if "rewraps" in wanted:
        say(f"{name}: rewraps")
        yield from keys.rewraps(name, directory, make_url)
    if "restores" in wanted:
        say(f"{name}: restores")
        yield from restores.restores(name, directory, make_url)
    if "verify" in wanted:
        say(f"{name}: verify")
        yield from audit.verification(name, stores[0][0])


def _stores(
    name: str, directory: Path, make_url: Callable[[Path], str], counts: Sequence[int]
) -> Iterator[tuple[Store, Path]]:
    for number in counts:
        folder = directory / str(number)
        folder.mkdir(parents=True)
        say(f"{name}: a vault with {number:,} environments")
        yield prepare(folder, make_url(folder), environments=number), folder


_GROUPS_OF_ONE: dict[str, Callable[[Measured], list[Line]]] = {
    "reads": lambda server: [*cases.values_and_constant(server), *cases.vaults_face(server)],
    "audit": audit.cost,
    "refusals": cases.another_and_never,
    "writes": cases.writes,
    "imports": cases.imports,
    "pages": pages.first_paint,
    "logins": cases.logins,
    "starts": cases.run_true,
}
"""The groups that need only one running server."""

_ALONE: dict[str, Callable[[], list[Line]]] = {
    "intake": intake.bodies, "memory": memory.kept, "sockets": sockets.idle, "live": live.feed,
}  # fmt: skip
"""The groups that need none of the stores."""


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'strongroom.db'}"


def _order(line: Line, lines: list[Line]) -> int:
    """Return a key that keeps the lines of one case together, in the order in which the cases were measured."""
    return [other.case for other in lines].index(line.case)


if __name__ == "__main__":
    main()
