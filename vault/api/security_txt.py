"""`/.well-known/security.txt` (RFC 9116): how to report a vulnerability, if the operator has set a contact."""

from __future__ import annotations

import datetime

from flask import Blueprint, Response

from vault.errors import NotFound
from vault.http import public, services
from vault.model.clock import as_datetime

blueprint = Blueprint("security_txt", __name__)

# Section 2.5.5 recommends less than a year, so that nobody trusts a forgotten file.
_GOOD_FOR_DAYS = 180


@blueprint.get("/.well-known/security.txt")
@public
def security_txt() -> Response:
    """Return the contact from the settings, and when it expires. Raises `NotFound` if none is set."""
    contact = services().settings.security_contact
    if not contact:
        raise NotFound()
    today = as_datetime(services().clock()).replace(hour=0, minute=0, second=0, microsecond=0)
    expires = (today + datetime.timedelta(days=_GOOD_FOR_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Response(f"Contact: {contact}\nExpires: {expires}\n", content_type="text/plain; charset=utf-8")
