"""Which errors say that a database takes its rows in general, and not these."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, StatementError


def is_about_the_rows(error: BaseException) -> bool:
    """Whether `error` is the fault of what was to be stored: too long, of a wrong type, no text."""
    if isinstance(error, StatementError) and error.orig is not None:
        error = error.orig
    if isinstance(error, DBAPIError):
        return False
    # PostgreSQL's driver is imported only where it is used.
    names = {kind.__name__ for kind in type(error).__mro__}
    ours = (ValueError, TypeError, KeyError, OverflowError, sqlite3.InterfaceError, sqlite3.IntegrityError)
    return isinstance(error, ours) or "DataError" in names
