"""Logs (structlog) and Prometheus metrics for operators. Neither contains secrets."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import structlog

from vault.errors import StrongroomError

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from structlog.typing import EventDict

MASK = "***"

MASKED_NAMES = frozenset(
    (
        "api_key authorization client_token cookie key new_password password passphrase secret secret_id "
        "set_cookie token value values variables x_api_key x_vault_token"
    ).split()
)
"""Names of fields whose content is never logged."""

_TOKEN = re.compile(r"srm_([a-z])_[0-9A-Za-z]+")

_TELLING_ERRORS = (StrongroomError, OSError, ImportError)
"""Errors whose message cannot quote input: our own sentences, the operating system's, the importer's."""


# -- Logs ------------------------------------------------------------------------------------------------------


def configure(*, level: str = "info", style: str = "json", stream: TextIO | None = None) -> None:
    """Send all logs of this process, also the standard library's, to `stream` (stderr) as JSON or for a console."""
    stream = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[structlog.typing.Processor] = [render_exception, mask_secrets, _renderer(style)]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Below level warning, libraries log details with the caller's data (statements, headers).
    root.setLevel(max(number, logging.WARNING))


def _renderer(style: str) -> structlog.typing.Processor:
    if style == "console":
        # The default traceback shows local variables, which contain secrets.
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer()


def mask_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor. It hides fields with names like `password`, and anything that looks like a token
    of ours.
    """
    for name, content in event.items():
        event[name] = MASK if _is_masked(name) else _masked(content)
    return event


def _is_masked(name: str) -> bool:
    return name in MASKED_NAMES or name.lower().replace("-", "_") in MASKED_NAMES


def _masked(content: object) -> object:
    if isinstance(content, str):
        return _TOKEN.sub(rf"srm_\1_{MASK}", content) if "srm_" in content else content
    if isinstance(content, bytes):
        return _masked(content.decode("utf-8", "replace"))
    if isinstance(content, dict):
        return {name: MASK if _is_masked(str(name)) else _masked(inner) for name, inner in content.items()}
    if isinstance(content, list | tuple | set | frozenset):
        return [_masked(inner) for inner in content]
    if content is None or isinstance(content, int | float):
        return content
    return _masked(str(content))


def render_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A structlog processor. It turns `exc_info` into text with frames and types, without local variables or quoted
    input.
    """
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> str:
    """Return the traceback of `error` and of its causes.

    Messages of foreign exceptions are left out: `int("hunter2")` would put a password into the log.
    """
    parts: list[str] = []
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        parts.append(_describe_one(following))
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return "\nwhich came after\n".join(parts)


def _describe_one(error: BaseException) -> str:
    said = str(error) if isinstance(error, _TELLING_ERRORS) else "(message withheld)"
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{frames}{type(error).__module__}.{type(error).__qualname__}: {said}"


# -- Metrics ---------------------------------------------------------------------------------------------------

_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())


def use_metrics_directory(directory: Path) -> None:
    """Make all processes of this server share their counts through files in `directory`, which is emptied.

    Call this before the first use of `metrics()`: prometheus_client reads the variable when it is imported.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    os.environ[_DIRECTORY_VARIABLE] = str(directory)


class Metrics:
    """All metrics of the server. Labels come from fixed sets, never from a caller."""

    def __init__(self) -> None:
        # Import late, so that `use_metrics_directory` can come first and the command starts faster.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        self.requests = Counter(
            "strongroom_requests", "Answers by method, route and status.",
            ("method", "route", "status"), registry=self.registry,
        )  # fmt: skip
        self.durations = Histogram(
            "strongroom_request_duration_seconds", "Seconds from the full header to the answer, by method and route.",
            ("method", "route"), registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
        )  # fmt: skip
        self.refusals = Counter(
            "strongroom_refusals", "Connections and requests that the front door turned away, by cause.",
            ("cause",), registry=self.registry,
        )  # fmt: skip
        self.integrity_errors = Counter(
            "strongroom_integrity_errors", "Stored bytes that this vault did not store. Alert an operator at once.",
            ("kind",), registry=self.registry,
        )  # fmt: skip
        self.logins = Counter("strongroom_logins", "Logins by outcome.", ("outcome",), registry=self.registry)
        self.in_flight = Gauge(
            "strongroom_requests_in_flight", "Requests that use a thread or wait for one, measured each second.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.connections = Gauge(
            "strongroom_connections", "Open connections, measured each second.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.streams = Gauge(
            "strongroom_streams", "Open WebSockets, event streams and long polls, measured each second.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._add_audit()
        self._add_readiness()
        self._add_feed()
        self._seen: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _add_readiness(self) -> None:
        from prometheus_client import Gauge

        self.not_ready = Gauge(
            "strongroom_not_ready", "1 if a worker cannot serve, by reason.",
            ("reason",), registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.degraded = Gauge(
            "strongroom_degraded", "1 if a worker serves with a limitation, by reason.",
            ("reason",), registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def _add_audit(self) -> None:
        from prometheus_client import Counter, Gauge

        self.spool_bytes = Gauge(
            "strongroom_audit_spool_bytes", "Reads on this host that are not in the database yet.",
            registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.forward_waiting = Gauge(
            "strongroom_audit_forward_waiting", "Audit events that have not been forwarded.",
            registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.forward_oldest = Gauge(
            "strongroom_audit_forward_oldest_seconds", "The age of the oldest event that has not been forwarded.",
            registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self.forward_failures = Counter(
            "strongroom_audit_forward_failures", "Failed attempts to forward audit events.", registry=self.registry
        )
        self.forward_cut = Counter(
            "strongroom_audit_forward_cut", "Audit events that were too large and were forwarded in a shorter form.",
            registry=self.registry,
        )  # fmt: skip
        self.spool_set_aside = Counter(
            "strongroom_audit_spool_set_aside",
            "Spool records that the database could not take, kept in files.",
            registry=self.registry,
        )
        self.spool_set_aside_bytes = Gauge(
            "strongroom_audit_spool_set_aside_bytes", "The size of the files with such records on this host.",
            registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def _add_feed(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.followers = Gauge(
            "strongroom_followers", "Clients that follow changes, by kind of stream.",
            ("kind",), registry=self.registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.feed_told = Counter(
            "strongroom_feed_told", "Messages about changes that were sent to followers, by kind of stream.",
            ("kind",), registry=self.registry,
        )  # fmt: skip
        self.streams_ended = Counter(
            "strongroom_streams_ended", "Streams that have ended, by kind and by the code of their end.",
            ("kind", "code"), registry=self.registry,
        )  # fmt: skip
        self.feed_turns = Histogram(
            "strongroom_feed_turn_seconds", "Seconds to look for changes once and to send them.",
            registry=self.registry, buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )  # fmt: skip
        self.feed_failures = Counter(
            "strongroom_feed_failures", "Failures of the live feed other than a database that is away.",
            registry=self.registry,
        )  # fmt: skip
        self.feed_silent = Gauge(
            "strongroom_feed_silent_seconds", "Seconds since a worker with followers last looked for changes.",
            registry=self.registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def record_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        # Looking up labels takes longer than counting.
        pair = self._seen.get((method, route, status))
        if pair is None:
            known = method if method in _METHODS else "OTHER"
            pair = self.requests.labels(known, route, str(status)), self.durations.labels(known, route)
            if known == method:
                self._seen[method, route, status] = pair
        pair[0].inc()
        pair[1].observe(seconds)

    def scrape(self) -> bytes:
        """Return the metrics of all processes of this server, in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if _DIRECTORY_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus-client annotates only a part.
        return generate_latest(registry)


@functools.cache
def metrics() -> Metrics:
    """Return the metrics of this process."""
    return Metrics()


def forget_process(pid: int) -> None:
    """Remove the gauges of an ended process from the sums. Its counts stay."""
    if _DIRECTORY_VARIABLE in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # prometheus-client annotates only a part.
