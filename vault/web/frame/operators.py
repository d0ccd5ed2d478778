"""Operators' pages: from named networks only, for operators, who have just proven who they are."""

from __future__ import annotations

from flask import Blueprint, request

from vault.auth import require_named_network
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.request import principal, services


def new_operator_blueprint(name: str) -> Blueprint:
    """A blueprint that nobody else comes to."""
    blueprint = new_blueprint(f"operator_{name}", RouteClass.OPERATOR)
    blueprint.before_request(_admit)
    return blueprint


def _admit() -> None:
    principal().require_operator()
    require_named_network(request.environ, request.remote_addr or "", services().settings.operator_networks)
    principal().require_recent_proof(services().clock())
