"""Turns problem documents (RFC 9457) into the exception classes of `vault.errors`, by `code`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from vault import errors
from vault.client.transport import Request, Response
from vault.model.json_types import Json

RETRY_AFTER_MAX_SECONDS = 3600
_DIGITS_READ = 20


def error_from(request: Request, response: Response) -> errors.StrongroomError:
    """Return the error for `response`, which is not a success, with the request attached."""
    problem = _problem_in(response)
    error = _foreign(response) if problem is None else _build(response, problem)
    error.request_id = response.headers.get("x-request-id", "")
    error.request = (request.method, request.path)
    return error


def retry_after_seconds(response: Response) -> int | None:
    """Return the seconds of `Retry-After`, or None. Our server never sends its date form."""
    text = response.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    # `int` raises ValueError above 4,300 digits, and a header holds more.
    return min(int(text), RETRY_AFTER_MAX_SECONDS) if len(text) < _DIGITS_READ else RETRY_AFTER_MAX_SECONDS


def _problem_in(response: Response) -> Mapping[str, Json] | None:
    if response.headers.get("content-type", "").partition(";")[0].strip() != "application/problem+json":
        return None
    try:
        problem: Json = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return problem if isinstance(problem, dict) and isinstance(problem.get("code"), str) else None


def _build(response: Response, problem: Mapping[str, Json]) -> errors.StrongroomError:
    kind = _BY_CODE.get(str(problem["code"])) or _BY_STATUS.get(response.status, errors.ServerError)
    detail = problem.get("detail") or problem.get("title")
    sentence = detail if isinstance(detail, str) else None
    if issubclass(kind, errors.ServerError):
        request_id = problem.get("request_id") or response.headers.get("x-request-id", "unknown")
        return kind(f"{sentence or kind.sentence} The operator can find the request id {request_id} in the log.")
    if issubclass(kind, errors.InvalidInput):
        path = problem.get("path")
        return kind(sentence, path=path if isinstance(path, str) else "")
    if issubclass(kind, errors.SecondFactorRequired):
        return _second_factor(sentence, problem.get("challenge"))
    if issubclass(kind, errors.TooManyRequests | errors.Unavailable):
        return kind(sentence, retry_after_seconds=retry_after_seconds(response) or 1)
    return kind(sentence)


def _second_factor(sentence: str | None, challenge: Json) -> errors.SecondFactorRequired:
    challenge_id = challenge.get("id") if isinstance(challenge, dict) else None
    if not isinstance(challenge, dict) or not isinstance(challenge_id, str):
        return errors.SecondFactorRequired(sentence)
    kinds, passkey = challenge.get("kinds"), challenge.get("passkey")
    return errors.SecondFactorRequired(
        sentence,
        challenge_id=challenge_id,
        kinds=tuple(map(str, kinds)) if isinstance(kinds, list) else (),
        passkey=passkey if isinstance(passkey, dict) else None,
    )


def _foreign(response: Response) -> errors.StrongroomError:
    """Return the error for an answer that is not our problem document, from a proxy or another server."""
    status = response.status
    if 300 <= status < 400:
        return errors.TransportError(
            "The server answered with a redirect, which is not followed. Use the final address."
        )
    if status in (502, 503, 504):
        wait_seconds = retry_after_seconds(response) or 1
        return errors.Unavailable(
            f"A proxy answered {status}: it gets no answer from the server at the moment.",
            retry_after_seconds=wait_seconds,
        )
    return errors.TransportError(f"The answer ({status}) does not come from a Strongroom server. Is the address right?")


def _tree(root: type[errors.StrongroomError]) -> Iterator[type[errors.StrongroomError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


# These errors arise only in the SDK, so no answer maps to them, even if the code matches.
_LOCAL = (
    errors.SettingsError,
    errors.TransportError,
    errors.IntegrityError,
    errors.KeyProviderError,
    errors.StorageError,
)

# The first class with a code is used: a parent comes before children that share its code.
_BY_CODE: dict[str, type[errors.StrongroomError]] = {}
for _kind in _tree(errors.StrongroomError):
    if _kind is not errors.StrongroomError and not issubclass(_kind, _LOCAL):
        _BY_CODE.setdefault(_kind.code, _kind)

# For codes that this release does not know.
_BY_STATUS: dict[int, type[errors.StrongroomError]] = {
    400: errors.InvalidInput,
    401: errors.NotAuthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    412: errors.PreconditionFailed,
    413: errors.TooLarge,
    422: errors.InvalidInput,
    428: errors.PreconditionRequired,
    429: errors.TooManyRequests,
    503: errors.Unavailable,
}
