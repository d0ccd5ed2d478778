"""Operators' pages: from named networks only, for operators, who have just proven who they are."""

from __future__ import annotations

from flask import Blueprint

from vault.http import require_operator
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint


def new_operator_blueprint(name: str) -> Blueprint:
    """A blueprint that nobody else comes to."""
    blueprint = new_blueprint(f"operator_{name}", RouteClass.OPERATOR)
    blueprint.before_request(require_operator)
    return blueprint
