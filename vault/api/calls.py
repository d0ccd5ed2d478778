"""What all views of the API share: the credential check, transactions, idempotency keys, preconditions, and pages."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from flask import Flask, Response, request

from vault.api.description import WARNINGS, asked, takes
from vault.errors import BadLogin, InvalidInput, NotAuthenticated, NotFound, NotGranted, Unavailable
from vault.http import (
    View,
    has_utf8_path,
    identify,
    is_large,
    keeps_answer,
    needs_credential,
    principal,
    refuse_unkept_key,
    require_ascii_query,
    services,
    transaction,
    unquoted,
)
from vault.model.environment import normal
from vault.model.grant import Permission
from vault.model.policy import allows_anywhere
from vault.services.environments.variables import Precondition
from vault.services.idempotency import Call, Claim, KeptAnswer
from vault.storage import UnitOfWork

P = ParamSpec("P")
T = TypeVar("T")

PREFIX = "/api/v1"
_KEPT_HEADERS = ("ETag", "Location", WARNINGS)


def guard(app: Flask) -> None:
    """Require a credential for every path under `/api/v1`, even for a path that does not exist."""

    @app.before_request
    def require_credential() -> None:
        if not request.path.startswith(PREFIX + "/"):
            return
        refuse_unkept_key()
        if needs_credential(app):
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
    _require_one_each()
    named = request.view_args or {}
    for name, text in named.items():
        if isinstance(text, str) and "\0" in text:
            raise InvalidInput("A name must not contain control characters.", path=name)
    if "env" in named:
        # Names are stored in NFC. File managers and keyboards often send NFD. The services do the same for all faces;
        # here, the error names this part of the path and comes before a large body is parsed.
        named["env"] = normal(named["env"], path="env")


def _require_one_each() -> None:
    """Refuse a query that gives a parameter twice: a proxy in between may read the other one."""
    # Werkzeug takes time to parse even an empty query.
    if request.environ.get("QUERY_STRING"):
        for name, given in request.args.lists():
            if len(given) > 1:
                raise InvalidInput("Give this parameter only once.", path=name)


def asked_first(*permissions: Permission, anywhere: bool = False) -> Callable[[View], View]:
    """Check that the caller has one of `permissions` before a large body is parsed. The service checks again.

    The check is on the environment in the path. With `anywhere`, a permission on any environment is enough, because the
    body names the environment.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def run(*args: object, **kwargs: object) -> object:
            if is_large() and anywhere and not allows_anywhere(principal(), permissions):
                raise NotGranted()
            if is_large() and not anywhere:
                env = (request.view_args or {}).get("env")
                services().environments.environments.require(principal(), env, permissions)
            return view(*args, **kwargs)

        return run

    return decorate


def writes(view: Callable[Concatenate[UnitOfWork, P], object]) -> Callable[P, Response]:
    """Run `view` in one transaction, and pass it the transaction as its first argument.

    The transaction is run again if another writer was faster. If the call has an Idempotency-Key, the answer is stored
    in the same transaction. A second call with this key gets the stored answer, with `Idempotency-Replayed: true`.
    """

    @keeps_answer
    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> Response:
        return transaction(lambda unit: _answer(unit, lambda: _response(view(unit, *args, **kwargs))))

    return takes("Idempotency-Key")(run)


def proven(prove: Callable[P, T]) -> Callable[[Callable[[UnitOfWork, T], object]], Callable[P, Response]]:
    """Do the same as `writes` for a call that takes a password.

    Hashing a password is slow, so `prove` checks the body's fields before the transaction starts. The view gets its
    result and nothing else of the body. If an answer is stored for the call's Idempotency-Key, the password is not
    checked: this very call may have replaced it.
    """

    def decorate(view: Callable[[UnitOfWork, T], object]) -> Callable[P, Response]:
        @keeps_answer
        @functools.wraps(view)
        def run(*args: P.args, **kwargs: P.kwargs) -> Response:
            def answer(unit: UnitOfWork, proof: T) -> Response:
                return _response(view(unit, proof))

            key = asked("Idempotency-Key")
            if key is not None:
                return _proven_once(_call(key, has_password=True), lambda: prove(*args, **kwargs), answer)
            proof = prove(*args, **kwargs)
            return transaction(lambda unit: answer(unit, proof))

        return takes("Idempotency-Key")(run)

    return decorate


def _response(result: object) -> Response:
    # The decorator below has made it from the view's result.
    return cast(Response, result)


def _proven_once(call: Call, prove: Callable[[], T], answer: Callable[[UnitOfWork, T], Response]) -> Response:
    proofs: list[T] = []
    is_kept = _is_kept(call)
    if not is_kept and principal().has_ended:
        raise NotAuthenticated()
    if not is_kept:
        try:
            # Check the password first. Otherwise a stolen session could make the vault hash as often as it likes.
            proofs.append(prove())
        except BadLogin:
            # The first try of this call may have changed the password a moment ago.
            if not _is_kept(call):
                raise
    claims = services().idempotency.claims(principal(), call)

    def first(unit: UnitOfWork) -> Response:
        if not proofs:
            # The stored answer expired between the two looks. A password must not be hashed inside a transaction.
            raise Unavailable("The stored answer for this Idempotency-Key has just expired. Send the call again.")
        return answer(unit, proofs[0])

    return transaction(lambda unit: _once(unit, call, claims, lambda: first(unit)))


def _is_kept(call: Call) -> bool:
    with services().storage.read() as unit:
        return services().idempotency.is_kept(unit, principal(), call)


def _answer(unit: UnitOfWork, view: Callable[[], Response]) -> Response:
    key = asked("Idempotency-Key")
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
    match, none = asked("If-Match"), asked("If-None-Match")
    if none is not None and none.strip() != "*":
        raise InvalidInput("If-None-Match must be * in a write.", path="If-None-Match")
    return Precondition(unquoted(match) if match is not None else None, none is not None)
