"""The database and the session cache. What is secret passes through here only as sealed bytes."""

from vault.storage.adopting import adopt
from vault.storage.audit import About, Held, Placed, Search
from vault.storage.hot import Facts, HotReads, Layer
from vault.storage.keys import FirstRows, Watched, first_rows, holds_vault, set_locked, watched
from vault.storage.migrate import migrate
from vault.storage.receipts import hold, when_settled
from vault.storage.refused import is_about_the_rows
from vault.storage.repository import Record, Stale, WrittenRow
from vault.storage.same_file import is_missing
from vault.storage.schema import SCHEMA_NUMBER, require_usable, require_whole, schema_revision, schema_state
from vault.storage.session_cache import NoCache, RedisCache, SessionCache
from vault.storage.signed import RowSigner
from vault.storage.spool import Spool
from vault.storage.spool_file import SpoolFile
from vault.storage.unit_of_work import Asked, Storage, UnitOfWork
from vault.storage.upkeep import RESERVED

__all__ = [
    "RESERVED",
    "SCHEMA_NUMBER",
    "About",
    "Asked",
    "Facts",
    "FirstRows",
    "Held",
    "HotReads",
    "Layer",
    "NoCache",
    "Placed",
    "Record",
    "RedisCache",
    "RowSigner",
    "Search",
    "SessionCache",
    "Spool",
    "SpoolFile",
    "Stale",
    "Storage",
    "UnitOfWork",
    "Watched",
    "WrittenRow",
    "adopt",
    "first_rows",
    "hold",
    "holds_vault",
    "is_about_the_rows",
    "is_missing",
    "migrate",
    "require_usable",
    "require_whole",
    "schema_revision",
    "schema_state",
    "set_locked",
    "watched",
    "when_settled",
]
