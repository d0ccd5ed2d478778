"""The settings of an environment; copying and deleting it."""

from __future__ import annotations

from flask import Response, request

from vault.errors import Conflict, InvalidInput
from vault.http import environment_route, principal, services, transaction
from vault.model.environment import GLOBALS, EnvironmentRef
from vault.services.environments.rules import MAX_VERSIONS_MOST
from vault.services.environments.wishes import Wishes
from vault.storage import UnitOfWork
from vault.web.frame import notices
from vault.web.frame.addresses import home
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, number, render, see
from vault.web.pages.environment_frame import frame

blueprint = new_blueprint("settings")


@environment_route(blueprint, "/settings", "GET")
def show_settings(env: EnvironmentRef = GLOBALS) -> Response:
    """Show the settings."""
    return _page(env)


@environment_route(blueprint, "/settings", "POST")
def change_settings(env: EnvironmentRef = GLOBALS) -> Response:
    """Change all settings at once."""
    try:
        wishes = _wishes(named=env is not GLOBALS)
        transaction(lambda unit: services().environments.making.change(unit, principal(), env, wishes))
        return see(f"{home(env)}/settings", notices.of_name("changed", field("name")))
    except (InvalidInput, Conflict) as error:
        return _page(env, error, "name")


@blueprint.post("/environments/<env>/copy")
def copy_environment(env: str) -> Response:
    """Create another environment from its variables, and open the new one."""

    def copy(unit: UnitOfWork) -> str:
        return str(services().environments.making.copy(unit, principal(), env, field("copy")).id)

    try:
        return see(home(transaction(copy)), notices.of_name("copied", field("copy")))
    except (InvalidInput, Conflict) as error:
        return _page(env, error, "copy")


@blueprint.post("/environments/<env>/delete")
def delete_environment(env: str) -> Response:
    """Delete the environment. The list of environments offers to restore it."""
    warnings = transaction(lambda unit: services().environments.environments.delete(unit, principal(), env))
    return see(f"/environments?undo={env}", "deleted-base" if warnings else "deleted")


def _wishes(*, named: bool) -> Wishes:
    versions = number("max_versions", MAX_VERSIONS_MOST)
    if versions is None:
        raise InvalidInput(f"Write a number from 1 to {MAX_VERSIONS_MOST}.", path="max_versions")
    wishes: Wishes = {
        "description": field("description"),
        "max_versions": versions,
        "cas_required": "cas_required" in request.form,
    }
    if named:
        wishes["name"] = field("name")
    return wishes


def _page(env: EnvironmentRef, error: InvalidInput | Conflict | None = None, wrong: str = "") -> Response:
    """Return the page with the settings as typed. `wrong` is the field for an error without a path."""
    environment = services().environments.environments.get(principal(), env)
    typed: dict[str, object] = {
        "name": environment.name,
        "description": environment.description,
        "max_versions": environment.max_versions,
        "cas_required": environment.cas_required,
        "copy": f"{environment.name} copy",
    }
    shown = frame(environment, "settings") | {"days": services().settings.purge_after_days, "typed": typed}
    if error is None:
        return render("settings.html", **shown)
    path = error.path if wrong != "copy" else ""
    typed |= {name: field(name) for name in typed if name in request.form}
    typed["cas_required"] = "cas_required" in request.form if wrong != "copy" else environment.cas_required
    told = {"error": error.message, "wrong": path or wrong}
    return render("settings.html", refused(error), **shown, **told)
