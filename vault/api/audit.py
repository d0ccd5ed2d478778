"""`/audit`: the caller's own events. `/operator/audit`: everybody's events, for operators."""

from __future__ import annotations

import uuid

from vault.api.paging import Items, Key, Paging
from vault.api.parser import StrictBlueprint
from vault.api.schemas.audit import AuditPage, AuditQuery, OwnAuditPage
from vault.api.schemas.parts import Page
from vault.http import principal, services
from vault.storage import Search, Seen

blueprint = StrictBlueprint("audit", __name__, description="Audit events: who did what, and when.")


@blueprint.route("/audit", methods=["GET"])
@blueprint.arguments(Page, location="query")
@blueprint.response(200, OwnAuditPage)
def own_trail(page: Paging) -> tuple[Items, dict[str, str]]:
    """List the audit events about my account and what I own, newest first."""
    found = services().audit.trail.own(principal(), page.time_and_id(), page.one_more)
    return page.answer(found, _place)


@blueprint.route("/operator/audit", methods=["GET"])
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditPage)
def search_audit(
    page: Paging, user: str | None, actor: str | None, action: str | None, result: str | None,
    environment_id: uuid.UUID | None, since: int | None, until: int | None, variable: str | None,
) -> tuple[Items, dict[str, str]]:  # fmt: skip
    """List the audit events of all people, newest first. `variable` finds the events about one variable name."""
    trail = services().audit.trail
    search = Search(
        user_id=trail.user_id(principal(), user) if user is not None else None,
        actor=actor,
        action=action,
        result=result,
        environment_id=str(environment_id) if environment_id is not None else None,
        since_us=since,
        until_us=until,
    )
    found = trail.search(principal(), search, page.time_and_id(), page.one_more, variable=variable)
    return page.answer(found, _place)


def _place(seen: Seen) -> tuple[Key, ...]:
    return (seen.event.at_us, seen.event.id)
