"""Audit events as pages show them: what was done, who did it, and what went wrong."""

from __future__ import annotations

import json

from vault.model.action import Action, words_of
from vault.model.event import OK, UNCHANGED
from vault.model.principal import PrincipalKind, kind_and_id
from vault.storage import Seen

_ACTORS = {"session": "a session", "token": "a token", "host": "the operator on the host", "vault": "the vault itself"}


def for_person(seen: Seen, me: str, session: str) -> dict[str, object]:
    """Return one event for the person who owns it. `session` is the label of the current session."""
    event = seen.event
    return _facts(seen) | {"who": _who(event.actor, event.actor_id == me, session)}


def for_operator(seen: Seen, names: dict[str, str]) -> dict[str, object]:
    """Return one event for an operator. `names` maps user ids to names."""
    event = seen.event
    person = names.get(event.user_id or "", event.user_id or "–")
    return _facts(seen) | {"who": event.actor, "person": person, "sequence": seen.sequence, "action": event.action}


def _facts(seen: Seen) -> dict[str, object]:
    event = seen.event
    return {
        "at_us": event.at_us,
        "what": words_of(event.action),
        "call": json.loads(event.details).get("call", "") if event.action == Action.REFUSED and event.details else "",
        "trouble": "" if event.result in (OK, UNCHANGED) else event.result.replace("_", " "),
        "revision": event.revision,
        "address": event.address,
    }


def _who(actor: str, is_own: bool, session: str) -> str:
    if session and actor == session:
        return "this session"
    kind, id_ = kind_and_id(actor)
    if kind == PrincipalKind.TOKEN:
        return f"token {id_}"
    return _ACTORS.get(kind, actor) if is_own or kind != PrincipalKind.SESSION else "somebody else"
