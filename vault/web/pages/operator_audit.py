"""The operators' audit page: search by person, action, variable and time."""

from __future__ import annotations

import datetime

from flask import Response, request

from vault.errors import InvalidInput
from vault.http import principal, services
from vault.model.action import Action
from vault.model.clock import from_datetime
from vault.storage import Search
from vault.web.frame import audit_events, cursor
from vault.web.frame.operators import new_operator_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import render

blueprint = new_operator_blueprint("audit")

_PAGE = 50
_FIELDS = ("person", "action", "variable", "since", "until")


@blueprint.get("/operator/audit")
def search_audit() -> Response:
    """List the audit events of all people, newest first."""
    asked = {name: request.args.get(name, "").strip() for name in _FIELDS}
    try:
        search, before = _search(asked), cursor.decode(request.args.get("before", ""))
    except InvalidInput as error:
        return _page(asked, [], "", refused(error), {error.path: error.message})
    found = services().audit.trail.search(principal(), search, before, _PAGE + 1, variable=asked["variable"] or None)
    names = services().people.accounts.names(principal(), (seen.event.user_id for seen in found if seen.event.user_id))
    shown = [audit_events.for_operator(seen, names) for seen in found[:_PAGE]]
    last = found[_PAGE - 1].event if len(found) > _PAGE else None
    return _page(asked, shown, cursor.encode((last.at_us, last.id)) if last else "")


def _page(
    asked: dict[str, str], events: list[dict[str, object]], before: str, status: int = 200,
    faults: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    told = {"asked": asked, "events_shown": events, "before": before, "faults": faults or {}, "actions": list(Action)}
    return render("operator_audit.html", status, tab="audit", **told)


def _search(asked: dict[str, str]) -> Search:
    return Search(
        user_id=services().audit.trail.user_id(principal(), asked["person"]) if asked["person"] else None,
        action=asked["action"] or None,
        since_us=_time(asked["since"], "since"),
        until_us=_time(asked["until"], "until"),
    )


def _time(text: str, path: str) -> int | None:
    """Parse a time as browsers write it, in UTC. Returns microseconds."""
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("Write a time as 2026-11-22T09:00.", path=path) from None
    return from_datetime(moment.replace(microsecond=0, tzinfo=datetime.UTC))
