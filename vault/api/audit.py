"""`/audit`: the caller's own events. `/operator/audit`: everybody's events, for operators."""

from __future__ import annotations

from typing import Any

from vault.api.calls import page, page_limit, place_of
from vault.api.parser import StrictBlueprint
from vault.api.schemas.audit import AuditPage, AuditQuery, OwnAuditPage
from vault.api.schemas.parts import Page
from vault.http import principal, services
from vault.services.audit.trail import Cursor
from vault.storage import Search, Seen

blueprint = StrictBlueprint("audit", __name__, description="Audit events: who did what, and when.")


@blueprint.route("/audit", methods=["GET"])
@blueprint.arguments(Page, location="query")
@blueprint.response(200, OwnAuditPage)
def own_trail(query: dict[str, Any]) -> Any:
    """List the audit events about my account and what I own, newest first."""
    found = services().audit.trail.own(principal(), _before(query), page_limit(query))
    return _page(found, query)


@blueprint.route("/operator/audit", methods=["GET"])
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditPage)
def search_audit(query: dict[str, Any]) -> Any:
    """List the audit events of all people, newest first. `variable` finds the events about one variable name."""
    trail = services().audit.trail
    search = Search(
        user_id=trail.user_id(principal(), query["user"]) if query["user"] is not None else None,
        actor=query["actor"],
        action=query["action"],
        result=query["result"],
        environment_id=str(query["environment_id"]) if query["environment_id"] is not None else None,
        since_us=query["since"],
        until_us=query["until"],
    )
    found = trail.search(principal(), search, _before(query), page_limit(query), variable=query["variable"])
    return _page(found, query)


def _before(query: dict[str, Any]) -> Cursor | None:
    place = place_of(query, int, str)
    return (place[0], place[1]) if place else None


def _page(found: list[Seen], query: dict[str, Any]) -> Any:
    answer, headers = page(found, query, lambda seen: [seen.event.at_us, seen.event.id])
    return {
        **answer,
        "items": [{**seen.event._asdict(), "sequence": seen.sequence} for seen in answer["items"]],
    }, headers
