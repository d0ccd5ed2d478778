"""`/import` and `…/export`: files."""

from __future__ import annotations

from typing import Any

from flask import Response

from vault.api.calls import asked_first, precondition, writes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.transfer import ExportQuery, ImportAnswer, ImportBody
from vault.api.values import text_response
from vault.formats import ParsedFile
from vault.http import both, principal, services
from vault.model.grant import Permission
from vault.services.environments.files import format_named, parse_file
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("transfer", __name__, description="Import and export of files.")


@blueprint.route("/import", methods=["POST"])
@asked_first(Permission.UPDATE, Permission.CREATE, anywhere=True)
@blueprint.arguments(ImportBody)
@blueprint.response(200, ImportAnswer)
def import_file(body: dict[str, Any]) -> Any:
    """Import a file into an environment (null: the globals) as one revision. A dry run only shows the plan."""
    services().environments.environments.require(
        principal(), body["environment"], (Permission.UPDATE, Permission.CREATE)
    )
    # Parse before the transaction starts: other writers wait while one is open.
    return _store(body, parse_file(body["format"], body["text"]))


@writes
def _store(body: dict[str, Any], parsed: ParsedFile, unit: UnitOfWork) -> Any:
    modes = {"replace_all": body["mode"] == "replace", "dry_run": body["dry_run"]}
    where = (principal(), body["environment"], parsed, precondition())
    return ImportAnswer().dump(services().environments.files.import_file(unit, *where, **modes))


@both(blueprint, "/export", "GET")
@blueprint.arguments(ExportQuery, location="query")
@blueprint.response(200, content_type="text/plain")
def export_file(query: dict[str, Any], env: str | None = None) -> Response:
    """Export an environment's own variables as a file. References are not resolved."""
    chosen = format_named(query["format"])
    rendered = services().environments.files.export_text(principal(), env, query["format"], strict=query["strict"])
    return text_response(rendered.text, rendered.warnings, chosen.media_type, {})
