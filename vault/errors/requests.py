"""Errors of a request that cannot be carried out."""

from __future__ import annotations

from vault.errors.base import StrongroomError


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


class IdempotencyUnsupported(InvalidInput):
    """The call has an Idempotency-Key, but its answers are not stored: a retry would carry it out again."""

    code = "idempotency_unsupported"
    sentence = (
        "The answers of this call are not stored, so a retry would carry it out again. Send it without an "
        "Idempotency-Key."
    )


class FormatError(InvalidInput):
    """A file's text cannot be read, or a value cannot be written, in its format."""

    code = "bad_format"


class QuotaExceeded(InvalidInput):
    """The caller has reached a limit that the operator has set."""

    code = "quota_exceeded"


class ResolutionTooLarge(InvalidInput):
    """The references of an environment expand past the limit of 4 MiB, or its bases are larger than that."""

    code = "resolution_too_large"
    sentence = "The references in this environment expand to more than 4 MiB."


class TooLarge(InvalidInput):
    """A body, an environment or a value is over its size limit."""

    code = "too_large"


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


class CursorExpired(StrongroomError):
    """A cursor of the feed is too old, or was not made for this person by this vault in its present state. Every cause
    looks the same.
    """

    code = "cursor_expired"
    sentence = "This cursor can no longer be used. Read the present state, and follow from there without a cursor."


class Conflict(StrongroomError):
    """The state of the object does not allow the call."""

    code = "conflict"
    sentence = "The current state does not allow this."


class NameTaken(Conflict):
    """Another environment or user has this name. Deleted ones do not count."""

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
