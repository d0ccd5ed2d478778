"""The form of one variable. It edits, adds and deletes variables without a script."""

from __future__ import annotations

from flask import Response, request

from vault.errors import Conflict, InvalidInput, NotFound, PreconditionFailed
from vault.http import environment_route, principal, services, transaction
from vault.model.digits import BIGINT_MOST
from vault.model.environment import GLOBALS, Environment, EnvironmentRef, Outline, Variable, VariableType
from vault.services.environments.editing import Attributes, RowEdit, edited
from vault.services.environments.variables import Listing, Written
from vault.storage import UnitOfWork
from vault.web.frame.addresses import home
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, number, render, see
from vault.web.pages.environment_frame import changed_since, frame, read_before
from vault.web.pages.row_edits import as_meant

blueprint = new_blueprint("variable")


def show(env: EnvironmentRef, name: str) -> Response:
    """Show the form of one variable, without its value."""
    listing = services().environments.variables.list(principal(), env)
    outline = next((item for item in listing.outlines if item.name == name), None)
    if outline is None:
        raise NotFound("There is no variable with this name.")
    return _form(listing.environment, outline, was=name, **_read(listing))


@environment_route(blueprint, "/variable", "POST")
def save_variable(env: EnvironmentRef = GLOBALS) -> Response:
    """Save the form of one variable, or show its value and keep what was typed."""
    if "show" in request.form:
        return _shown(env)
    try:
        written = transaction(lambda unit: _saved(unit, env))
        return see(home(env), "saved-odd" if written.warnings else "saved")
    except (InvalidInput, Conflict) as error:
        told: dict[str, object] = {"error": error.message, "wrong": error.path.rpartition(".")[2]}
        if isinstance(error, PreconditionFailed):
            told |= changed_since(env, number("revision", BIGINT_MOST) or 0)
        return _form(_environment(env), _typed(), refused(error), **_kept() | told)


@environment_route(blueprint, "/delete-variables", "POST")
def delete_variables(env: EnvironmentRef = GLOBALS) -> Response:
    """Delete the selected variables, as one revision."""
    edits = [RowEdit(name, None) for name in request.form.getlist("pick")]
    if not edits:
        return see(home(env), "none-chosen")
    known = read_before(field("etag"))
    transaction(lambda unit: services().environments.variables.edit(unit, principal(), env, edits, known))
    return see(home(env), "saved")


def _saved(unit: UnitOfWork, env: EnvironmentRef) -> Written:
    was, typed = field("was") or None, _typed()
    attributes: Attributes = {
        "name": typed.name,
        "type": typed.type,
        "enabled": typed.enabled,
        "literal": typed.literal,
        "description": typed.description,
    }

    def edit(current: tuple[Variable, ...]) -> tuple[Variable, ...]:
        before = next((variable.text for variable in current if variable.name == was), "")
        # An empty field may stand for a value that was not shown. Clear the value only if it was shown.
        if was is None or "shown" in request.form or field("value"):
            attributes["value"] = as_meant(field("value"), before)
        return edited(current, [RowEdit(was, attributes)])

    return services().environments.variables.write(unit, principal(), env, edit, read_before(field("etag")))


def _shown(env: EnvironmentRef) -> Response:
    """Show the form again with the stored value. Other fields keep what was typed."""
    is_from_table = field("show") == "from table"
    variable, _ = services().environments.variables.read_one(
        principal(), env, field("name" if is_from_table else "was")
    )
    shown = {"value": variable.text, "is_shown": True}
    if not is_from_table:
        return _form(_environment(env), _typed(), **_kept() | shown)
    listing = services().environments.variables.list(principal(), env)
    return _form(listing.environment, variable.outline, was=variable.name, **_read(listing) | shown)


def _form(environment: Environment, outline: Outline, status: int = 200, /, **told: object) -> Response:
    return render("variable.html", status, **frame(environment, "variables"), outline=outline, **told)


def _environment(env: EnvironmentRef) -> Environment:
    return services().environments.environments.get(principal(), env)


def _read(listing: Listing) -> dict[str, object]:
    return {"etag": listing.etag, "revision": listing.environment.revision or 0, "value": "", "is_shown": False}


def _typed() -> Outline:
    kind = VariableType.SECRET if field("type") == VariableType.SECRET else VariableType.DEFAULT
    return Outline(field("name"), kind, "enabled" in request.form, "literal" in request.form, field("description"))


def _kept() -> dict[str, object]:
    return {
        "was": field("was"),
        "etag": field("etag"),
        "revision": number("revision", BIGINT_MOST) or 0,
        "value": field("value"),
        "is_shown": "shown" in request.form,
    }
