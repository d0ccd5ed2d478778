"""The database and the session cache. What is secret passes through here only as sealed bytes."""

from vault.storage.hot import Facts, HotReads, Layer
from vault.storage.keys import FirstRows, first_rows, holds_vault
from vault.storage.migrate import migrate, schema_state
from vault.storage.repository import Record, Stale, WrittenRow
from vault.storage.session_cache import NoCache, RedisCache, SessionCache
from vault.storage.signed import RowSigner
from vault.storage.unit_of_work import Asked, Storage, UnitOfWork

__all__ = [
    "Asked",
    "Facts",
    "FirstRows",
    "HotReads",
    "Layer",
    "NoCache",
    "Record",
    "RedisCache",
    "RowSigner",
    "SessionCache",
    "Stale",
    "Storage",
    "UnitOfWork",
    "WrittenRow",
    "first_rows",
    "holds_vault",
    "migrate",
    "schema_state",
]
