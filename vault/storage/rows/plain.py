"""The base of repositories whose rows decide no rights, so that they need no MAC."""

from __future__ import annotations

from sqlalchemy import Connection


class Plain:
    """Statements over one table, on the connection of a unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
