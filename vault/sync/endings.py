"""Why a stream ends: the code in `end` messages and in metrics, the close code of a WebSocket, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vault import errors
from vault.errors import StrongroomError


@dataclass(frozen=True, slots=True)
class Ending:
    """One reason. `close_code` is of RFC 6455 below 4000, and our own above it."""

    code: str
    close_code: int
    sentence: str
    back_in_seconds: float | None = None
    """When the client may connect again, if the server says so."""

    def saying(self, sentence: str) -> Ending:
        """Return this ending with another sentence."""
        return replace(self, sentence=sentence)

    def error(self) -> StrongroomError:
        """Return the error with which a call is answered that has not begun its answer."""
        return _ERRORS.get(self.code, errors.ServerError)()


MALFORMED = Ending("invalid_input", 4400, "The message cannot be accepted.")
CREDENTIAL_ENDED = Ending("not_authenticated", 4401, "The credential is no longer valid.")
REFUSED = Ending("forbidden", 4403, "This credential may not follow these changes.")
NOT_FOUND = Ending("not_found", 4404, "It does not exist, or you have no right to it.")
NO_TICKET = Ending("no_ticket", 4408, "No ticket arrived within 5 seconds.")
CURSOR_EXPIRED = Ending("cursor_expired", 4410, "The cursor has expired. Start again without it.")
SLOW = Ending("slow", 4413, "This client reads too slowly. Connect again with your newest cursor.")
LOCKED = Ending("vault_locked", 4423, "The vault is locked.")
TOO_MANY = Ending("too_many_streams", 4429, "Too many streams are open.")
MISUSE = Ending("misuse", 1008, "Messages come too fast.")
BINARY = Ending("binary", 1003, "Messages must be text.")
RESTARTING = Ending("restarting", 1012, "The server restarts. Connect again.")
UNAVAILABLE = Ending("unavailable", 1013, "The server cannot answer at the moment. Try again later.")
FAILED = Ending("internal", 1011, "The server failed. Connect again.")
CLIENT_GONE = Ending("client_gone", 1005, "The client has left.")
"""The client ended the stream. Nothing is sent."""
ANSWERED = Ending("answered", 1000, "The call is answered.")
"""A long poll was answered."""

_BY_ERROR: tuple[tuple[type[StrongroomError], Ending], ...] = (
    (errors.NotAuthenticated, CREDENTIAL_ENDED),
    (errors.NotFound, NOT_FOUND),
    (errors.CursorExpired, CURSOR_EXPIRED),
    (errors.VaultLocked, LOCKED),
    (errors.TooManyRequests, TOO_MANY),
    (errors.Forbidden, REFUSED),
    (errors.InvalidInput, MALFORMED),
    (errors.Unavailable, UNAVAILABLE),
)
"""The first class that fits decides."""


_ERRORS: Mapping[str, type[StrongroomError]] = {ending.code: kind for kind, ending in _BY_ERROR}


def ending_of(error: StrongroomError) -> Ending:
    """Return the ending for an error that was raised on purpose."""
    found = next((ending for kind, ending in _BY_ERROR if isinstance(error, kind)), FAILED)
    # What the client did wrong is in the message. The others have one sentence for every cause.
    return found.saying(error.message) if found in (MALFORMED, TOO_MANY) else found
