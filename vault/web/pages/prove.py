"""Step up: a person confirms their identity before an important action, and returns to the page."""

from __future__ import annotations

from flask import Response, request

from vault.errors import BadSecondFactor, InvalidInput
from vault.http import answers_duty, principal, services, takes_password, visit
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render
from vault.web.pages.login_steps import (
    NOT_LET_IN,
    Step,
    after_password,
    local,
    proof,
    proven,
    second_page,
    told_to_script,
)

blueprint = new_blueprint("prove", RouteClass.SESSION)

PATH = "/prove"


@blueprint.get(PATH)
@answers_duty
def show_prove() -> Response:
    """Ask for the password again."""
    return _page(local(request.args.get("next", "")))


@blueprint.post(PATH)
@answers_duty
@takes_password
def prove() -> Response:
    """Check the password. A new session replaces this one."""
    wanted = local(field("next"))
    try:
        begun = services().people.logins.step_up(principal(), field("password"), visit("web"))
    except NOT_LET_IN as error:
        return _page(wanted, refused(error), error.message)
    return after_password(begun, wanted, PATH)


@blueprint.post("/prove/passkey")
@answers_duty
def begin_passkey() -> Response:
    """Ask the browser for a passkey, which replaces the password and second factor. For our script."""
    return told_to_script(services().people.logins.begin_passkey_step_up(principal(), visit("web")))


@blueprint.post("/prove/second")
@answers_duty
def prove_second() -> Response:
    """Complete the step-up with a second factor."""
    step = Step.sent()
    try:
        return proven(
            services().people.logins.complete_step_up(principal(), step.challenge, proof(), visit("web")), step.wanted
        )
    except (BadSecondFactor, InvalidInput) as error:
        return second_page(step, PATH, error)


def _page(wanted: str, status: int = 200, error: str = "") -> Response:
    has_passkey = any(factor.kind == "passkey" for factor in services().people.factors.list(principal()).items)
    return render("prove.html", status, wanted=wanted, error=error, has_passkey=has_passkey)
