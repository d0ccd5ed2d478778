"""`…/variables`: the variables of an environment or of the globals, with all attributes."""

from __future__ import annotations

from typing import Any

from flask import Response

from vault.api.calls import asked_first, precondition, writes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.variables import (
    PatchVariablesBody,
    PutVariablesBody,
    VariableAnswer,
    VariableBody,
    VariablesAnswer,
    WrittenAnswer,
)
from vault.http import both, known_etags, principal, quoted, services
from vault.model.environment import Variable
from vault.model.grant import Permission
from vault.services.environments.variables import Written
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("variables", __name__, description="Variables with all their attributes.")


@both(blueprint, "/variables", "GET")
@blueprint.response(200, VariablesAnswer)
def read_variables(env: str | None = None) -> Any:
    """List all variables, in order, with the ETag that a replacing write must name."""
    snapshot = services().environments.variables.read(principal(), env)
    headers = {"ETag": quoted(snapshot.etag)}
    if snapshot.etag in known_etags():
        return Response(status=304, headers=headers)
    return {"variables": snapshot.variables, "revision": snapshot.revision}, headers


@both(blueprint, "/variables", "PUT")
@asked_first(Permission.UPDATE)
@blueprint.arguments(PutVariablesBody)
@writes
@blueprint.response(200, WrittenAnswer)
def replace_variables(body: dict[str, Any], unit: UnitOfWork, env: str | None = None) -> Any:
    """Replace all variables. Requires If-Match, or If-None-Match: * if there is no revision yet."""
    variables = [variable_of(item) for item in body["variables"]]
    return _written(services().environments.variables.replace(unit, principal(), env, variables, precondition()))


@both(blueprint, "/variables", "PATCH")
@asked_first(Permission.UPDATE)
@blueprint.arguments(PatchVariablesBody)
@writes
@blueprint.response(200, WrittenAnswer)
def patch_variables(body: dict[str, Any], unit: UnitOfWork, env: str | None = None) -> Any:
    """Merge changes into the variables, as one revision. null removes a variable."""
    return _written(services().environments.variables.patch(unit, principal(), env, body["variables"], precondition()))


@both(blueprint, "/variables/<name>", "GET")
@blueprint.response(200, VariableAnswer)
def read_variable(name: str, env: str | None = None) -> Any:
    """Get one variable."""
    variable, snapshot = services().environments.variables.read_one(principal(), env, name)
    record = {attribute: getattr(variable, attribute) for attribute in Variable.__slots__}
    return {**record, "revision": snapshot.revision}, {"ETag": quoted(snapshot.etag)}


@both(blueprint, "/variables/<name>", "PUT")
@asked_first(Permission.UPDATE)
@blueprint.arguments(VariableBody)
@writes
@blueprint.response(200, WrittenAnswer)
def put_variable(body: dict[str, Any], name: str, unit: UnitOfWork, env: str | None = None) -> Any:
    """Set all attributes of one variable."""
    variable = variable_of({"name": name, **body})
    return _written(services().environments.variables.put_one(unit, principal(), env, variable, precondition()))


@both(blueprint, "/variables/<name>", "DELETE")
@writes
@blueprint.response(200, WrittenAnswer)
def delete_variable(name: str, unit: UnitOfWork, env: str | None = None) -> Any:
    """Remove one variable."""
    return _written(services().environments.variables.delete_one(unit, principal(), env, name, precondition()))


def variable_of(item: dict[str, Any]) -> Variable:
    """Return the variable in what the schema has loaded."""
    return Variable(**item)


def _written(written: Written) -> tuple[dict[str, Any], dict[str, str]]:
    return {"revision": written.revision}, {"ETag": quoted(written.etag)}
