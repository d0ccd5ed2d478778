"""The base of repositories whose rows carry no authority, and so no MAC."""

from __future__ import annotations

from sqlalchemy import Connection


class Plain:
    """Statements over one table, on the connection of a unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
