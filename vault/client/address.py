"""The server's address, parsed and checked before anything is sent to it."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from vault.errors import SettingsError

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST_WITHOUT_SCHEME = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(:\d{1,5})?(/[\w./-]*)?")
"""A host, perhaps with a port and a path. It has no place for a password, so a message may quote it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed server address. `prefix` is the path under which a proxy may serve it."""

    is_tls: bool
    host: str
    port: int
    prefix: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}{self.prefix}"

    @property
    def origin(self) -> str:
        """The server itself, in one spelling: an authority vouches for it, whatever the path is."""
        # A name may end with the dot of the root.
        host = self.host.rstrip(".")
        with suppress(ValueError):
            host = str(ipaddress.ip_address(host))
        return str(replace(self, host=host, prefix=""))

    @property
    def canonical(self) -> str:
        """The address in one spelling, as people write it: without the port of HTTPS, and with its path."""
        return self.origin.removesuffix(":443") + self.prefix

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return self.host in _LOOPBACK_HOSTS

    @classmethod
    def parse(cls, url: str, plain_http: bool) -> Address:
        """Parse `url`. Raises `SettingsError`. An `http://` address must be loopback and needs `plain_http`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise SettingsError(f"The server's address cannot be read: {error}.") from error
        if not all("!" <= character <= "~" for character in url):
            raise SettingsError("The server's address contains a space or a character that no address has.")
        if _HOST_WITHOUT_SCHEME.fullmatch(url):
            raise SettingsError(f"The server's address {url} lacks https:// at its start. Use https://{url}.")
        if parts.scheme not in ("https", "http") or not host:
            raise SettingsError("The server's address must look like https://vault.example:8443.")
        if parts.username is not None or parts.query or parts.fragment:
            raise SettingsError("The server's address must not contain a user, a password, '?' or '#'.")
        if parts.scheme == "http":
            _check_plain(host, plain_http)
        is_tls = parts.scheme == "https"
        return cls(is_tls, host, port or (443 if is_tls else 80), parts.path.rstrip("/"))


def _check_plain(host: str, plain_http: bool) -> None:
    if host not in _LOOPBACK_HOSTS:
        raise SettingsError(
            "The server's address starts with http://, so values would be sent unencrypted. Use https://."
        )
    if not plain_http:
        raise SettingsError(
            "The server's address starts with http://. For a server on this machine, plain_http=True allows it."
        )
