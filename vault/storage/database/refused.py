"""Distinguishes errors about the stored values from errors of the database itself."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, StatementError


def is_about_the_rows(error: BaseException) -> bool:
    """Report whether the values caused `error`: too long, of a wrong type, or not text. A retry does not help."""
    if isinstance(error, StatementError) and error.orig is not None:
        error = error.orig
    if isinstance(error, DBAPIError):
        return False
    # Compare names, so that PostgreSQL's driver need not be imported here.
    names = {kind.__name__ for kind in type(error).__mro__}
    ours = (ValueError, TypeError, KeyError, OverflowError, sqlite3.InterfaceError, sqlite3.IntegrityError)
    return isinstance(error, ours) or "DataError" in names
