"""The current request: the vault's services, the caller, the address, and the transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, cast

from flask import current_app, g, request

from vault.auth import Presented
from vault.model.credential_headers import CREDENTIAL_HEADERS, DEVICE_COOKIE
from vault.model.environ import REQUEST_ID
from vault.model.principal import Principal
from vault.services import Services
from vault.services.people.visit import Visit
from vault.storage import UnitOfWork

T = TypeVar("T")

_ENVIRON_NAMES = {name: "HTTP_" + name.upper().replace("-", "_") for name in CREDENTIAL_HEADERS}


def services() -> Services:
    """Return the services of this vault."""
    return cast(Services, current_app.extensions["strongroom"].services)


def principal() -> Principal:
    """Return the caller. The guard of each face sets it."""
    return cast(Principal, g.principal)


def address() -> str:
    """Return the caller's network address: the peer's, or the one that a trusted proxy reports."""
    return str(request.environ.get("REMOTE_ADDR", ""))


def request_id() -> str:
    """Return the id that the front door gave to this request."""
    return str(request.environ.get(REQUEST_ID, ""))


def visit(kind: Literal["api", "web"]) -> Visit:
    """Return where a login comes from. `kind` is the kind of session that it starts."""
    # The API takes no cookies.
    device = request.cookies.get(DEVICE_COOKIE, "") if kind == "web" else ""
    return Visit(kind, address(), request.headers.get("User-Agent", ""), request_id(), device)


def presented() -> Presented:
    """Return everything in the request that can identify the caller."""
    # Read the environ directly: each access through Flask's proxies costs more than the lookup itself.
    environ = request.environ
    return Presented(
        {name: environ.get(key, "") for name, key in _ENVIRON_NAMES.items()},
        request.cookies if "HTTP_COOKIE" in environ else {},
        environ.get("REMOTE_ADDR", ""),
        environ.get(REQUEST_ID, ""),
        environ["REQUEST_METHOD"],
    )


def transaction(action: Callable[[UnitOfWork], T]) -> T:
    """Run `action` in one transaction. Run it again from its start if another writer was faster."""
    return services().storage.transaction(action)
