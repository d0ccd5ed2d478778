"""Security: login methods, sessions, and audit events of my account."""

from __future__ import annotations

from flask import Response, request

from vault.http import answers_duty, principal, services, transaction
from vault.model.action import Action
from vault.model.budgets import RouteClass
from vault.storage import Seen
from vault.web.frame import agents, audit_events, cursor
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.request import render, see

blueprint = new_blueprint("security", RouteClass.SESSION)

_RECENT = 8
_LOOKED_AT = 60
_LOOKING = frozenset({Action.AUDIT_READ, Action.TOKEN_LIST, Action.ENVIRONMENT_LIST})
_PAGE = 50


@blueprint.get("/security")
@answers_duty
def overview() -> Response:
    """Show the password, second factors, sessions, and the last events."""
    return render(
        "security.html", factors=services().people.factors.list(principal()), sessions=_sessions(), recent=_recent()
    )


@blueprint.get("/security/activity")
def activity() -> Response:
    """List all events about my account, newest first."""
    found = services().audit.trail.own(principal(), cursor.decode(request.args.get("before", "")), _PAGE + 1)
    shown = found[:_PAGE]
    last = (shown[-1].event.at_us, shown[-1].event.id) if len(found) > _PAGE else None
    before = cursor.encode(last) if last else ""
    return render("activity.html", events_shown=[_told(seen) for seen in shown], before=before)


@blueprint.post("/security/sessions/<session_id>/end")
@answers_duty
def end_session(session_id: str) -> Response:
    """End one of my sessions."""
    transaction(lambda unit: services().people.sessions.revoke(unit, principal(), session_id))
    return see("/security", "session-ended")


@blueprint.post("/security/sessions/end-others")
@answers_duty
def end_other_sessions() -> Response:
    """End all my sessions except this one."""
    ended = transaction(lambda unit: services().people.ending.others(unit, principal()))
    made_elsewhere = any(token.session_id != principal().id for token in ended.tokens)
    return see("/security/made-tokens" if made_elsewhere else "/security", "sessions-ended")


@blueprint.get("/security/made-tokens")
@answers_duty
def made_tokens() -> Response:
    """List the tokens that my sessions made, so that I can end them: they outlive the sessions."""
    return render("made_tokens.html", tokens=services().people.ending.made(principal()))


@blueprint.post("/security/made-tokens/end")
@answers_duty
def end_made_tokens() -> Response:
    """End the tokens that were selected, with all tokens that they made."""
    chosen = set(request.form.getlist("token"))
    transaction(lambda unit: services().people.ending.end_made(unit, principal(), chosen))
    return see("/security", "tokens-ended" if chosen else "no-tokens-ended")


def _recent() -> list[dict[str, object]]:
    """Return the last events, without views of this page."""
    found = services().audit.trail.own(principal(), None, _LOOKED_AT)
    return [_told(seen) for seen in found if seen.event.action not in _LOOKING][:_RECENT]


def _told(seen: Seen) -> dict[str, object]:
    return audit_events.for_person(seen, principal().user_id, principal().label)


def _sessions() -> list[dict[str, object]]:
    found = services().people.sessions.list(principal())
    found.sort(key=lambda session: (session.id != principal().id, -session.seen_us))
    return [
        {"facts": session, "is_this": session.id == principal().id, "agent": agents.in_words(session.agent)}
        for session in found
    ]
