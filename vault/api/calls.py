"""What all views of the API share: the credential check, transactions, idempotency keys, preconditions, and pages."""

from __future__ import annotations

import base64
import binascii
import functools
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, request

from vault.errors import BadLogin, InvalidInput, NotFound, NotGranted, Unavailable
from vault.http import (
    View,
    has_utf8_path,
    identify,
    is_large,
    needs_credential,
    principal,
    require_ascii_query,
    services,
    transaction,
    unquoted,
)
from vault.model.digits import BIGINT_MOST
from vault.model.environment import normal
from vault.model.grant import Permission
from vault.model.policy import allows_anywhere
from vault.model.strict_json import is_encodable
from vault.services.environments.variables import Precondition
from vault.services.idempotency import Call, Claim, KeptAnswer
from vault.storage import UnitOfWork

PREFIX = "/api/v1"
_KEPT_HEADERS = ("ETag", "Location", "X-Strongroom-Warnings")


def guard(app: Flask) -> None:
    """Require a credential for every path under `/api/v1`, even for a path that does not exist."""

    @app.before_request
    def require_credential() -> None:
        if request.path.startswith(PREFIX + "/") and needs_credential(app):
            identify()
            _check_address()


def _check_address() -> None:
    """Refuse paths that could be read in two ways, and names that a database cannot look up."""
    if "%2f" in request.environ.get("RAW_URI", "").partition("?")[0].lower():
        # The path is already decoded, so `prod%2Fvalues` would look like the values of `prod`. No name here has a
        # slash.
        raise NotFound()
    if not has_utf8_path():
        raise NotFound()
    require_ascii_query()
    named = request.view_args or {}
    for name, text in named.items():
        if isinstance(text, str) and "\0" in text:
            raise InvalidInput("A name must not contain control characters.", path=name)
    if "env" in named:
        # Names are stored in NFC. File managers and keyboards often send NFD.
        named["env"] = normal(named["env"], path="env")


def asked_first(*permissions: Permission, anywhere: bool = False) -> Callable[[View], View]:
    """Check that the caller has one of `permissions` before a large body is parsed. The service checks again.

    The check is on the environment in the path. With `anywhere`, a permission on any environment is enough, because the
    body names the environment.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            if is_large() and anywhere and not allows_anywhere(principal(), permissions):
                raise NotGranted()
            if is_large() and not anywhere:
                services().environments.environments.require(principal(), kwargs.get("env"), permissions)
            return view(*args, **kwargs)

        return run

    return decorate


def writes(view: View) -> View:
    """Run `view` in one transaction, and pass it the transaction as `unit`.

    The transaction is run again if another writer was faster. If the call has an Idempotency-Key, the answer is stored
    in the same transaction. A second call with this key gets the stored answer, with `Idempotency-Replayed: true`.
    """

    @functools.wraps(view)
    def run(*args: Any, **kwargs: Any) -> Response:
        return transaction(
            lambda unit: _answer(unit, lambda: current_app.make_response(view(*args, unit=unit, **kwargs)))
        )

    return run


def proven(prove: Callable[[Any], Any]) -> Callable[[View], View]:
    """Do the same as `writes` for a call that takes a password.

    Hashing a password is slow, so `prove` checks the body before the transaction starts. Its result is passed to the
    view as `proof`. If an answer is stored for the call's Idempotency-Key, the password is not checked: this very call
    may have replaced it.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def run(body: Any) -> Response:
            def answer(unit: UnitOfWork, proof: Any) -> Response:
                return current_app.make_response(view(body, unit=unit, proof=proof))

            key = request.headers.get("Idempotency-Key")
            if key is not None:
                return _proven_once(_call(key, has_password=True), lambda: prove(body), answer)
            proof = prove(body)
            return transaction(lambda unit: answer(unit, proof))

        return run

    return decorate


def _proven_once(call: Call, prove: Callable[[], Any], answer: Callable[[UnitOfWork, Any], Response]) -> Response:
    is_kept, proof = _is_kept(call), None
    try:
        # Check the password first. Otherwise a stolen session could make the vault hash as often as it likes.
        proof = None if is_kept else prove()
    except BadLogin:
        # The first try of this call may have changed the password a moment ago.
        is_kept = _is_kept(call)
        if not is_kept:
            raise
    claims = services().idempotency.claims(principal(), call)

    def first(unit: UnitOfWork) -> Response:
        if is_kept:
            # The stored answer expired between the two looks. A password must not be hashed inside a transaction.
            raise Unavailable("The stored answer for this Idempotency-Key has just expired. Send the call again.")
        return answer(unit, proof)

    return transaction(lambda unit: _once(unit, call, claims, lambda: first(unit)))


def _is_kept(call: Call) -> bool:
    with services().storage.read() as unit:
        return services().idempotency.is_kept(unit, principal(), call)


def _answer(unit: UnitOfWork, view: Callable[[], Response]) -> Response:
    key = request.headers.get("Idempotency-Key")
    return view() if key is None else _once(unit, _call(key), None, view)


def _once(unit: UnitOfWork, call: Call, claims: list[Claim] | None, view: Callable[[], Response]) -> Response:
    claim = services().idempotency.claim(unit, principal(), call, claims)
    if isinstance(claim, KeptAnswer):
        return _replay(claim)
    response = view()
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = KeptAnswer(response.status_code, headers, response.get_data(as_text=True))
    services().idempotency.keep(unit, principal(), claim, answer)
    return response


def _call(key: str, *, has_password: bool = False) -> Call:
    return Call(request.method, request.full_path, key, _fingerprint(), has_password)


def _fingerprint() -> bytes:
    conditions = "\n".join(request.headers.get(name, "") for name in ("If-Match", "If-None-Match"))
    return conditions.encode("utf-8", "surrogateescape") + b"\0" + request.get_data()


def _replay(kept: KeptAnswer) -> Response:
    response = Response(kept.text, kept.status, mimetype="application/json")
    response.headers.update(kept.headers)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def precondition() -> Precondition:
    """Return what `If-Match` and `If-None-Match: *` require (RFC 9110, section 13).

    Raises `InvalidInput` for any other If-None-Match.
    """
    match, none = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if none is not None and none.strip() != "*":
        raise InvalidInput("If-None-Match must be * in a write.", path="If-None-Match")
    return Precondition(unquoted(match) if match is not None else None, none is not None)


def page_limit(arguments: dict[str, Any]) -> int:
    """Return how many items to read: one more than were asked for, to see whether there is a next page."""
    return int(arguments["limit"]) + 1


def page(
    items: list[Any], arguments: dict[str, Any], place: Callable[[Any], list[Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return one page of `items` and the `Link` header (RFC 8288). `items` has one item too many if there is a next
    page.
    """
    limit = int(arguments["limit"])
    if len(items) <= limit:
        return {"items": items, "next": None}, {}
    following = _cursor(place(items[limit - 1]))
    pairs = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in [*pairs, ("cursor", following)]
    )
    # A header must be ASCII, but the path is already decoded.
    return {"items": items[:limit], "next": following}, {"Link": f'<{quote(request.path)}?{query}>; rel="next"'}


def place_of(arguments: dict[str, Any], *kinds: type) -> list[Any] | None:
    """Return the position in the cursor, as values of `kinds`. Returns None without a cursor. Raises `InvalidInput`."""
    text = arguments.get("cursor")
    if not text:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidInput("This cursor is not one of ours.", path="cursor") from error
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds) or not all(map(_can_be, place)):
        raise InvalidInput("This cursor is not one of ours.", path="cursor")
    return place


def _can_be(part: Any) -> bool:
    # Our cursors never contain NULs, surrogates or out-of-range integers. No database can compare these.
    if isinstance(part, int):
        return 0 <= part <= BIGINT_MOST
    return "\0" not in part and is_encodable(part)


def _cursor(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
