"""An application that cannot start, because its database is away."""

from __future__ import annotations

from typing import NoReturn

from vault.errors import DatabaseUnavailable
from vault.settings import Settings


def create_app(_settings: Settings) -> NoReturn:
    """Raise what `vault.app.create_app` raises without a database."""
    raise DatabaseUnavailable()
