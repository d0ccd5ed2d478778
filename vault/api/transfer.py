"""`/import` and `…/export`: files."""

from __future__ import annotations

from typing import Any

from flask import Response

from vault.api.both import both
from vault.api.calls import principal, services, writes
from vault.api.parser import StrictBlueprint
from vault.api.schemas import ExportQuery, ImportAnswer, ImportBody
from vault.api.values import text_response
from vault.services.transfer import Imported, format_named
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("transfer", __name__, description="Files in and out.")


@blueprint.route("/import", methods=["POST"])
@writes
@blueprint.arguments(ImportBody)
@blueprint.response(200, ImportAnswer)
def import_file(body: dict[str, Any], unit: UnitOfWork) -> Imported:
    """Read a file's text into an environment (null: the globals) as one revision; a dry run only shows the plan."""
    replace_all = body["mode"] == "replace"
    where = (body["environment"], body["format"], body["text"])
    return services().transfer.import_text(unit, principal(), *where, replace_all=replace_all, dry_run=body["dry_run"])


@both(blueprint, "/export", "GET")
@blueprint.arguments(ExportQuery, location="query")
@blueprint.response(200, content_type="text/plain")
def export_file(query: dict[str, Any], env: str | None = None) -> Response:
    """An environment's own enabled variables as a file, references as they were written."""
    chosen = format_named(query["format"])
    rendered = services().transfer.export_text(principal(), env, query["format"])
    return text_response(rendered.text, rendered.warnings, chosen.media_type, {})
