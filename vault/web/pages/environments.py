"""The list of environments: search, create, restore."""

from __future__ import annotations

from flask import Response, request

from vault.errors import Conflict, InvalidInput
from vault.http import principal, services, transaction
from vault.model.environment import Environment
from vault.storage import UnitOfWork
from vault.web.frame import notices
from vault.web.frame.addresses import home
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see

blueprint = new_blueprint("environments")


@blueprint.get("/environments")
def list_environments() -> Response:
    """List my environments, or those whose name contains the search text."""
    return _list()


@blueprint.post("/environments")
def create_environment() -> Response:
    """Create an empty environment, and open it."""

    def create(unit: UnitOfWork) -> str:
        description = field("description")
        return services().environments.making.create(unit, principal(), field("name"), description=description).id

    try:
        return see(home(transaction(create)), notices.of_name("created", field("name")))
    except (InvalidInput, Conflict) as error:
        return _list(refused(error), error=error.message, name=field("name"), description=field("description"))


@blueprint.post("/environments/<env>/undelete")
def undelete_environment(env: str) -> Response:
    """Restore a deleted environment, under another name if its own is taken."""
    name = field("name") or None
    try:
        transaction(lambda unit: services().environments.making.undelete(unit, principal(), env, name))
        return see(home(env), "undeleted")
    except (InvalidInput, Conflict) as error:
        return _list(refused(error), clash=env, clash_error=error.message, clash_name=field("name"))


def _list(status: int = 200, /, **told: str) -> Response:
    looked_for = request.args.get("q", "").strip()
    living = [item for item in _all(deleted=False) if looked_for.casefold() in item.name.casefold()]
    deleted = sorted(_all(deleted=True), key=lambda item: item.deleted_us or 0, reverse=True)
    undo = next((item for item in deleted if item.id == request.args.get("undo")), None)
    days = services().settings.purge_after_days
    shown = {"living": living, "deleted": deleted, "undo": undo, "days": days, "q": looked_for}
    return render("environments.html", status, **shown, **told)


def _all(*, deleted: bool) -> list[Environment]:
    # The quota limits the list, so one page is enough.
    limit = services().settings.quota_environments
    return services().environments.environments.list(principal(), deleted=deleted, limit=limit)
