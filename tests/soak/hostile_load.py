"""Ordinary callers, polite ones and attackers, in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import multiprocessing
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_SPAWN = multiprocessing.get_context("spawn")

STRANGER = "127.0.0.66"
"""Where attackers come from: another address than everybody else's."""

_BODY_BYTES = 1536 * 1024 - 200
_PATIENCE_SECONDS = 60.0
_IDLE_SECONDS = 3.0
"""The server closes a connection after five seconds of silence."""


Headers = dict[str, str]
_JSON = {"Content-Type": "application/json"}


class Target(NamedTuple):
    """A server, and the credentials that a load uses."""

    port: int
    ca_file: str
    secrets: dict[str, str]


@dataclass
class Seen:
    """What one process has seen: for each call its seconds and status, and what broke."""

    kind: str
    seconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def note(self, status: object, seconds: float) -> None:
        self.seconds.append(seconds)
        self.statuses[str(status)] = self.statuses.get(str(status), 0) + 1

    def add(self, other: Seen) -> None:
        """What another process of the same kind has seen."""
        self.seconds += other.seconds
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count


class Session:
    """One keep-alive connection."""

    def __init__(self, target: Target, source: str = "127.0.0.1") -> None:
        self._target = target
        self._source = source
        self._used_seconds = 0.0
        self._context = ssl.create_default_context(cafile=target.ca_file)
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, headers: Headers, body: bytes | None = None) -> tuple[int, bytes]:
        """One call. Raises `OSError` and `HTTPException`."""
        if time.monotonic() - self._used_seconds > _IDLE_SECONDS:
            self.close()
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                "localhost", self._target.port, context=self._context, timeout=_PATIENCE_SECONDS,
                source_address=(self._source, 0),
            )  # fmt: skip
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self.close()
            raise
        finally:
            self._used_seconds = time.monotonic()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def bearer(secret: str) -> Headers:
    return {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}


# -- Loads -----------------------------------------------------------------------------------------------------

Work = Callable[[Target, int, "Until"], None]
Works = tuple[tuple[Work, int], ...]
"""What processes do, each with how many connections."""


class Until:
    """Where a thread notes what it has seen, and how it learns that it is over."""

    def __init__(self, seen: Seen, ends: Any) -> None:
        self.seen = seen
        self._ends = ends
        self._lock = threading.Lock()

    def is_over(self) -> bool:
        return bool(self._ends.is_set())

    def wait(self, seconds: float) -> bool:
        return bool(self._ends.wait(seconds))

    def call(self, session: Session, method: str, path: str, headers: Headers, body: bytes | None = None) -> None:
        """Make one call, and note how it went."""
        started = time.monotonic()
        status: object
        try:
            status, _ = session.ask(method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        self.note(status, time.monotonic() - started)

    def note(self, status: object, seconds: float) -> None:
        """Note one call."""
        with self._lock:
            self.seen.note(status, seconds)


def ordinary(target: Target, number: int, until: Until) -> None:
    """Four readers and two writers, with a pause after each call."""
    session = Session(target)
    secret = target.secrets["ada"]
    for turn in itertools.count():
        if number < 4:
            until.call(session, "GET", "/api/v1/environments/prod/values", bearer(secret))
        else:
            body = json.dumps({"variables": {"W": str(turn)}}).encode()
            until.call(session, "PATCH", f"/api/v1/environments/written-{number}/variables", bearer(secret), body)
        if until.wait(0.05):
            return


def polite(target: Target, number: int, until: Until) -> None:
    """Reads, one after the other without a pause."""
    session = Session(target)
    secret = target.secrets[f"polite-{number % 4}"]
    while not until.is_over():
        until.call(session, "GET", "/api/v1/environments/prod/values", bearer(secret))


def a1_json(target: Target, number: int, until: Until) -> None:
    """Nobody sends 1.5 MB of small JSON items to public calls."""
    session = Session(target, STRANGER)
    item = (b"[],", b"1,", b'{"":[]},', b"[[[[]]]],")[number % 4]
    body = b'{"token":[' + item * (_BODY_BYTES // len(item) - 10) + b"0]}"
    path = ("/v1/sys/wrapping/unwrap", "/api/v1/sessions", "/v1/sys/wrapping/lookup")[number % 3]
    while not until.is_over():
        until.call(session, "POST", path, _JSON, body)


def a2_windows(target: Target, _number: int, until: Until) -> None:
    """One read token asks for a mebibyte on 90 streams, and opens no window."""
    while not until.is_over():
        started = time.monotonic()
        with contextlib.suppress(OSError), _http2(target) as connection:
            for stream in range(90):
                connection.sendall(_frame(1, 5, 1 + 2 * stream, _headers("/api/v1/environments/big/values", target)))
            connection.settimeout(1.0)
            end = time.monotonic() + 10
            while time.monotonic() < end and not until.is_over():
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(65536):
                        break
        until.note("connection", time.monotonic() - started)
        until.wait(0.1)


def a3_grants(target: Target, number: int, until: Until) -> None:
    """The least token sends hundreds of thousands of list items."""
    session = Session(target, STRANGER)
    path, name, item = (
        ("/api/v1/tokens", "grants", b"{},"),
        ("/api/v1/environments", "variables", b"{},"),
        ("/v1/secret/data/nothing", "data", b"[],"),
    )[number % 3]
    body = b'{"name":"x","%s":[' % name.encode() + item * (_BODY_BYTES // 3 - 20) + b"{}]}"
    while not until.is_over():
        until.call(session, "POST", path, bearer(target.secrets["least"]), body)


def a4_lists(target: Target, _number: int, until: Until) -> None:
    """A person with many tokens lists them again and again."""
    session = Session(target, STRANGER)
    while not until.is_over():
        until.call(session, "LIST", "/v1/auth/token/accessors", bearer(target.secrets["mallory"]))


def a5_names(target: Target, _number: int, until: Until) -> None:
    """A read token asks for thousands of repeated names."""
    session = Session(target, STRANGER)
    names = ",".join(itertools.islice(itertools.cycle("abcdefghijklmnopqrstuvwxyz"), 3900))
    while not until.is_over():
        path = f"/api/v1/environments/big/values?names={names}"
        until.call(session, "GET", path, bearer(target.secrets["read"]))


def a6_wraps(target: Target, _number: int, until: Until) -> None:
    """A token that may do nothing wraps 1.4 MB a call."""
    session = Session(target, STRANGER)
    body = json.dumps({"a": "x" * 1_400_000}).encode()
    while not until.is_over():
        wrap = {"X-Vault-Token": target.secrets["least"], "X-Vault-Wrap-TTL": "24h"}
        until.call(session, "POST", "/v1/sys/wrapping/wrap", wrap, body)


def a7_statuses(target: Target, number: int, until: Until) -> None:
    """Status codes of thousands of digits, and OPTIONS that wants to be wrapped."""
    session = Session(target, STRANGER)
    codes = ("0200", "02041", "05991", "0200" + "9" * 3000)
    for turn in itertools.count(number):
        if until.is_over():
            return
        until.call(session, "GET", f"/v1/sys/health?activecode={codes[turn % 4]}", {})
        until.call(session, "OPTIONS", "/v1/secret/data/x", {"X-Vault-Wrap-TTL": "60"})


ATTACKS: Works = (
    (a1_json, 6), (a2_windows, 6), (a3_grants, 4), (a4_lists, 4), (a5_names, 4), (a6_wraps, 4), (a7_statuses, 4),
)  # fmt: skip
"""Each attack, and its connections: 32 in all."""

POLITE: Works = tuple((polite, connections) for _, connections in ATTACKS)
"""As many connections from as many processes, so that both take the same part of a machine that clients share."""

ORDINARY: Works = ((ordinary, 6),)


# -- Processes -------------------------------------------------------------------------------------------------


class Loads:
    """Processes that make calls from construction until `stop`."""

    def __init__(self, target: Target, works: Works) -> None:
        self._ends = _SPAWN.Event()
        self._pipes = []
        self._processes = []
        for work, connections in works:
            ours, theirs = _SPAWN.Pipe()
            arguments = (target, work, connections, self._ends, theirs)
            process = _SPAWN.Process(target=_run, args=arguments, daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            assert pipe.recv() == "ready"

    def stop(self) -> dict[str, Seen]:
        """End them all, and tell what each has seen."""
        self._ends.set()
        all_seen: dict[str, Seen] = {}
        for pipe in self._pipes:
            seen: Seen = pipe.recv()
            all_seen.setdefault(seen.kind, Seen(seen.kind)).add(seen)
        for process in self._processes:
            process.join(_PATIENCE_SECONDS)
        return all_seen


def _run(target: Target, work: Work, connections: int, ends: Any, pipe: Any) -> None:
    until = Until(Seen(work.__name__), ends)
    threads = [
        threading.Thread(target=work, args=(target, number, until), daemon=True) for number in range(connections)
    ]
    pipe.send("ready")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(until.seen)


# -- HTTP/2 by hand --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _http2(target: Target) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=target.ca_file)
    context.set_alpn_protocols(["h2"])
    tcp = socket.create_connection(("127.0.0.1", target.port), _PATIENCE_SECONDS, (STRANGER, 0))
    with context.wrap_socket(tcp, server_hostname="localhost") as connection:
        settings = struct.pack(">HI", 4, 0)  # SETTINGS_INITIAL_WINDOW_SIZE
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, settings))
        yield connection


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _headers(path: str, target: Target) -> bytes:
    fields = {
        ":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": path,
        "authorization": f"Bearer {target.secrets['read']}",
    }  # fmt: skip
    # Literal fields without indexing (RFC 7541, 6.2.2); each text is shorter than 127 bytes.
    return b"".join(b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in field) for field in fields.items())
