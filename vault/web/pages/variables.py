"""One environment as a table, and the calls of its script: news, values, references, pasted lines, saving."""

from __future__ import annotations

from flask import Response, jsonify, request

from vault.errors import InvalidInput, PreconditionFailed
from vault.http import environment_route, principal, services, transaction, unattended
from vault.model.digits import BIGINT_MOST
from vault.model.environment import GLOBALS, EnvironmentRef
from vault.services.environments.files import parse_file
from vault.services.environments.values import Question
from vault.web.frame.addresses import home
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, number, render, see, wants_json
from vault.web.pages import news, row_edits, variable_form
from vault.web.pages.environment_frame import frame, read_before

blueprint = new_blueprint("variables")

UNDONE_BY_ROLLBACK = frozenset({"saved", "saved-odd", "rolled-back", "imported"})
"""The steps that a rollback by one revision can undo."""


@environment_route(blueprint, "", "GET")
def show_table(env: EnvironmentRef = GLOBALS) -> Response:
    """List all variables without their values. If the URL has a name, show the form of that variable."""
    if "edit" in request.args:
        return variable_form.show(env, request.args["edit"])
    listing = services().environments.variables.list(principal(), env)
    looked_for = request.args.get("q", "").strip()
    found = [item for item in listing.outlines if looked_for.casefold() in item.name.casefold()]
    revision = listing.environment.revision or 0
    may_undo = request.args.get("said") in UNDONE_BY_ROLLBACK and revision > 0
    about: dict[str, object] = {"listing": listing, "outlines": found, "q": looked_for, "may_undo": may_undo}
    return render("variables.html", **frame(listing.environment, "variables"), **about)


@environment_route(blueprint, "/save", "POST")
def save_rows(env: EnvironmentRef = GLOBALS) -> Response:
    """Save all edits of the table as one revision. Only the table's script uses this; a form saves one variable."""
    document = row_edits.sent()
    edits, known = row_edits.edits_of(document), read_before(row_edits.text_of(document, "etag"))
    try:
        written = transaction(lambda unit: services().environments.variables.edit(unit, principal(), env, edits, known))
    except PreconditionFailed as error:
        return _conflict(env, error, row_edits.revision_of(document))
    told = {"revision": written.revision, "etag": written.etag, "changed": written.changed}
    return jsonify({**told, "warnings": written.warnings})


@environment_route(blueprint, "/news", "POST")
@unattended
def show_news(env: EnvironmentRef = GLOBALS) -> Response:
    """Return what was changed since the revision that the page shows, without values. For the table's script."""
    return jsonify(news.since(env, row_edits.revision_of(row_edits.sent())))


@environment_route(blueprint, "/values", "POST")
def show_values(env: EnvironmentRef = GLOBALS) -> Response:
    """Return one value or all values. Each request is recorded in the audit. For the table's script."""
    name = row_edits.sent().get("name")
    if isinstance(name, str):
        one, snapshot = services().environments.variables.read_one(principal(), env, name)
        values = {one.name: one.text}
    else:
        snapshot = services().environments.variables.read(principal(), env)
        values = {item.name: item.text for item in snapshot.variables}
    return jsonify({"values": values, "etag": snapshot.etag})


@environment_route(blueprint, "/references", "POST")
def show_references(env: EnvironmentRef = GLOBALS) -> Response:
    """Show what the variables with references resolve to, and which references are broken."""
    resolved = services().environments.values.read(principal(), env, Question()).resolved
    assert resolved is not None
    referring = {name: resolved.values[name] for name in resolved.referring}
    if wants_json():
        told = [{"name": name, "text": text} for name, text in zip(resolved.warned, resolved.warnings, strict=True)]
        return jsonify({"resolved": referring, "warnings": told})
    environment = services().environments.environments.get(principal(), env)
    found = {"resolved": referring, "warnings": resolved.warnings}
    return render("references.html", **frame(environment, "variables"), **found)


@blueprint.post("/lines")
def read_lines() -> Response:
    """Parse a block of dotenv lines into rows that are not saved yet. For the table's script."""
    parsed = parse_file("dotenv", row_edits.text_of(row_edits.sent(), "text"))
    found = [{"name": item.name, "value": item.text} for item in parsed.variables]
    return jsonify({"rows": found, "warnings": parsed.warnings})


@environment_route(blueprint, "/rollback", "POST")
def roll_back(env: EnvironmentRef = GLOBALS) -> Response:
    """Write an older revision again as a new one. The form of an undo names the revision that it undoes."""
    wanted = number("revision", BIGINT_MOST)
    if wanted is None:
        raise InvalidInput("Choose the revision to go back to.", path="revision")
    etag = field("etag") if "etag" in request.form else services().environments.variables.list(principal(), env).etag
    known = read_before(etag)
    transaction(lambda unit: services().environments.history.rollback(unit, principal(), env, wanted, known))
    return see(home(env), "rolled-back")


def _conflict(env: EnvironmentRef, error: PreconditionFailed, revision: int) -> Response:
    response = jsonify({"code": error.code, "message": error.message, **news.since(env, revision)})
    response.status_code = refused(error)
    return response
