"""`…/variables`: the variables of an environment or of the globals, with all attributes."""

from __future__ import annotations

from dataclasses import replace

from flask import Response

from vault.api.calls import asked_first, precondition, writes
from vault.api.description import NOT_MODIFIED, PRECONDITIONS, WARNINGS, takes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.variables import (
    PatchVariablesBody,
    PutVariablesBody,
    VariableAnswer,
    VariableBody,
    VariablesAnswer,
    WrittenAnswer,
)
from vault.api.values import warning_headers
from vault.http import environment_route, known_etags, principal, quoted, services
from vault.model.environment import GLOBALS, EnvironmentRef, Variable
from vault.model.grant import Permission
from vault.services.environments.editing import Attributes
from vault.services.environments.variables import Snapshot, Written
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("variables", __name__, description="Variables with all their attributes.")

Answer = tuple[Written, dict[str, str]]
"""The result of a write, and the headers with its ETag and warnings."""


@environment_route(blueprint, "/variables", "GET")
@takes("If-None-Match")
@blueprint.response(200, VariablesAnswer, headers=("ETag",))
@blueprint.doc(responses={"304": NOT_MODIFIED})
def read_variables(env: EnvironmentRef = GLOBALS) -> Response | tuple[Snapshot, dict[str, str]]:
    """List all variables, in order, with the ETag that a replacing write must name."""
    snapshot = services().environments.variables.read(principal(), env)
    headers = {"ETag": quoted(snapshot.etag)}
    if snapshot.etag in known_etags():
        return Response(status=304, headers=headers)
    return snapshot, headers


@environment_route(blueprint, "/variables", "PUT")
@asked_first(Permission.UPDATE)
@blueprint.arguments(PutVariablesBody)
@takes(*PRECONDITIONS)
@writes
@blueprint.response(200, WrittenAnswer, headers=("ETag", WARNINGS))
def replace_variables(unit: UnitOfWork, variables: list[Variable], env: EnvironmentRef = GLOBALS) -> Answer:
    """Replace all variables. Requires If-Match, or If-None-Match: * if there is no revision yet.
    X-Strongroom-Warnings lists new names that shells or some formats do not take.
    """
    return _written(services().environments.variables.replace(unit, principal(), env, variables, precondition()))


@environment_route(blueprint, "/variables", "PATCH")
@asked_first(Permission.UPDATE)
@blueprint.arguments(PatchVariablesBody)
@takes(*PRECONDITIONS)
@writes
@blueprint.response(200, WrittenAnswer, headers=("ETag", WARNINGS))
def patch_variables(unit: UnitOfWork, variables: dict[str, Attributes | None], env: EnvironmentRef = GLOBALS) -> Answer:
    """Merge changes into the variables, as one revision. null removes a variable. X-Strongroom-Warnings names new
    names that shells or some formats do not take.
    """
    return _written(services().environments.variables.patch(unit, principal(), env, variables, precondition()))


@environment_route(blueprint, "/variables/<name>", "GET")
@blueprint.response(200, VariableAnswer, headers=("ETag",))
def read_variable(name: str, env: EnvironmentRef = GLOBALS) -> tuple[dict[str, object], dict[str, str]]:
    """Get one variable."""
    variable, snapshot = services().environments.variables.read_one(principal(), env, name)
    record = {attribute: getattr(variable, attribute) for attribute in Variable.__slots__}
    return {**record, "revision": snapshot.revision}, {"ETag": quoted(snapshot.etag)}


@environment_route(blueprint, "/variables/<name>", "PUT")
@asked_first(Permission.UPDATE)
@blueprint.arguments(VariableBody)
@takes(*PRECONDITIONS)
@writes
@blueprint.response(200, WrittenAnswer, headers=("ETag", WARNINGS))
def put_variable(unit: UnitOfWork, variable: Variable, name: str, env: EnvironmentRef = GLOBALS) -> Answer:
    """Set all attributes of one variable. X-Strongroom-Warnings warns of a new name that shells or some formats do not
    take.
    """
    named = replace(variable, name=name)
    return _written(services().environments.variables.put_one(unit, principal(), env, named, precondition()))


@environment_route(blueprint, "/variables/<name>", "DELETE")
@takes(*PRECONDITIONS)
@writes
@blueprint.response(200, WrittenAnswer, headers=("ETag", WARNINGS))
def delete_variable(unit: UnitOfWork, name: str, env: EnvironmentRef = GLOBALS) -> Answer:
    """Remove one variable."""
    return _written(services().environments.variables.delete_one(unit, principal(), env, name, precondition()))


def _written(written: Written) -> Answer:
    return written, {"ETag": quoted(written.etag), **warning_headers(written.warnings)}
