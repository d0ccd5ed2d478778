"""Tickets for scripts of the pages: one opens a WebSocket, to which a browser adds no other credential."""

from __future__ import annotations

from flask import Response, jsonify

from vault.http import principal, services, transaction, unattended
from vault.web.frame.blueprint import new_blueprint

blueprint = new_blueprint("tickets")


@blueprint.post("/sync/ticket")
@unattended
def make_ticket() -> Response:
    """Return a ticket for this session. It works once, and for half a minute."""
    return jsonify({"ticket": transaction(lambda unit: services().sync.tickets.issue(unit, principal()))})
