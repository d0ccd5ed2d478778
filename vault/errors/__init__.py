"""Every error that Strongroom raises on purpose. It knows no HTTP: `api/problems.py` maps errors to statuses.

StrongroomError
├── SettingsError               a setting is missing or unusable
├── InvalidInput                the request cannot be accepted; `path` says where
│   ├── BadJson                 the body is not JSON, or not acceptable JSON
│   ├── IdempotencyUnsupported  the call has an Idempotency-Key, but its answers are not stored
│   ├── FormatError             a file's text cannot be read or written in its format
│   ├── QuotaExceeded           the caller has reached a limit that the operator has set
│   ├── ResolutionTooLarge      references expand past their limit
│   └── TooLarge                a body, an environment or a value is over its size limit
├── NotAuthenticated            no credential, or one that is not valid (all causes look the same)
│   ├── BadLogin                a wrong name or password (all causes look the same)
│   ├── SecondFactorRequired    the password was right, but a second factor is needed
│   └── BadSecondFactor         a second factor was refused (all causes look the same)
├── Forbidden                   the credential is valid, but its kind may not make this call
│   ├── PasswordChangeRequired  an operator must change a password that somebody else has set
│   ├── FactorSetupRequired     the vault demands a second factor, and the account has none
│   └── StepUpRequired          a recent login is needed first
├── NotFound                    it does not exist, or the caller has no right to it
│   ├── NotGranted              reported as NotFound by our API, as "permission denied" by /v1
│   └── RevisionDeleted         the revision is deleted or destroyed
├── CursorExpired               the place in the feed is gone: read the present state, and begin anew
├── MethodNotAllowed            the address exists, but only for other methods
├── Conflict                    the state does not allow it
│   ├── NameTaken               another environment or user has this name
│   ├── PreconditionFailed      If-Match names a revision that is no longer current
│   ├── PreconditionRequired    this write must say which revision it replaces
│   ├── IdempotencyMismatch     the Idempotency-Key was used for a different request
│   ├── NewerFormat             a newer release stored it, in a format that this one does not know
│   └── ClientSealed            a device of the owner has sealed the values
├── TooManyRequests             slow down; `retry_after_seconds`
│   └── TooManyStreams          too many streams follow changes already
├── Unavailable                 not now; `retry_after_seconds`
│   ├── DatabaseUnavailable     the database does not answer or takes no writes
│   ├── KeyProviderUnavailable  the master key's provider does not answer
│   ├── VaultLocked             the operator has locked the vault
│   ├── NewerRowFormat          a newer release writes rows that this process cannot check
│   ├── NotReady                this worker cannot read, record or write; the reasons say why
│   ├── AuditUnavailable        the read cannot be recorded, so it is not answered
│   └── OutcomeUnknown          the write may or may not have happened; repeat it with the same key
├── IntegrityError              stored bytes are not what this vault stored; the caller gets no details
│   ├── BlobError               a blob cannot be opened
│   ├── SignatureError          a checkpoint of the audit is not signed by this vault
│   └── MacError                a signed row was not written by this vault
├── KeyProviderError            the provider refuses, and a retry will not help
│   └── KeyringError            the keyring file is missing, belongs to another vault, or is unsafe
├── StorageError                the database cannot be used in its present state (schema, contents)
├── BackupError                 an archive, or a place for archives, cannot be used
│   └── ErasedListError         a list of erased keys was not signed by this vault
├── TransportError              the SDK could not reach the server, or did not understand it
└── ServerError                 the server failed; its request id is in the message
"""

from __future__ import annotations

from vault.errors.access import (
    BadLogin,
    BadSecondFactor,
    FactorSetupRequired,
    Forbidden,
    NotAuthenticated,
    PasswordChangeRequired,
    SecondFactorRequired,
    StepUpRequired,
)
from vault.errors.availability import (
    AuditUnavailable,
    DatabaseUnavailable,
    KeyProviderUnavailable,
    NewerRowFormat,
    NotReady,
    OutcomeUnknown,
    TooManyRequests,
    TooManyStreams,
    Unavailable,
    VaultLocked,
)
from vault.errors.base import SettingsError, StrongroomError
from vault.errors.faults import (
    BackupError,
    BlobError,
    ErasedListError,
    IntegrityError,
    KeyProviderError,
    KeyringError,
    MacError,
    ServerError,
    SignatureError,
    StorageError,
    TransportError,
)
from vault.errors.requests import (
    BadJson,
    ClientSealed,
    Conflict,
    CursorExpired,
    FormatError,
    IdempotencyMismatch,
    IdempotencyUnsupported,
    InvalidInput,
    MethodNotAllowed,
    NameTaken,
    NewerFormat,
    NotFound,
    NotGranted,
    PreconditionFailed,
    PreconditionRequired,
    QuotaExceeded,
    ResolutionTooLarge,
    RevisionDeleted,
    TooLarge,
)

__all__ = [
    "AuditUnavailable",
    "BackupError",
    "BadJson",
    "BadLogin",
    "BadSecondFactor",
    "BlobError",
    "ClientSealed",
    "Conflict",
    "CursorExpired",
    "DatabaseUnavailable",
    "ErasedListError",
    "FactorSetupRequired",
    "Forbidden",
    "FormatError",
    "IdempotencyMismatch",
    "IdempotencyUnsupported",
    "IntegrityError",
    "InvalidInput",
    "KeyProviderError",
    "KeyProviderUnavailable",
    "KeyringError",
    "MacError",
    "MethodNotAllowed",
    "NameTaken",
    "NewerFormat",
    "NewerRowFormat",
    "NotAuthenticated",
    "NotFound",
    "NotGranted",
    "NotReady",
    "OutcomeUnknown",
    "PasswordChangeRequired",
    "PreconditionFailed",
    "PreconditionRequired",
    "QuotaExceeded",
    "ResolutionTooLarge",
    "RevisionDeleted",
    "SecondFactorRequired",
    "ServerError",
    "SettingsError",
    "SignatureError",
    "StepUpRequired",
    "StorageError",
    "StrongroomError",
    "TooLarge",
    "TooManyRequests",
    "TooManyStreams",
    "TransportError",
    "Unavailable",
    "VaultLocked",
]
