"""The measurements. Compared cases take turns in short phases, so that other load on the machine slows all of them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench.clients import Address, Clients, Count, request
from tests.bench.factory import ANSWERS_VARIABLE
from tests.bench.stores import SIZES, Store
from tests.bench.table import Line, at_least, at_most_seconds, within
from tests.support.serving import RunningServer

READERS = 4
WRITERS = (1, 8)
_ROUNDS = 5
_PHASE_SECONDS = 0.4
_WRITE_SECONDS = 2.0
_PAIRS = 1000
_IMPORTED = 5000
_IMPORTS = 3
_LOGINS = 10
_STARTS = 3
_RUNS = 6

FACTORY = "tests.bench.factory:create_app"
UNAUDITED_FACTORY = "tests.bench.factory:create_unaudited_app"


class Measured:
    """A running server, and the measurement of one phase of load on it."""

    def __init__(
        self,
        name: str,
        store: Store,
        directory: Path,
        clients: Clients,
        stack: ExitStack,
        factory: str = FACTORY,
    ) -> None:
        self.name = name
        self.store = store
        self.directory = directory
        self.clients = clients
        answers = directory / "answers"
        answers.mkdir(exist_ok=True)
        env = {**store.env, ANSWERS_VARIABLE: str(answers)}
        self.server = stack.enter_context(RunningServer(directory, env, factory=factory))
        self.address = Address(self.server.port, self.server.ca_file)
        for size in SIZES:
            (answers / f"{size}.json").write_bytes(clients.fetch(self.address, self.values(size)))

    def values(self, size: int) -> bytes:
        """Return the request for the values of the environment with `size` variables."""
        return request("GET", f"/api/v1/environments/of-{size}/values", token=self.store.token)

    def constant(self, size: int) -> bytes:
        """Return the request for the same bytes from the constant route."""
        return request("GET", f"/constant/{size}", token=self.store.token)

    def through_vaults_face(self, size: int) -> bytes:
        """The request for the environment with `size` variables, as a Vault client sends it."""
        return request("GET", f"/v1/secret/data/of-{size}", token=self.store.token)

    def login(self) -> bytes:
        """The request for a new session."""
        body = {"username": self.store.user, "password": self.store.password}
        return request("POST", "/api/v1/sessions", body=json.dumps(body).encode())

    def writes(self, clients: int) -> list[bytes]:
        """Requests that change one variable each; every client has its own variable."""
        bodies = [{"variables": {f"N{number % clients}": str(number)}} for number in range(200 * clients)]
        return [_json("PATCH", "/api/v1/environments/written/variables", body, self) for body in bodies]

    def phase(self, text: bytes, clients: int = READERS) -> tuple[Count, float]:
        """Send requests for a moment. Return the count of answers, and the workers' µs of processor time for each."""
        count, processor = self.load([text], _PHASE_SECONDS, clients)
        return count, processor / count.requests * 1e6

    def load(self, texts: Sequence[bytes], seconds: float, clients: int) -> tuple[Count, float]:
        """Send requests for `seconds`. Returns how many were answered, and the processor time of all workers in s."""
        before = self.worker_seconds()
        count = self.clients.ask(self.address, texts, seconds, clients=clients)
        return count, self.worker_seconds() - before

    def worker_seconds(self) -> float:
        """Return the processor time that the workers have used since they started."""
        parent = self.server.process.pid
        workers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return sum(time.clock_gettime(_processor_clock(int(pid))) for pid in workers)


def _processor_clock(pid: int) -> int:
    # As clock_getcpuclockid(3) makes it. It counts nanoseconds; /proc/<pid>/stat counts hundredths of a second.
    return ~pid << 3 | 2


def in_turn(phases: Sequence[Callable[[], tuple[Count, float]]]) -> list[list[tuple[float, float]]]:
    """Run the phases in turn, in rounds. Return the rate and processor time of each, without the first round."""
    rounds = []
    for _ in range(_ROUNDS + 1):
        found = [phase() for phase in phases]
        rounds.append([(count.per_second, microseconds) for count, microseconds in found])
    return rounds[1:]


def median_of(rounds: list[list[tuple[float, float]]], phase: int, what: int) -> float:
    return statistics.median(found[phase][what] for found in rounds)


def rate_ratio(rounds: list[list[tuple[float, float]]], phase: int, base: int) -> float:
    # Compare within each round, so that a disturbance affects only the ratio of its round.
    return statistics.median(found[phase][0] / found[base][0] for found in rounds)


# -- Reads --


def values_and_constant(server: Measured) -> list[Line]:
    """Compare `values` with a token and a route that answers the same bytes."""
    lines = []
    for size in SIZES:
        values, constant = server.values(size), server.constant(size)
        rounds = in_turn([partial(server.phase, values), partial(server.phase, constant)])
        figures = " against ".join(
            f"{median_of(rounds, phase, 0):,.0f}/s ({median_of(rounds, phase, 1):.0f} µs)" for phase in (0, 1)
        )
        case = f"values of {size} variables against a constant route"
        limit = 0.6 if size == SIZES[0] else None
        ratio = rate_ratio(rounds, 0, 1)
        lines.append(
            at_least(case, server.name, figures, ratio, limit) if limit else Line(case, server.name, figures, ratio)
        )
    return lines


def vaults_face(server: Measured) -> list[Line]:
    """Compare the read of an environment by a Vault client with the same read through the API."""
    lines = []
    for size in (SIZES[0], SIZES[-1]):
        theirs = server.through_vaults_face(size)
        path = f"/api/v1/environments/of-{size}/values?globals=false&resolve=false"
        ours = request("GET", path, token=server.store.token)
        rounds = in_turn([partial(server.phase, theirs), partial(server.phase, ours)])
        figures = " against ".join(
            f"{median_of(rounds, phase, 0):,.0f}/s ({median_of(rounds, phase, 1):.0f} µs)" for phase in (0, 1)
        )
        case = f"{size} variables through /v1 against /api/v1"
        lines.append(at_least(case, server.name, figures, rate_ratio(rounds, 0, 1), 0.9))
    return lines


def stored_environments(servers: Sequence[Measured]) -> list[Line]:
    """Compare the same read in vaults with few and with many environments."""
    rounds = in_turn([partial(server.phase, server.values(SIZES[0])) for server in servers])
    base = median_of(rounds, 0, 0)
    lines = []
    for number, server in enumerate(servers[1:], start=1):
        figures = f"{median_of(rounds, number, 0):,.0f}/s ({median_of(rounds, number, 1):.0f} µs)"
        figures += f" against {base:,.0f}/s ({median_of(rounds, 0, 1):.0f} µs) with {servers[0].store.environments}"
        case = f"values with {server.store.environments:,} environments stored"
        lines.append(within(case, server.name, figures, rate_ratio(rounds, number, 0), 0.1))
    return lines


def another_and_never(server: Measured) -> list[Line]:
    """Compare the time to refuse another person's environment with the time to refuse an id that never existed."""
    paths = [f"/api/v1/environments/{name}/values" for name in (server.store.others_id, uuid.uuid4())]
    asked = [request("GET", path, token=server.store.token) for path in paths]
    # Each of the two comes first as often as second.
    first, second, third, fourth = server.clients.time(server.address, [*asked, *reversed(asked)], _PAIRS // 2)
    another, never = statistics.median(first + fourth), statistics.median(second + third)
    figures = f"median {another * 1e6:.0f} µs against {never * 1e6:.0f} µs, {_PAIRS:,} of each in turn"
    return [within("another person's id against one that never existed", server.name, figures, another / never, 0.05)]


# -- Writes and logins --


def writes(server: Measured) -> list[Line]:
    """Measure PATCH calls of one variable. Each makes a new revision."""
    lines = []
    for clients in WRITERS:
        count, _ = server.load(server.writes(clients), _WRITE_SECONDS, clients)
        lines.append(Line(f"writes, {clients} at once", server.name, f"{count.per_second:,.0f}/s"))
    return lines


def _json(method: str, path: str, body: object, server: Measured) -> bytes:
    return request(method, path, token=server.store.writer, body=json.dumps(body).encode())


def imports(server: Measured) -> list[Line]:
    """Measure imports of a Postman file of 5,000 variables into a new environment, and into the same one again."""
    values = [{"key": f"VARIABLE_{number:04}", "value": "x" * 20, "enabled": True} for number in range(_IMPORTED)]
    body = {"format": "postman", "text": json.dumps({"values": values})}
    targets = [f"imported-{number}" for number in range(_IMPORTS)]
    texts = [_json("POST", "/api/v1/import", {"environment": name, **body}, server) for name in targets]
    times = [_seconds_of(partial(server.clients.fetch, server.address, text)) for text in (*texts, *texts)]
    figures = f"median {statistics.median(times):.2f} s of {len(times)}, longest {max(times):.2f} s"
    case = f"import of {_IMPORTED:,} variables"
    return [at_most_seconds(case, server.name, figures, statistics.median(times), 1.0)]


def logins(server: Measured) -> list[Line]:
    """Measure logins, one after the other, with the default parameters of Argon2id."""
    times = server.clients.time(server.address, [server.login()], _LOGINS)[0]
    return [Line("login", server.name, f"median {statistics.median(times) * 1e3:.0f} ms")]


# -- Starts --


def run_true(server: Measured) -> list[Line]:
    """Compare `strongroom run -- true` with a bare Python that only executes `true`."""
    run, env = true_command(server)
    bare = [sys.executable, "-c", "import os; os.execvp('true', ['true'])"]
    times = [(_seconds(run, env), _seconds(bare, env)) for _ in range(_RUNS)]
    whole, python = (statistics.median(column) for column in zip(*times, strict=True))
    own = whole - python
    figures = f"{whole * 1e3:.0f} ms, of these {own * 1e3:.0f} ms for Strongroom and the rest for a bare Python"
    return [at_most_seconds("strongroom run -- true", server.name, figures, own, 0.2)]


def true_command(server: Measured) -> tuple[list[str], dict[str, str]]:
    """Return `strongroom run -- true` with the values of the smallest environment, and its environment variables."""
    env = {
        **os.environ,
        "STRONGROOM_URL": server.server.url,
        "STRONGROOM_CA_FILE": str(server.server.ca_file),
        "STRONGROOM_TOKEN": server.store.token,
        "PYTHONPATH": server.server.env["PYTHONPATH"],
    }
    return [sys.executable, "-m", "vault", "run", "-e", f"of-{SIZES[0]}", "--", "true"], env


def _seconds(command: list[str], env: dict[str, str]) -> float:
    return _seconds_of(lambda: subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL))


def _seconds_of(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def start(name: str, store: Store, directory: Path) -> list[Line]:
    """Measure the time from the start of `strongroom serve`, over an existing vault, to the first 200 of `/livez`."""
    times = []
    for _ in range(_STARTS):
        with RunningServer(directory, store.env) as server:
            times.append(server.start_seconds)
    median = statistics.median(times)
    figures = f"median {median:.2f} s of {_STARTS}, longest {max(times):.2f} s"
    return [at_most_seconds("start of the server", name, figures, median, 1.5)]
