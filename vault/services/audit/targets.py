"""The targets of forwarded events: standard output, a file, the local syslog, or syslog over UDP, TCP or TLS."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from vault.services.audit.syslog import Datagrams, Shorten, Stream
from vault.tls import verifying_context

_PORTS = {"syslog": 514, "syslog+tcp": 514, "syslog+tls": 6514}
"""The default ports: UDP (RFC 5426), TLS (RFC 5425). TCP has no port of its own; receivers use 514."""


class Target(Protocol):
    """A target that accepts lines."""

    def send(self, lines: Sequence[str]) -> int:
        """Send lines. Returns how many were shortened. Raises `OSError` unless all were accepted."""

    def close(self) -> None:
        """Close what is open."""


class Stdout:
    """Writes to standard output, one event on each line."""

    def send(self, lines: Sequence[str]) -> int:
        """Write lines."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        return 0

    def close(self) -> None:
        """Does nothing: standard output stays open."""


class File:
    """Appends to a file, one event on each line. When `send` returns, the lines are on the disk."""

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, lines: Sequence[str]) -> int:
        """Append lines."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(descriptor)
        return 0

    def close(self) -> None:
        """Does nothing: the file is opened for each batch, so that it can be rotated."""


def target_of(setting: str, ca_file: Path | None, shorten: Shorten) -> Target | None:
    """Return the target of STRONGROOM_AUDIT_FORWARD, which the settings have checked; None for an empty one."""
    kind, _, place = setting.partition(":")
    if not kind:
        return None
    if kind == "stdout":
        return Stdout()
    if kind == "file":
        return File(place)
    if not place:
        return Datagrams(None, shorten)
    parts = urlsplit(f"//{place}")
    host, port = parts.hostname or "", parts.port or _PORTS[kind]
    if kind == "syslog":
        return Datagrams((host, port), shorten)
    return Stream(host, port, partial(verifying_context, ca_file) if kind == "syslog+tls" else None, shorten)
