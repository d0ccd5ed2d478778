"""What every call shares: who asks, where it is carried out, and the transaction that a write lives in."""

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
_KEPT_HEADERS = ("ETag", "Location")


def guard(app: Flask) -> None:
    """Ask for a credential before anything under `/api/v1` runs; an address that is not there needs one too."""

    @app.before_request
    def require_credential() -> None:
        if request.path.startswith(PREFIX + "/") and needs_credential(app):
            identify()
            _check_address()


def _check_address() -> None:
    """Refuse addresses that could be read in two ways, and those that no database can look up."""
    if "%2f" in request.environ.get("RAW_URI", "").partition("?")[0].lower():
        # It arrives decoded: `prod%2Fvalues` would be taken for the values of `prod`. No name here holds a slash.
        raise NotFound()
    if not has_utf8_path():
        raise NotFound()
    require_ascii_query()
    named = request.view_args or {}
    for name, text in named.items():
        if isinstance(text, str) and "\0" in text:
            raise InvalidInput("A name has no control characters.", path=name)
    if "env" in named:
        # The form that names are stored in; file managers and keyboards like to send the other one.
        named["env"] = normal(named["env"], path="env")


def asked_first(*permissions: Permission, anywhere: bool = False) -> Callable[[View], View]:
    """Check one of `permissions` before a large body is parsed. The service checks again.

    The check is on the environment in the path; with `anywhere`, on any environment, because the body names it.
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
    """Run `view` in one transaction, which it is given as `unit`, and keep its answer for a retry.

    The transaction is run again when another writer was first; with an Idempotency-Key the answer is stored in
    it, and the same call with the same key gets that answer, with `Idempotency-Replayed: true`.
    """

    @functools.wraps(view)
    def run(*args: Any, **kwargs: Any) -> Response:
        return transaction(
            lambda unit: _answer(unit, lambda: current_app.make_response(view(*args, unit=unit, **kwargs)))
        )

    return run


def proven(prove: Callable[[Any], Any]) -> Callable[[View], View]:
    """As `writes`, for a call that takes a password: `prove` looks at the body before the transaction, because that
    takes long; what it returns comes to the view as `proof`.

    An answer that is kept is given before the password is looked at: it may be the one that this very call replaced.
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
        # The password first: whoever has stolen a session, and knows none, must not make this vault hash at will.
        proof = None if is_kept else prove()
    except BadLogin:
        # The same call, a moment ahead of this one, may have changed the password.
        is_kept = _is_kept(call)
        if not is_kept:
            raise
    claims = services().idempotency.claims(principal(), call)

    def first(unit: UnitOfWork) -> Response:
        if is_kept:
            # Its day has ended between the one look and the other; no password is looked at inside a transaction.
            raise Unavailable("The answer to this Idempotency-Key has just ended; ask again.")
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
    """`If-Match` and `If-None-Match: *` (RFC 9110, section 13). Raises `InvalidInput` on what is neither."""
    match, none = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if none is not None and none.strip() != "*":
        raise InvalidInput("A write takes If-None-Match only as *.", path="If-None-Match")
    return Precondition(unquoted(match) if match is not None else None, none is not None)


def page_limit(arguments: dict[str, Any]) -> int:
    """How many items were asked for, and one more: it tells whether there is a next page."""
    return int(arguments["limit"]) + 1


def page(
    items: list[Any], arguments: dict[str, Any], place: Callable[[Any], list[Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """One page of `items`, of which there may be one more than asked for, and the `Link` header (RFC 8288)."""
    limit = int(arguments["limit"])
    if len(items) <= limit:
        return {"items": items, "next": None}, {}
    following = _cursor(place(items[limit - 1]))
    pairs = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in [*pairs, ("cursor", following)]
    )
    # A header field is ASCII; the path has arrived decoded.
    return {"items": items[:limit], "next": following}, {"Link": f'<{quote(request.path)}?{query}>; rel="next"'}


def place_of(arguments: dict[str, Any], *kinds: type) -> list[Any] | None:
    """The place that the cursor stands for, as values of `kinds`; None without one. Raises `InvalidInput`."""
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
    # What no database can compare with was never in a cursor of ours.
    if isinstance(part, int):
        return 0 <= part <= BIGINT_MOST
    return "\0" not in part and is_encodable(part)


def _cursor(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
