"""Temporary errors: the caller is too fast, or the service cannot answer now."""

from __future__ import annotations

from vault.errors.base import StrongroomError


class TooManyRequests(StrongroomError):
    """The caller is too fast. `retry_after_seconds` says how long to wait."""

    code = "too_many_requests"
    sentence = "Too many requests. Wait a moment, then try again."

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyStreams(TooManyRequests):
    """The caller, or this worker, has as many open streams as it may have."""

    code = "too_many_streams"
    sentence = "There are too many streams already. Close one, or try again later."


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
