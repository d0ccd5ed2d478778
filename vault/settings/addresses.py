"""The one place that parses addresses in settings: of the database, of Redis, of services, of listeners, of networks.

Each function raises `SettingsError` with the setting's name. No message repeats an address that may have a password:
a password with an unescaped character can end up in any part of it.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import socket
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from vault.errors import SettingsError
from vault.settings.fields import PREFIX, Network
from vault.sources import parts_of

_DATABASE = re.compile(
    r"(?P<kind>\w+)(\+\w+)?://"
    r"(?:[^:/]*(?::[^@]*)?@)?"
    r"(?:\[(?P<v6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
"""The parts of a database's address, as SQLAlchemy divides it."""

_SEVERAL_HOSTS = re.compile(
    r"(?P<start>postgres(?:ql)?(?:\+\w+)?://(?:[^:/]*(?::[^@]*)?@)?)(?P<hosts>[^/?@\[\],]*(?:,[^/?@\[\],]*)+)"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
"""An address as libpq writes it, with several hosts before the database."""

PRIMARY_ONLY = ("read-write", "primary")
"""Values of `target_session_attrs` that connect to a server only if it takes writes."""
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ONE_OF = {
    "sslmode": SSL_MODES,
    "target_session_attrs": ("any", *PRIMARY_ONLY),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1.2", "TLSv1.3"),
}
_DATABASE_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"})
DATABASE_OPTIONS = frozenset(_ONE_OF) | _DATABASE_FILES | {
    "host", "hostaddr", "port", "dbname", "user", "password", "options", "application_name",
    "fallback_application_name", "client_encoding", "connect_timeout", "sslpassword", "sslsni", "sslcrldir",
    "sslcertmode", "requirepeer", "require_auth", "krbsrvname", "gsslib", "gssdelegation",
}  # fmt: skip
"""The options of libpq that an address may have: its "Parameter Key Words" that make sense for a client."""

_REDIS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
REDIS_OPTIONS = frozenset({"db", "protocol", "client_name"})
REDIS_TLS_OPTIONS = _REDIS_FILES | {"ssl_cert_reqs", "ssl_check_hostname"}
_REDIS_VALUES = {
    "db": re.compile(r"\d{1,5}", re.ASCII),
    "protocol": re.compile(r"[23]"),
    "ssl_cert_reqs": re.compile(r"none|optional|required"),
    "ssl_check_hostname": re.compile(r"(?i:true|false|yes|no|1|0)"),
}

_LISTENER = re.compile(
    r"(?P<v6>\[[0-9A-Fa-f:.]+(%[\w.]+)?\])?(?(v6)|(?P<host>[A-Za-z0-9._-]*)):(?P<port>\d{1,5})", re.ASCII
)
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_SHOWN_MOST = 250
_ONLY_NUMBERS = re.compile(r"[0-9.]+")


def hosts_as_options(url: str) -> str:
    """Return `url` with its hosts as options, if it names several before the database, because SQLAlchemy takes them
    only there.
    """
    found = _SEVERAL_HOSTS.fullmatch(url)
    if found is None:
        return url
    options = [f"host={host}" for host in found["hosts"].split(",")]
    return f"{found['start']}/{found['database'] or ''}?{'&'.join([*options, found['query'] or '']).rstrip('&')}"


def check_database(url: str, variable: str = f"{PREFIX}DATABASE_URL") -> None:
    """Raise `SettingsError` unless `url` is the address of a SQLite file or of a PostgreSQL database."""
    found = _DATABASE.fullmatch(hosts_as_options(url))
    if found is None or found["kind"] != "sqlite":
        _require_plain(variable, url)
    if found is None:
        raise SettingsError(f"{variable} is not a database address such as postgresql://user@host/name.")
    kind = found["kind"]
    if kind == "sqlite":
        _check_sqlite(variable, found)
    elif kind in ("postgresql", "postgres"):
        _check_postgresql(variable, found)
    else:
        raise SettingsError(f"{variable} must start with sqlite:/// or postgresql://.")


def _check_sqlite(variable: str, found: re.Match[str]) -> None:
    path = found["database"] or ""
    # Strongroom looks at the file itself, and would look at another than SQLite opens.
    if found["query"] or path.lower().startswith("file:") or found["host"] or path in ("", ":memory:"):
        raise SettingsError(f"{variable} must name a SQLite file by its path, as in sqlite:////srv/vault.db.")


def _check_postgresql(variable: str, found: re.Match[str]) -> None:
    options = _options(variable, found["query"] or "", DATABASE_OPTIONS)
    host, port = found["v6"] or found["host"] or "", found["port"]
    if "@" in host:
        raise SettingsError(f"{variable} has a password or a user with an @. Write it as %40.")
    if found["v6"] or host:
        _check_host(variable, found["v6"] or host, is_ipv6=bool(found["v6"]))
    if port is not None:
        _check_port(variable, port)
    for name, values in options.items():
        for value in values:
            _check_database_option(variable, name, value)
    _check_several_hosts(variable, options)


def _check_several_hosts(variable: str, options: Mapping[str, list[str]]) -> None:
    """Refuse hosts and ports that SQLAlchemy cannot parse, and several hosts without a demand for the primary."""
    hosts, ports = ([each for one in options.get(name, ()) for each in one.split(",")] for name in ("host", "port"))
    has_own_ports = len(options.get("host", ())) > 1 or any(":" in host for host in hosts)
    if ports and (has_own_ports or len(ports) not in (1, len(hosts))):
        raise SettingsError(
            f"{variable} has a port for some of its hosts only, or more than once. Write postgresql://user@one:5432,"
            "two:5432/name?target_session_attrs=read-write."
        )
    if len(hosts) > 1 and options.get("target_session_attrs", [""])[-1] not in PRIMARY_ONLY:
        raise SettingsError(
            f"{variable} names several hosts, and a standby among them would refuse every write. Add "
            "target_session_attrs=read-write."
        )


def _check_database_option(variable: str, name: str, value: str) -> None:
    if name in _ONE_OF and value not in _ONE_OF[name]:
        raise SettingsError(f"{variable}: {name} must be one of {', '.join(_ONE_OF[name])}.")
    if name in _DATABASE_FILES and not (name == "sslrootcert" and value == "system"):
        require_readable(f"{variable}: {name}", Path(value))
    if name == "port":
        for one in value.split(","):
            _check_port(variable, one)
    if name == "host" and not value.startswith(("/", "@")):
        for one in value.split(","):
            bare, _, port = one.partition(":")
            _check_host(variable, bare, is_ipv6=False)
            if port:
                _check_port(variable, port)
    if name == "connect_timeout" and not re.fullmatch(r"\d{1,4}", value, re.ASCII):
        raise SettingsError(f"{variable}: connect_timeout must be a number of seconds.")


def check_redis(url: str) -> None:
    """Raise `SettingsError` unless `url` is the address of a Redis server."""
    variable = f"{PREFIX}REDIS_URL"
    _require_plain(variable, url)
    parts = _split(variable, url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise SettingsError(f"{variable} must start with redis://, rediss:// (with TLS) or unix:///.")
    known = REDIS_OPTIONS | REDIS_TLS_OPTIONS if parts.scheme == "rediss" else REDIS_OPTIONS
    options = _options(variable, parts.query, known)
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.path == "/":
            raise SettingsError(f"{variable} must name the socket by its path, as in unix:///run/redis/redis.sock.")
    else:
        _check_redis_server(variable, parts)
    for name, values in options.items():
        pattern = _REDIS_VALUES.get(name)
        if len(values) > 1 or (pattern is not None and not pattern.fullmatch(values[0])):
            raise SettingsError(f"{variable}: the option {name} has a value that cannot be used.")
        if name in _REDIS_FILES:
            require_readable(f"{variable}: {name}", Path(values[0]))


def _check_redis_server(variable: str, parts: SplitResult) -> None:
    if "@" in (parts.username or "") + (parts.password or ""):
        raise SettingsError(f"{variable} has a password or a user with an @. Write it as %40.")
    if not parts.hostname:
        raise SettingsError(f"{variable} must name a host, as in redis://host:6379/0.")
    _check_host(variable, parts.hostname, is_ipv6=parts.netloc.endswith("]") or "]:" in parts.netloc)
    if not re.fullmatch(r"(/\d{0,5})?", parts.path, re.ASCII):
        raise SettingsError(
            f"{variable} may have only the database's number after the host, as in redis://host:6379/0."
        )


def check_https(variable: str, url: str) -> None:
    """Raise `SettingsError` unless `url` is the address of a service: https, host and perhaps a port. A service on this
    machine may use http.
    """
    _require_plain(variable, url)
    parts = _split(variable, url)
    is_local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
        raise SettingsError(f"{variable} must look like https://host:8200.")
    if parts.username is not None or parts.query or parts.path not in ("", "/"):
        raise SettingsError(f"{variable} must not contain a user, a password, a path, '?' or '#'.")
    _check_host(variable, parts.hostname, is_ipv6="[" in parts.netloc)


def check_listener(variable: str, text: str) -> None:
    """Raise `SettingsError` unless `text` is a host and a port, as `127.0.0.1:8443`, `[::1]:8443` or `:8443`."""
    found = _LISTENER.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        # gunicorn accepts a name without a port, and would listen on 8000.
        raise SettingsError(f"{variable} is {shown(text)}. It must be a host and a port, such as 127.0.0.1:8443.")
    host = (found["v6"] or found["host"] or "").strip("[]")
    if host:
        _check_host(variable, host.partition("%")[0], is_ipv6=bool(found["v6"]))


def socket_address(bind: str) -> tuple[socket.AddressFamily, str, int]:
    """Return the family, the host and the port of an address that `check_listener` accepts."""
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    return socket.AF_INET6 if ":" in host else socket.AF_INET, host, int(port)


def networks_of(variable: str, text: str) -> tuple[Network, ...]:
    """Return the networks in a list that is split by commas. Raises `SettingsError`."""
    return tuple(_network(variable, part) for part in listed(variable, text))


def listed(variable: str, text: str) -> list[str]:
    """Return the parts of a list that is split by commas. Raises `SettingsError` if there are none."""
    parts = parts_of(text)
    if not parts:
        raise SettingsError(f"{variable} is {shown(text)}, which names nothing. Give it a value, or unset it.")
    return parts


def _network(variable: str, text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingsError(
            f"{variable} has {shown(text)}, which is not an address or a network such as 10.1.0.0/24 or fd00::/8. "
            "Names are not looked up."
        ) from None
    raise SettingsError(
        f"{variable} has {shown(text)}, whose address has bits outside of its network. Write {meant} for the network, "
        f"or {text.partition('/')[0]} for the single address."
    )


def shown(text: str) -> str:
    """Return a text of a setting that is no secret, for a message: quoted, and shortened if it is very long."""
    return repr(text if len(text) <= _SHOWN_MOST else text[:_SHOWN_MOST] + "...")


def require_readable(variable: str, path: Path) -> None:
    """Raise `SettingsError` unless `path` is a file that can be opened and is not empty."""
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise SettingsError(f"{variable} names the file {shown(str(path))}, which cannot be read: {reason}.") from None
    if is_empty:
        raise SettingsError(f"{variable} names the file {shown(str(path))}, which is empty.")


def _split(variable: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The error's text repeats a part of the address.
        raise SettingsError(
            f"{variable} cannot be read as an address. Its port must be a number up to 65535, an IPv6 address must be "
            "in brackets, and characters such as / ? # @ in a password must be written as %2F %3F %23 %40."
        ) from None
    if port == 0 or "#" in url:
        raise SettingsError(f"{variable} has port 0 or a '#'. Write a '#' in a password as %23.")
    return parts


def _options(variable: str, query: str, known: Collection[str]) -> Mapping[str, list[str]]:
    options: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        pairs = [("", "")]
    for name, value in pairs:
        if name not in known:
            # The name may be a part of a password with a question mark, so do not repeat it.
            near = difflib.get_close_matches(name, known, 1)
            meant = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(known))}."
            raise SettingsError(f"{variable} has an unknown option after '?'. {meant}")
        if not value:
            raise SettingsError(f"{variable}: the option {name} has no value.")
        options.setdefault(name, []).append(value)
    return options


def _require_plain(variable: str, url: str) -> None:
    if not url.isprintable() or url != url.strip():
        raise SettingsError(f"{variable} contains a line break, a space around it, or a character that no address has.")


def check_host(variable: str, host: str) -> None:
    """Raise `SettingsError` unless `host` is a name or an IP address, which may stand in brackets."""
    _check_host(variable, host.strip("[]"), is_ipv6=host.startswith("["))


def _check_host(variable: str, host: str, *, is_ipv6: bool) -> None:
    host = unquote(host)
    if host.startswith("/") and not is_ipv6:
        return
    if is_ipv6 or _ONLY_NUMBERS.fullmatch(host):
        try:
            if (ipaddress.ip_address(host).version == 6) == is_ipv6:
                return
        except ValueError:
            pass
        raise SettingsError(f"{variable} has a host that is neither a name nor an IP address.")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise SettingsError(f"{variable} has a host that is neither a name nor an IP address.")


def _check_port(variable: str, text: str) -> None:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise SettingsError(
            f"{variable} has a bad port: use a number from 1 to 65535. A : / ? or @ in a password is written as %3A "
            "%2F %3F %40."
        )
