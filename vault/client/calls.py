"""The parts of the calls that need no transport: addresses, bodies and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote, urlencode

from vault.client.answers import RevisionNumber
from vault.client.reading import not_ours, read_document, read_member, read_number, read_texts
from vault.client.transport import Response
from vault.errors import InvalidInput
from vault.model.json_types import Json, JsonObject

if TYPE_CHECKING:
    from vault.formats import Rendered

BASE = "/api/v1"
PAGE_SIZE = 200

_NAMES_MAX_CHARACTERS = 2000

Body = Mapping[str, object] | None
"""The JSON to send: an object, or nothing."""


class Options(TypedDict, total=False):
    """The arguments of `Caller.send` besides method, path and body."""

    query: Mapping[str, str] | None
    headers: Mapping[str, str] | None
    is_login: bool


def read_json(response: Response) -> Json:
    """Return the JSON of an answer. Raises `TransportError` if it is not JSON."""
    return read_document(response.body)


def read_warnings(response: Response) -> tuple[str, ...]:
    """Return the warnings in the header of an answer without JSON. Raises `TransportError` if they cannot be read."""
    return read_texts(read_document(response.headers.get("x-strongroom-warnings", "[]")))


def segment(name: str) -> str:
    """Return `name` as one segment of an address. Raises `InvalidInput` for a name that no address can contain."""
    if not fits_address(name):
        raise InvalidInput("This name cannot be part of an address.", path="name")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as error:
        raise InvalidInput("A name must not contain half a surrogate pair.", path="name") from error


def query_text(query: Mapping[str, str] | None) -> str:
    """Return the query of an address, with its question mark."""
    return "?" + urlencode(query, quote_via=quote) if query else ""


def fit_query(names: Sequence[str]) -> bool:
    """Report whether `?names=A,B` can select these. Otherwise all are fetched and filtered here."""
    # Servers and proxies limit the first line of a request, often to 4 KiB.
    is_short = sum(len(quote(name)) + 3 for name in names) < _NAMES_MAX_CHARACTERS
    return bool(names) and is_short and not any("," in name or not name for name in names)


def fits_address(name: str) -> bool:
    """Report whether an address can contain the name."""
    return name not in ("", ".", "..") and "/" not in name


def read_revision(response: Response) -> RevisionNumber:
    """Return the number of the revision that a write has made."""
    return RevisionNumber(read_number(read_member(read_json(response), "revision")), read_warnings(response))


def read_rendered(response: Response) -> Rendered:
    """Return the text of an answer, with its warnings."""
    from vault.formats import Rendered

    try:
        return Rendered(response.body.decode(), read_warnings(response))
    except ValueError as error:
        raise not_ours() from error


def proof_of(code: str, recovery_code: str, passkey: Mapping[str, Json] | None) -> JsonObject:
    """Return the body with the one factor that is given."""
    given: JsonObject = {"code": code, "recovery_code": recovery_code, "passkey": passkey}
    return {name: value for name, value in given.items() if value}
