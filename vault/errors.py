"""Every error that Strongroom raises on purpose. This file knows no HTTP: `api/problems.py` gives statuses.

StrongroomError
├── SettingsError               a setting is missing or unusable
├── InvalidInput                the caller sent what cannot be accepted; `path` says where
│   ├── BadJson                 the body is no JSON, or not one that is taken
│   ├── FormatError             a file's text cannot be read or written in its format
│   ├── QuotaExceeded           the caller has reached a limit of the operator's
│   ├── ResolutionTooLarge      references expand past their bound
│   └── TooLarge                a body, an environment or a value is over its size limit
├── NotAuthenticated            no credential, or one that is not valid (all causes look the same)
│   ├── BadLogin                a wrong name or password (all causes look the same)
│   ├── SecondFactorRequired    the password was right, and is not enough
│   └── BadSecondFactor         a second factor that is not taken (all causes look the same)
├── Forbidden                   the credential is good, and this call is not for its kind
│   └── StepUpRequired          a recent login is needed first
├── NotFound                    no such thing, or one that the caller was not granted
│   ├── NotGranted              told as NotFound by our own face, as "permission denied" by Vault's
│   └── RevisionDeleted         the revision is deleted or destroyed
├── MethodNotAllowed            the address exists and takes other methods
├── Conflict                    the state does not allow it
│   ├── NameTaken               another living environment or user has this name
│   ├── PreconditionFailed      If-Match names a revision that is no longer current
│   ├── PreconditionRequired    this write must say which revision it replaces
│   ├── IdempotencyMismatch     the Idempotency-Key was used for a different request
│   ├── NewerFormat             a newer release of Strongroom stored it, in a form that this one does not know
│   └── ClientSealed            the values are sealed by their owner's device
├── TooManyRequests             slow down; `retry_after_seconds`
├── Unavailable                 not now; `retry_after_seconds`
│   ├── DatabaseUnavailable     the database does not answer or takes no writes
│   ├── KeyProviderUnavailable  the master key's provider does not answer
│   ├── VaultLocked             the operator has locked the vault
│   ├── NewerRowFormat          a newer release writes rows that this process cannot check
│   ├── NotReady                this worker cannot read, record or write; the reasons say why
│   ├── AuditUnavailable        the read cannot be recorded, so it is not answered
│   └── OutcomeUnknown          the write may or may not have happened; ask again with the same key
├── IntegrityError              stored bytes are not what this vault stored; nothing more is told
│   ├── BlobError               a blob does not open
│   ├── SignatureError          a checkpoint of the audit is not signed by this vault
│   └── MacError                a row of authority was not written by this vault
├── KeyProviderError            the provider refuses, and asking again will not help
│   └── KeyringError            the keyring file is missing, another vault's, or not safe to use
├── StorageError                the database cannot be used as it is (schema, contents)
├── BackupError                 an archive, or a place where archives lie, cannot be used
│   └── ErasedListError         a list of erased keys is not as this vault has signed it
├── TransportError              the SDK could not reach the server, or did not understand it
└── ServerError                 the server failed; its request id is in the message
"""

from __future__ import annotations

from typing import Any, ClassVar


class StrongroomError(Exception):
    """The root. `code` is stable and meant for programs; `str(error)` is a sentence for people."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong."

    request: tuple[str, str] | None = None
    """Method and path of the call that failed; the SDK fills it in."""
    request_id: str = ""
    """What the server's operator can look for; the SDK fills it in."""

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
    """The caller sent what cannot be accepted. `path` is the field's path, as `variables.3.name`."""

    code = "invalid_input"
    sentence = "The request cannot be accepted as it is."

    def __init__(self, message: str | None = None, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class BadJson(InvalidInput):
    """The body is no JSON, or not one that is taken (too deep, a name twice, not UTF-8)."""

    code = "bad_json"
    sentence = "The request body is no JSON that can be read."


class FormatError(InvalidInput):
    """A file's text cannot be read, or a value cannot be written, in its format."""

    code = "bad_format"


class QuotaExceeded(InvalidInput):
    """The caller has reached a limit that the operator has set."""

    code = "quota_exceeded"


class ResolutionTooLarge(InvalidInput):
    """The references of an environment expand past their bound of 4 MiB."""

    code = "resolution_too_large"
    sentence = "The references in this environment expand to more than 4 MiB."


class TooLarge(InvalidInput):
    """A body, an environment or a value is over its size limit."""

    code = "too_large"


class NotAuthenticated(StrongroomError):
    """No credential, or one that is not valid; every cause looks the same."""

    code = "not_authenticated"
    sentence = "A valid credential is needed."


class BadLogin(NotAuthenticated):
    """The name or the password is wrong; every cause looks the same."""

    code = "bad_login"
    sentence = "The username or the password is wrong."


class SecondFactorRequired(NotAuthenticated):
    """The password was right, and the account has a second factor. `challenge_id` continues the login.

    `kinds` are those that will be taken ("totp", "passkey", "recovery"), until `expires_us`; `passkey` is what a
    browser needs to ask for one. Without a `challenge_id` there is no way on.
    """

    code = "second_factor_required"
    sentence = "This account needs its second factor."

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
    """The second factor is wrong or used, or its challenge unknown, over or another's; every cause looks the same."""

    code = "bad_second_factor"
    sentence = "The second factor was not accepted. Try it again; after a few attempts or minutes, log in anew."


class Forbidden(StrongroomError):
    """The credential is good, and this call is not for its kind."""

    code = "forbidden"
    sentence = "This credential may not make this call."


class StepUpRequired(Forbidden):
    """The session is good, and this call needs one that has proven itself more recently, with all its factors."""

    code = "step_up_required"
    sentence = "Prove again first that it is you, with your password and your second factor if you have one."


class NotFound(StrongroomError):
    """There is no such thing, or the caller was not granted it."""

    code = "not_found"
    sentence = "There is no such thing here."


class NotGranted(NotFound):
    """The caller was not granted it. Our own face tells it exactly as `NotFound`."""


class RevisionDeleted(NotFound):
    """The revision is deleted or destroyed."""

    code = "revision_deleted"
    sentence = "This revision is deleted."


class MethodNotAllowed(StrongroomError):
    """The address exists and takes other methods."""

    code = "method_not_allowed"
    sentence = "This address does not take that method."


class Conflict(StrongroomError):
    """The state of the thing does not allow it."""

    code = "conflict"
    sentence = "The present state does not allow this."


class NameTaken(Conflict):
    """Another living environment or user has this name."""

    code = "name_taken"
    sentence = "This name is taken."


class PreconditionFailed(Conflict):
    """If-Match names a revision that is no longer the current one."""

    code = "precondition_failed"
    sentence = "Somebody changed it in the meantime: read it again, then write."


class PreconditionRequired(Conflict):
    """This write replaces everything and must say which revision it replaces."""

    code = "precondition_required"
    sentence = "Send If-Match with the ETag that you read, or If-None-Match: * where there is no revision yet."


class IdempotencyMismatch(Conflict):
    """The Idempotency-Key was used before, for a different request."""

    code = "idempotency_mismatch"
    sentence = "This Idempotency-Key was used for a different request."


class NewerFormat(Conflict):
    """A newer release stored this in a form that this release does not know. Nothing is damaged."""

    code = "newer_format"
    sentence = "A newer release of Strongroom wrote this, and this server cannot read it. Upgrade the server."


class ClientSealed(Conflict):
    """The values are sealed by their owner's device; the server cannot read them."""

    code = "client_sealed"
    sentence = "This environment is sealed by its owner's device; the server cannot open it."


class TooManyRequests(StrongroomError):
    """Slow down. `retry_after_seconds` says for how long."""

    code = "too_many_requests"
    sentence = "Too many requests: wait a little."

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(StrongroomError):
    """Not now. `retry_after_seconds` says when to ask again."""

    code = "unavailable"
    sentence = "The service cannot answer just now."

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or takes no writes."""

    code = "database_unavailable"
    sentence = "The database does not answer just now."


class KeyProviderUnavailable(Unavailable):
    """The master key's provider does not answer."""

    code = "key_provider_unavailable"
    sentence = "The master key's provider does not answer just now."


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
    sentence = "The audit cannot be written just now, and nothing is read without it."


class OutcomeUnknown(Unavailable):
    """The write may or may not have happened; the same Idempotency-Key makes asking again safe."""

    code = "outcome_unknown"
    sentence = "The connection to the database broke during the commit: the change may or may not be stored."


class IntegrityError(StrongroomError):
    """Stored bytes are not what this vault stored. The caller is told nothing more."""

    code = "internal"
    sentence = "The server failed to answer."


class BlobError(IntegrityError):
    """A blob does not open: wrong key, wrong place, or changed bytes; one message for all causes."""

    sentence = "The sealed data does not open."


class SignatureError(IntegrityError):
    """A checkpoint of the audit is not signed by this vault, or is none."""

    sentence = "This is no checkpoint that this vault has signed."


class MacError(IntegrityError):
    """A row that carries authority was not written by this vault."""

    sentence = "A stored row was not written by this vault."


class KeyProviderError(StrongroomError):
    """The key provider refuses, and asking again will not help."""

    code = "key_provider_refused"


class KeyringError(KeyProviderError):
    """The keyring file is missing, another vault's, or not safe to use."""

    code = "bad_keyring"


class StorageError(StrongroomError):
    """The database cannot be used as it is."""

    code = "bad_storage"


class BackupError(StrongroomError):
    """An archive, or a place where archives lie, cannot be used."""

    code = "bad_backup"


class ErasedListError(BackupError):
    """The list of erased keys that lies beside archives is not as this vault has signed it."""

    code = "bad_erased_list"


class TransportError(StrongroomError):
    """The SDK could not reach the server, or did not understand its answer."""

    code = "transport"


class ServerError(StrongroomError):
    """The server failed. The message carries the request id that its operator can look for."""

    code = "internal"
    sentence = "The server failed to answer."
