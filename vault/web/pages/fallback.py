"""Addresses that are nobody's: a page that says so, for whoever is logged in."""

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
    """Teach `app` the converter; before the blueprint is registered."""
    app.url_map.converters["page"] = PagePath


@blueprint.get("/")
def home() -> Response:
    """The first page."""
    return see("/environments")


@blueprint.route("/<page:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing(path: str) -> Response:  # noqa: ARG001 - Flask hands it over.
    """No page has this address."""
    raise NotFound("There is no such page.")
