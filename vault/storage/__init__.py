"""The database and the session cache. Secrets get here only as sealed bytes."""

from vault.storage.database.adopting import adopt
from vault.storage.database.migrate import migrate
from vault.storage.database.refused import is_about_the_rows
from vault.storage.database.same_file import is_missing
from vault.storage.database.schema import SCHEMA_NUMBER, require_usable, require_whole, schema_revision, schema_status
from vault.storage.database.unreached import explained
from vault.storage.rows.audit import (
    About,
    Placed,
    PrunedHashes,
    Search,
    Seen,
    StoredEvent,
    VariableSpan,
    WaitingEvent,
)
from vault.storage.rows.challenges import ChallengeRow
from vault.storage.rows.changes import ChangeRow, is_kept
from vault.storage.rows.environments import EnvironmentRow
from vault.storage.rows.feed import FeedEpoch
from vault.storage.rows.idempotency import KeptRow
from vault.storage.rows.keys import (
    DataKey,
    DestroyedMaster,
    FirstRows,
    MasterKeyVersion,
    StateRow,
    SystemSecret,
    UserKey,
    Watched,
    first_rows,
    holds_vault,
    set_locked,
    watched,
)
from vault.storage.rows.revisions import OldRevision, RevisionRow, StoredRevision
from vault.storage.rows.sessions import Session
from vault.storage.rows.throttle import FailureCounter
from vault.storage.rows.tokens import GrantRow, StoredToken, Token
from vault.storage.rows.users import Credential, User
from vault.storage.rows.workers import WorkerRow
from vault.storage.rows.wrapped_answers import RESERVED, WrappedAnswer
from vault.storage.session_cache import NoCache, RedisCache, SessionCache
from vault.storage.signing.repository import Stale, StillReferred
from vault.storage.signing.signed import RowSigner
from vault.storage.spool.receipts import hold, when_settled
from vault.storage.spool.spool import Spool
from vault.storage.spool.spool_file import SpoolFile
from vault.storage.sql_types import ColumnValue, ColumnValues
from vault.storage.uncommitted import Readable, Uncommitted
from vault.storage.unit_of_work import Asked, Storage, UnitOfWork
from vault.storage.walks.hot import FoundSession, FoundToken, HotReads, Layer, Layers

__all__ = [
    "RESERVED",
    "SCHEMA_NUMBER",
    "About",
    "Asked",
    "ChallengeRow",
    "ChangeRow",
    "ColumnValue",
    "ColumnValues",
    "Credential",
    "DataKey",
    "DestroyedMaster",
    "EnvironmentRow",
    "FailureCounter",
    "FeedEpoch",
    "FirstRows",
    "FoundSession",
    "FoundToken",
    "GrantRow",
    "HotReads",
    "KeptRow",
    "Layer",
    "Layers",
    "MasterKeyVersion",
    "NoCache",
    "OldRevision",
    "Placed",
    "PrunedHashes",
    "Readable",
    "RedisCache",
    "RevisionRow",
    "RowSigner",
    "Search",
    "Seen",
    "Session",
    "SessionCache",
    "Spool",
    "SpoolFile",
    "Stale",
    "StateRow",
    "StillReferred",
    "Storage",
    "StoredEvent",
    "StoredRevision",
    "StoredToken",
    "SystemSecret",
    "Token",
    "Uncommitted",
    "UnitOfWork",
    "User",
    "UserKey",
    "VariableSpan",
    "WaitingEvent",
    "Watched",
    "WorkerRow",
    "WrappedAnswer",
    "adopt",
    "explained",
    "first_rows",
    "hold",
    "holds_vault",
    "is_about_the_rows",
    "is_kept",
    "is_missing",
    "migrate",
    "require_usable",
    "require_whole",
    "schema_revision",
    "schema_status",
    "set_locked",
    "watched",
    "when_settled",
]
