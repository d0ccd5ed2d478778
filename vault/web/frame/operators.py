"""The guard of operators' pages: only operators, from named networks, with a recent proof of identity."""

from __future__ import annotations

from flask import Blueprint

from vault.http import require_operator
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint


def new_operator_blueprint(name: str) -> Blueprint:
    """Return a blueprint that only operators can use."""
    blueprint = new_blueprint(f"operator_{name}", RouteClass.OPERATOR)
    blueprint.before_request(require_operator)
    return blueprint
