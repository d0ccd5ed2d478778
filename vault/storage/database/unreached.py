"""Says why a connection to PostgreSQL cannot be opened: the host, TLS, the user, the database, or the server's state.

The operator at the start sees this. Callers never do: it names what the setting names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vault.errors import DatabaseUnavailable
from vault.storage.database.engine import driver_error

_SETTING = "STRONGROOM_DATABASE_URL"

_CAUSES = (
    (("no pg_hba.conf entry", "no encryption"), "the server accepts this user and database only with TLS. Add sslmode="
     "verify-full and sslrootcert"),
    (("no pg_hba.conf entry",), "the server's pg_hba.conf does not let this user into this database from this host"),
    (("password authentication failed",), "the server refuses the user or the password"),
    (("no password supplied",), "the server asks for a password, and there is none in the address"),
    (("authentication failed",), "the server refuses the user"),
    (("role ", "does not exist"), "the server has no such user"),
    (("role ", "is not permitted to log in"), "the server does not let this user log in"),
    (("database ", "does not exist"), "the server has no such database"),
    (("permission denied for database",), "this user may not connect to this database"),
    (("server does not support SSL",), "sslmode asks for TLS, and the server offers none"),
    (("certificate verify failed",), "the authority in sslrootcert has not signed the server's certificate"),
    (("does not match host name",), "the server's certificate is for another host name"),
    (("root certificate",), "sslmode verifies the server's certificate, and the file of sslrootcert is missing"),
    (("too many connections",), "the server has no free connection"),
    (("remaining connection slots",), "the server has no free connection"),
    (("too many clients",), "the server has no free connection"),
    (("starting up",), "the server is starting"),
    (("shutting down",), "the server is stopping"),
    (("recovery mode",), "the server is recovering after a crash"),
    (("session is read-only",), "none of the hosts takes writes, which target_session_attrs demands"),
    (("server is in hot standby mode",), "none of the hosts is a primary, which target_session_attrs demands"),
    (("could not translate host name",), "the host's name cannot be found"),
    (("Name or service not known",), "the host's name cannot be found"),
    (("failed to resolve host",), "the host's name cannot be found"),
    (("No such file or directory",), "no server has its socket in this folder"),
    (("Connection refused",), "nothing listens at this host and port"),
    (("No route to host",), "there is no route to this host"),
    (("Network is unreachable",), "there is no route to this host"),
    (("timeout",), "the host does not answer in time. Check host, port and firewall"),
    (("SSL error",), "TLS with the server failed"),
)  # fmt: skip
"""Parts of libpq's and the server's messages, and what they mean. A failed connection has no SQLSTATE. The parts are
English: in another language of the server, the general sentence remains.
"""


def why_not(message: str) -> str:
    """Return the cause of a failed connection as a sentence, or "" if it is unknown."""
    for parts, meaning in _CAUSES:
        if all(part.lower() in message.lower() for part in parts):
            return f"The database cannot be reached with {_SETTING}: {meaning}."
    return ""


@contextmanager
def explained() -> Iterator[None]:
    """Raise a `DatabaseUnavailable` that names the cause, if a connection to PostgreSQL failed for a known one."""
    try:
        yield
    except DatabaseUnavailable as error:
        cause = driver_error(error.__cause__) if error.__cause__ is not None else None
        # Other drivers' errors have causes of their own.
        told = why_not(str(cause)) if type(cause).__module__.startswith("psycopg") else ""
        if not told:
            raise
        raise DatabaseUnavailable(told) from error
