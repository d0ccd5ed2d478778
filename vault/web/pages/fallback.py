"""The page for unknown paths, for people who are logged in."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.routing import BaseConverter

from vault.errors import NotFound
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.request import see

blueprint = new_blueprint("fallback", RouteClass.PUBLIC)


class PagePath(BaseConverter):
    """A path of any length that no other face answers."""

    regex = r"(?!(?i:api|v1|livez|readyz|static|\.well-known)(/|$)).+"
    part_isolating = False


def prepare(app: Flask) -> None:
    """Register the converter with `app`. Call this before the blueprint is registered."""
    app.url_map.converters["page"] = PagePath


@blueprint.get("/")
def home() -> Response:
    """Redirect to the first page."""
    return see("/environments")


@blueprint.route("/<page:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing(path: str) -> Response:  # noqa: ARG001 - Flask hands it over.
    """Show that there is no such page."""
    raise NotFound("There is no such page.")
