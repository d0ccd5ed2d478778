"""The blueprints of the pages."""

from __future__ import annotations

from flask import Blueprint

from vault.http import classify
from vault.model.budgets import RouteClass
from vault.web.frame import headers, problems


def new_blueprint(name: str, route_class: RouteClass = RouteClass.PAGES) -> Blueprint:
    """Return a blueprint whose answers have the pages' headers, and whose errors are shown as pages."""
    blueprint = Blueprint(f"web_{name}", __name__, template_folder="../templates")
    problems.register(blueprint)
    blueprint.after_request(headers.protect)
    classify(blueprint, route_class)
    return blueprint
