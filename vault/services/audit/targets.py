"""Where events are forwarded to: standard output, a file, the host's own syslog, or another's over UDP, TCP or TLS."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from vault.services.audit.syslog import Datagrams, Shorten, Stream, tls_context

_PORTS = {"syslog": 514, "syslog+tcp": 514, "syslog+tls": 6514}
"""Of UDP (RFC 5426) and TLS (RFC 5425); TCP has none of its own, and receivers use that of UDP."""


class Target(Protocol):
    """Takes lines."""

    def send(self, lines: Sequence[str]) -> int:
        """Hand lines over; how many had to be shortened. Raises `OSError` where they were not all taken."""

    def close(self) -> None:
        """Let go of what is open."""


class Stdout:
    """Standard output, one event a line."""

    def send(self, lines: Sequence[str]) -> int:
        """Write lines."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        return 0

    def close(self) -> None:
        """It stays open."""


class File:
    """A file, one event a line; when `send` returns they are on the disk."""

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
        """It is opened anew for each batch, so that it may be moved away."""


def target_of(setting: str, ca_file: Path | None, shorten: Shorten) -> Target | None:
    """The target that STRONGROOM_AUDIT_FORWARD names, whose form was checked; None for none. Raises `OSError`."""
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
    return Stream(host, port, tls_context(ca_file) if kind == "syslog+tls" else None, shorten)
