"""`/environments`: list, create, rename, copy, delete and restore environments. `/globals`: the globals, which always
exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from vault.api.calls import asked_first, writes
from vault.api.description import WARNINGS
from vault.api.paging import Items, Paging
from vault.api.parser import StrictBlueprint
from vault.api.schemas.environments import (
    ChangeEnvironmentBody,
    ChangeGlobalsBody,
    CopyBody,
    CreateEnvironmentBody,
    EnvironmentPage,
    EnvironmentQuery,
    EnvironmentSchema,
    UndeleteBody,
)
from vault.api.values import warning_headers
from vault.formats.odd_names import odd_names
from vault.http import principal, services
from vault.model.environment import GLOBALS, Environment, Variable
from vault.model.grant import Permission
from vault.model.names import mixed_scripts
from vault.services.environments.wishes import Wishes
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("environments", __name__, description="Environments: named sets of variables.")


@blueprint.route("/environments", methods=["GET"])
@blueprint.arguments(EnvironmentQuery, location="query")
@blueprint.response(200, EnvironmentPage)
def list_environments(page: Paging, name: str | None, deleted: bool) -> tuple[Items, dict[str, str]]:
    """List my environments, by name."""
    found = services().environments.environments.list(
        principal(), name=name, deleted=deleted, after=page.key(str) or "", limit=page.one_more
    )
    return page.answer(found, lambda item: [item.id if deleted else item.name])


@blueprint.route("/environments", methods=["POST"])
@asked_first(Permission.CREATE, anywhere=True)
@blueprint.arguments(CreateEnvironmentBody)
@writes
@blueprint.response(201, EnvironmentSchema, headers=("Location", WARNINGS))
def create_environment(
    unit: UnitOfWork,
    name: str,
    description: str,
    max_versions: int,
    bases: Sequence[str],
    variables: list[Variable] | None,
) -> tuple[Environment, dict[str, str]]:
    """Create an environment, with its first variables if they are given. X-Strongroom-Warnings warns of names that
    shells or some formats do not take, and of an environment's name with letters that can look alike.
    """
    made = services().environments.making.create(
        unit,
        principal(),
        name,
        description=description,
        max_versions=max_versions,
        bases=bases,
        variables=variables,
    )
    odd = odd_names(variable.name for variable in variables or ())
    told = warning_headers((*mixed_scripts(made.name), *odd))
    return made, {"Location": f"/api/v1/environments/{made.id}", **told}


@blueprint.route("/environments/<env>", methods=["GET"])
@blueprint.response(200, EnvironmentSchema)
def get_environment(env: str) -> Environment:
    """Get one environment, without its values."""
    return services().environments.environments.get(principal(), env)


@blueprint.route("/globals", methods=["GET"])
@blueprint.response(200, EnvironmentSchema)
def get_globals() -> Environment:
    """Get my globals, without their values."""
    return services().environments.environments.get(principal(), GLOBALS)


@blueprint.route("/environments/<env>", methods=["PATCH"])
@blueprint.arguments(ChangeEnvironmentBody)
@writes
@blueprint.response(200, EnvironmentSchema, headers=(WARNINGS,))
def change_environment(unit: UnitOfWork, /, env: str, **wishes: Unpack[Wishes]) -> tuple[Environment, dict[str, str]]:
    """Change the name, the description, the bases or a rule of an environment. X-Strongroom-Warnings warns of a new
    name with letters that can look alike.
    """
    changed = services().environments.making.change(unit, principal(), env, wishes)
    return changed, warning_headers(mixed_scripts(wishes.get("name", "")))


@blueprint.route("/globals", methods=["PATCH"])
@blueprint.arguments(ChangeGlobalsBody)
@writes
@blueprint.response(200, EnvironmentSchema)
def change_globals(unit: UnitOfWork, /, **wishes: Unpack[Wishes]) -> Environment:
    """Change the description or a rule of my globals."""
    return services().environments.making.change(unit, principal(), GLOBALS, wishes)


@blueprint.route("/environments/<env>", methods=["DELETE"])
@writes
@blueprint.response(204, headers=(WARNINGS,))
def delete_environment(unit: UnitOfWork, env: str) -> tuple[None, dict[str, str]]:
    """Delete an environment. It can be restored for 30 days. X-Strongroom-Warnings says if it is a base of others."""
    return None, warning_headers(services().environments.environments.delete(unit, principal(), env))


@blueprint.route("/environments/<env>/undelete", methods=["POST"])
@blueprint.arguments(UndeleteBody)
@writes
@blueprint.response(200, EnvironmentSchema)
def undelete_environment(unit: UnitOfWork, env: str, name: str | None) -> Environment:
    """Restore a deleted environment, by its id or name. A new name may be given."""
    return services().environments.making.undelete(unit, principal(), env, name)


@blueprint.route("/environments/<env>/copy", methods=["POST"])
@blueprint.arguments(CopyBody)
@writes
@blueprint.response(201, EnvironmentSchema, headers=("Location", WARNINGS))
def copy_environment(unit: UnitOfWork, env: str, name: str) -> tuple[Environment, dict[str, str]]:
    """Create an environment with the current variables and the bases of this one. X-Strongroom-Warnings warns of a
    name with letters that can look alike.
    """
    made = services().environments.making.copy(unit, principal(), env, name)
    told = warning_headers(mixed_scripts(made.name))
    return made, {"Location": f"/api/v1/environments/{made.id}", **told}
