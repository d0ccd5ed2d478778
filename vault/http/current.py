"""The request that is being answered: the vault's services, who calls, from where, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, cast

from flask import current_app, g, request

from vault.auth import Presented
from vault.model.credential_headers import CREDENTIAL_HEADERS
from vault.model.principal import Principal
from vault.services import Services
from vault.services.people.logins import Visit
from vault.storage import UnitOfWork

T = TypeVar("T")

_ENVIRON_NAMES = {name: "HTTP_" + name.upper().replace("-", "_") for name in CREDENTIAL_HEADERS}


def services() -> Services:
    """The services of this vault."""
    return cast(Services, current_app.extensions["strongroom"].services)


def principal() -> Principal:
    """The caller. The guard of each face sets it."""
    return cast(Principal, g.principal)


def address() -> str:
    """The caller's network address: the peer's, or the one that a trusted proxy reports."""
    return request.remote_addr or ""


def request_id() -> str:
    """The id that the front door gave this request."""
    return str(request.environ.get("strongroom.request_id", ""))


def visit(kind: Literal["api", "web"]) -> Visit:
    """Where a login comes from. `kind` is the kind of the session that it begins."""
    return Visit(kind, address(), request.headers.get("User-Agent", ""), request_id())


def presented() -> Presented:
    """Everything in the request that can prove who the caller is."""
    # Read the environ directly: each access through Flask's proxies costs more than the lookup itself.
    environ = request.environ
    return Presented(
        {name: environ.get(key, "") for name, key in _ENVIRON_NAMES.items()},
        request.cookies if "HTTP_COOKIE" in environ else {},
        environ.get("REMOTE_ADDR", ""),
        environ.get("strongroom.request_id", ""),
        environ["REQUEST_METHOD"],
    )


def transaction(action: Callable[[UnitOfWork], T]) -> T:
    """Run `action` in one transaction. Run it again from its start if another writer was faster."""
    return services().storage.transaction(action)
