"""`/import` and `…/export`: files."""

from __future__ import annotations

from flask import Response

from vault.api.calls import asked_first, precondition, writes
from vault.api.description import PRECONDITIONS, takes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.transfer import ExportQuery, ImportAnswer, ImportBody
from vault.api.values import file_answers, text_response
from vault.formats import ParsedFile
from vault.http import environment_route, keeps_answer, principal, services
from vault.model.environment import GLOBALS, EnvironmentRef
from vault.model.grant import Permission
from vault.services.environments.files import Imported, format_named, parse_file
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("transfer", __name__, description="Import and export of files.")


@blueprint.route("/import", methods=["POST"])
@keeps_answer
@asked_first(Permission.UPDATE, Permission.CREATE, anywhere=True)
@takes("Idempotency-Key", *PRECONDITIONS)
@blueprint.arguments(ImportBody)
@blueprint.response(200, ImportAnswer)
def import_file(
    environment: EnvironmentRef,
    format: str,
    text: str,
    mode: str,
    dry_run: bool,
    pick: str,
    literal: bool,
    expand: bool,
) -> Response:
    """Import a file into an environment (null: the globals) as one revision. A dry run only shows the plan."""
    services().environments.environments.require(principal(), environment, (Permission.UPDATE, Permission.CREATE))
    # Parse before the transaction starts: other writers wait while one is open.
    parsed = parse_file(format, text, pick, literal=literal, expand=expand)
    return _store(environment, parsed, replace_all=mode == "replace", dry_run=dry_run)


@writes
@blueprint.response(200, ImportAnswer)
def _store(
    unit: UnitOfWork, environment: EnvironmentRef, parsed: ParsedFile, *, replace_all: bool, dry_run: bool
) -> Imported:
    return services().environments.files.import_file(
        unit, principal(), environment, parsed, precondition(), replace_all=replace_all, dry_run=dry_run
    )


@environment_route(blueprint, "/export", "GET")
@blueprint.arguments(ExportQuery, location="query")
@file_answers(blueprint, {"type": "object"})
def export_file(format: str, strict: bool, env: EnvironmentRef = GLOBALS) -> Response:
    """Export an environment's own variables as a file. References are not resolved."""
    chosen = format_named(format)
    rendered = services().environments.files.export_text(principal(), env, format, strict=strict)
    return text_response(rendered.text, rendered.warnings, chosen.media_type, {})
