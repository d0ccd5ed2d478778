"""Second factors: an authenticator app, passkeys, recovery codes."""

from __future__ import annotations

import segno
from flask import Response, jsonify
from markupsafe import Markup

from vault.errors import InvalidInput, NotFound
from vault.http import answers_duty, principal, services, transaction
from vault.model.budgets import RouteClass
from vault.services.people.factors import Added, TotpEnrolment
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see
from vault.web.frame.single_use import SentBefore, once
from vault.web.pages.login_steps import passkey_sent

blueprint = new_blueprint("factors", RouteClass.SESSION)

_HOME = "/security"


@blueprint.post("/security/totp")
@answers_duty
def begin_totp() -> Response:
    """Start to add an authenticator app."""
    return see(f"/security/totp/{services().people.factors.begin_totp(principal()).id}")


@blueprint.get("/security/totp/<enrolment_id>")
@answers_duty
def show_totp(enrolment_id: str) -> Response:
    """Show the QR code until the app's first code is given."""
    return _totp_page(services().people.factors.pending_totp(principal(), enrolment_id))


@blueprint.post("/security/totp/<enrolment_id>")
@answers_duty
def confirm_totp(enrolment_id: str) -> Response:
    """Add the authenticator app, with a code that it shows."""
    factors = services().people.factors
    try:
        added = factors.confirm_totp(principal(), enrolment_id, field("code").replace(" ", ""), field("name"))
    except InvalidInput as error:
        pending = factors.pending_totp(principal(), enrolment_id)
        return _totp_page(pending, refused(error), {error.path or "code": error.message})
    except NotFound as error:
        # The form was sent twice or too late. The page shows which factors exist.
        refused(error)
        return see(_HOME, "enrolment-over")
    return _added(added)


@blueprint.post("/security/passkeys/begin")
@answers_duty
def begin_passkey() -> Response:
    """Return what the browser needs to make a passkey, for our script."""
    enrolment = services().people.factors.begin_passkey(principal())
    return jsonify({"id": enrolment.id, "options": enrolment.options})


@blueprint.post("/security/passkeys")
@answers_duty
def confirm_passkey() -> Response:
    """Add the passkey that the browser has made."""
    factors, credential = services().people.factors, passkey_sent()
    try:
        return _added(factors.confirm_passkey(principal(), field("challenge"), credential, field("name")))
    except NotFound as error:
        refused(error)
        return see(_HOME, "enrolment-over")


@blueprint.post("/security/factors/<factor_id>/remove")
def remove_factor(factor_id: str) -> Response:
    """Remove a second factor."""
    services().people.factors.remove(principal(), factor_id)
    return see(_HOME, "factor-removed")


@blueprint.post("/security/recovery-codes")
def new_recovery_codes() -> Response:
    """Make ten new recovery codes. The old ones stop working. The new ones are shown only in this answer."""
    principal().require_recent_proof(services().clock())
    if isinstance(transaction(lambda unit: once(unit, lambda _: None, lambda _: "codes")), SentBefore):
        # A reload must not replace codes that somebody has just written down.
        return see(_HOME, "codes-before")
    return _codes(services().people.factors.new_recovery_codes(principal()), "")


def _added(added: Added) -> Response:
    if added.recovery_codes:
        return _codes(added.recovery_codes, added.factor.name)
    return see(_HOME, "factor-added")


def _codes(codes: tuple[str, ...], added: str) -> Response:
    return render("recovery_codes.html", 201, codes=codes, added=added)


def _totp_page(enrolment: TotpEnrolment, status: int = 200, faults: dict[str, str] | None = None) -> Response:
    shown = {"qr": _drawn(enrolment.uri), "secret": _grouped(enrolment.secret), "id": enrolment.id}
    return render("totp.html", status, faults=faults or {}, name=field("name"), **shown)


def _drawn(uri: str) -> Markup:
    """Return the QR code as an SVG inside the page, so that no other request contains the secret."""
    drawing = segno.make(uri, error="m").svg_inline(scale=5, border=3, svgclass=None, lineclass=None)
    return Markup(drawing)  # # noqa: S704 - segno writes numbers and fixed words, never the encoded text.


def _grouped(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
