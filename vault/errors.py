"""Every error that Strongroom raises on purpose. It knows no HTTP: `api/problems.py` maps errors to statuses.

StrongroomError
├── SettingsError               a setting is missing or unusable
├── InvalidInput                the request cannot be accepted; `path` says where
│   ├── BadJson                 the body is not JSON, or not acceptable JSON
│   ├── FormatError             a file's text cannot be read or written in its format
│   ├── QuotaExceeded           the caller has reached a limit that the operator has set
│   ├── ResolutionTooLarge      references expand past their limit
│   └── TooLarge                a body, an environment or a value is over its size limit
├── NotAuthenticated            no credential, or one that is not valid (all causes look the same)
│   ├── BadLogin                a wrong name or password (all causes look the same)
│   ├── SecondFactorRequired    the password was right, but a second factor is needed
│   └── BadSecondFactor         a second factor was refused (all causes look the same)
├── Forbidden                   the credential is valid, but its kind may not make this call
│   └── StepUpRequired          a recent login is needed first
├── NotFound                    it does not exist, or the caller has no right to it
│   ├── NotGranted              reported as NotFound by our API, as "permission denied" by /v1
│   └── RevisionDeleted         the revision is deleted or destroyed
├── MethodNotAllowed            the address exists, but only for other methods
├── Conflict                    the state does not allow it
│   ├── NameTaken               another living environment or user has this name
│   ├── PreconditionFailed      If-Match names a revision that is no longer current
│   ├── PreconditionRequired    this write must say which revision it replaces
│   ├── IdempotencyMismatch     the Idempotency-Key was used for a different request
│   ├── NewerFormat             a newer release stored it, in a format that this one does not know
│   └── ClientSealed            a device of the owner has sealed the values
├── TooManyRequests             slow down; `retry_after_seconds`
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
│   └── ErasedListError         a list of erased keys is not the one that this vault has signed
├── TransportError              the SDK could not reach the server, or did not understand it
└── ServerError                 the server failed; its request id is in the message
"""

from __future__ import annotations

from typing import Any, ClassVar


class StrongroomError(Exception):
    """The base class. `code` is stable and meant for programs. `str(error)` is a sentence for people."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong."

    request: tuple[str, str] | None = None
    """Method and path of the failed call. The SDK sets it."""
    request_id: str = ""
    """The id by which the server's operator can find this call in the logs. The SDK sets it."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.sentence)

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self.args[0])


class SettingsError(StrongroomError):
    """A setting is missing or unusable."""

    code = "bad_settings"


class InvalidInput(StrongroomError):
    """The request cannot be accepted. `path` is the path of the field, such as `variables.3.name`."""

    code = "invalid_input"
    sentence = "The request cannot be accepted."

    def __init__(self, message: str | None = None, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class BadJson(InvalidInput):
    """The body is not JSON, or not acceptable JSON (too deep, a name twice, not UTF-8)."""

    code = "bad_json"
    sentence = "The request body is not valid JSON."


class FormatError(InvalidInput):
    """A file's text cannot be read, or a value cannot be written, in its format."""

    code = "bad_format"


class QuotaExceeded(InvalidInput):
    """The caller has reached a limit that the operator has set."""

    code = "quota_exceeded"


class ResolutionTooLarge(InvalidInput):
    """The references of an environment expand past the limit of 4 MiB."""

    code = "resolution_too_large"
    sentence = "The references in this environment expand to more than 4 MiB."


class TooLarge(InvalidInput):
    """A body, an environment or a value is over its size limit."""

    code = "too_large"


class NotAuthenticated(StrongroomError):
    """There is no credential, or it is not valid. Every cause looks the same."""

    code = "not_authenticated"
    sentence = "A valid credential is needed."


class BadLogin(NotAuthenticated):
    """The name or the password is wrong. Every cause looks the same."""

    code = "bad_login"
    sentence = "The username or the password is wrong."


class SecondFactorRequired(NotAuthenticated):
    """The password was right, and the account has a second factor. `challenge_id` continues the login.

    `kinds` are the accepted factors ("totp", "passkey", "recovery"), until `expires_us`. `passkey` is what a browser
    needs
    to ask for one. Without a `challenge_id`, the login cannot be continued.
    """

    code = "second_factor_required"
    sentence = "This account needs a second factor."

    def __init__(
        self,
        message: str | None = None,
        *,
        challenge_id: str = "",
        kinds: tuple[str, ...] = (),
        expires_us: int = 0,
        passkey: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.challenge_id = challenge_id
        self.kinds = kinds
        self.expires_us = expires_us
        self.passkey = passkey


class BadSecondFactor(NotAuthenticated):
    """The second factor is wrong or used, or the challenge is unknown, expired or another's. Every cause looks the
    same.
    """

    code = "bad_second_factor"
    sentence = "The second factor was not accepted. Try again. After a few attempts or minutes, start the login again."


class Forbidden(StrongroomError):
    """The credential is valid, but its kind may not make this call."""

    code = "forbidden"
    sentence = "This credential may not make this call."


class StepUpRequired(Forbidden):
    """The session is valid, but this call needs a more recent proof of identity, with all factors."""

    code = "step_up_required"
    sentence = "Confirm your identity first, with your password and your second factor if you have one."


class NotFound(StrongroomError):
    """It does not exist, or the caller has no right to it."""

    code = "not_found"
    sentence = "It does not exist, or you have no right to it."


class NotGranted(NotFound):
    """The caller has no right to it. Our own API reports it exactly as `NotFound`."""


class RevisionDeleted(NotFound):
    """The revision is deleted or destroyed."""

    code = "revision_deleted"
    sentence = "This revision is deleted."


class MethodNotAllowed(StrongroomError):
    """The address exists, but only for other methods."""

    code = "method_not_allowed"
    sentence = "This address does not support that method."


class Conflict(StrongroomError):
    """The state of the object does not allow the call."""

    code = "conflict"
    sentence = "The current state does not allow this."


class NameTaken(Conflict):
    """Another living environment or user has this name."""

    code = "name_taken"
    sentence = "This name is taken."


class PreconditionFailed(Conflict):
    """If-Match names a revision that is no longer the current one."""

    code = "precondition_failed"
    sentence = "Someone else has changed it in the meantime. Read it again, then write."


class PreconditionRequired(Conflict):
    """This write replaces everything, so it must say which revision it replaces."""

    code = "precondition_required"
    sentence = "Send If-Match with the ETag that you read, or If-None-Match: * if there is no revision yet."


class IdempotencyMismatch(Conflict):
    """The Idempotency-Key was used before, for a different request."""

    code = "idempotency_mismatch"
    sentence = "This Idempotency-Key was used for a different request."


class NewerFormat(Conflict):
    """A newer release stored this in a format that this release does not know. Nothing is damaged."""

    code = "newer_format"
    sentence = "A newer release of Strongroom wrote this, and this server cannot read it. Upgrade the server."


class ClientSealed(Conflict):
    """A device of the owner has sealed the values. The server cannot read them."""

    code = "client_sealed"
    sentence = "A device of the owner has sealed this environment. The server cannot open it."


class TooManyRequests(StrongroomError):
    """The caller is too fast. `retry_after_seconds` says how long to wait."""

    code = "too_many_requests"
    sentence = "Too many requests. Wait a moment, then try again."

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(StrongroomError):
    """The service cannot answer now. `retry_after_seconds` says when to try again."""

    code = "unavailable"
    sentence = "The service cannot answer at the moment. Try again later."

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or takes no writes."""

    code = "database_unavailable"
    sentence = "The database does not answer at the moment. Try again later."


class KeyProviderUnavailable(Unavailable):
    """The master key's provider does not answer."""

    code = "key_provider_unavailable"
    sentence = "The key provider does not answer at the moment. Try again later."


class VaultLocked(Unavailable):
    """The operator has locked the vault."""

    code = "vault_locked"
    sentence = "The vault is locked."


class NewerRowFormat(Unavailable):
    """A newer release writes rows in a format that this process does not know. A new process can read it."""

    code = "newer_row_format"
    # A server restarts its workers by itself.
    sentence = "A newer release of Strongroom now writes rows that this process cannot check. Try again."


class NotReady(Unavailable):
    """This worker cannot serve. `reasons` has a sentence for each code."""

    code = "not_ready"
    sentence = "This server cannot serve at the moment. Try again later."

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(" ".join(reasons.values()))
        self.reasons = reasons


class AuditUnavailable(Unavailable):
    """The read cannot be recorded: the audit's spool is full, or its disk takes no writes."""

    code = "audit_unavailable"
    sentence = "The audit cannot be written at the moment, so nothing can be read. Try again later."


class OutcomeUnknown(Unavailable):
    """The write may or may not have happened. It is safe to repeat it with the same Idempotency-Key."""

    code = "outcome_unknown"
    sentence = (
        "The database connection failed during the commit. The change may or may not be stored: check before you "
        "repeat it."
    )


class IntegrityError(StrongroomError):
    """Stored bytes are not what this vault stored. The caller gets no details."""

    code = "internal"
    sentence = "The server failed to answer."


class BlobError(IntegrityError):
    """A blob cannot be opened: wrong key, wrong place, or changed bytes. There is one message for all causes."""

    sentence = "The sealed data cannot be opened."


class SignatureError(IntegrityError):
    """A checkpoint of the audit is not signed by this vault, or is not a checkpoint."""

    sentence = "This vault has not signed this checkpoint."


class MacError(IntegrityError):
    """A signed row was not written by this vault."""

    sentence = "A stored row was not written by this vault."


class KeyProviderError(StrongroomError):
    """The key provider refuses, and a retry will not help."""

    code = "key_provider_refused"


class KeyringError(KeyProviderError):
    """The keyring file is missing, belongs to another vault, or is not safe to use."""

    code = "bad_keyring"


class StorageError(StrongroomError):
    """The database cannot be used in its present state."""

    code = "bad_storage"


class BackupError(StrongroomError):
    """An archive, or a place for archives, cannot be used."""

    code = "bad_backup"


class ErasedListError(BackupError):
    """The list of erased keys beside the archives is not the one that this vault has signed."""

    code = "bad_erased_list"


class TransportError(StrongroomError):
    """The SDK could not reach the server, or did not understand its answer."""

    code = "transport"


class ServerError(StrongroomError):
    """The server failed. The message has the request id, which helps the operator to find the cause."""

    code = "internal"
    sentence = "The server failed to answer."
