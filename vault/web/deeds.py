"""Events of the audit in words, for people; the search goes by the action's own name."""

from __future__ import annotations

import json
from typing import Any

from vault.model.event import OK, REFUSED, UNCHANGED
from vault.services.audit.trail import Seen

_WORDS = {
    "answer.replay": "An answer was given once more",
    "audit.read": "Looked at the activity",
    "audit.search": "Searched the audit",
    "environment.change": "Environment changed",
    "environment.copy": "Environment copied",
    "environment.create": "Environment made",
    "environment.delete": "Environment deleted",
    "environment.erase": "Environment erased",
    "environment.list": "Environments listed",
    "environment.read": "Environment looked at",
    "environment.undelete": "Environment brought back",
    "factor.add": "Second factor added",
    "factor.missing": "A second factor was asked for, and none is stored",
    "factor.recovery": "Recovery code used",
    "factor.recovery_codes": "New recovery codes",
    "factor.refused": "Second factor refused",
    "factor.remove": "Second factor removed",
    "factor.reset": "Second factors reset by an operator",
    "import.plan": "Import planned",
    "keys.destroy": "Master key version destroyed",
    "keys.retire": "Master key version retired",
    "keys.restore": "Master key version enabled again",
    "keys.rewrap": "User keys rewrapped",
    "keys.rotate": "Master key rotated",
    "password.change": "Password changed",
    "revision.delete": "Revision deleted",
    "revision.destroy": "Revision destroyed",
    "revision.list": "History looked at",
    "revision.read": "Older revision read",
    "revision.undelete": "Revision brought back",
    "revision.write": "Variables saved",
    "session.begin": "Logged in",
    "session.challenge": "Password right, second factor asked for",
    "session.revoke": "Session ended",
    "session.revoke_all": "All sessions ended",
    "token.create": "Token made",
    "token.list": "Tokens listed",
    "token.renew": "Token renewed",
    "token.revoke": "Token revoked",
    "token.rotate": "Token got a new secret",
    "user.add": "Account made",
    "user.disable": "Account disabled",
    "user.enable": "Account enabled",
    "user.erase": "Account erased",
    "user.password": "Password set by an operator",
    "user.role": "Role changed",
    "values.read": "Values read",
    "variables.read": "Variables read",
    "vault.lock": "Vault locked",
    "vault.unlock": "Vault unlocked",
    "version.read": "Values read",
    REFUSED: "Refused",
}
_ACTORS = {"session": "a session", "token": "a token", "host": "the operator on the host", "vault": "the vault itself"}


def told(seen: Seen, me: str, session: str = "") -> dict[str, Any]:
    """One event for a page. `me` is whose page it is, `session` the label of the session that looks."""
    event = seen.event
    return {
        "at_us": event.at_us,
        "what": _WORDS.get(event.action, event.action),
        "action": event.action,
        "call": json.loads(event.details).get("call", "") if event.action == REFUSED and event.details else "",
        "trouble": "" if event.result in (OK, UNCHANGED) else event.result.replace("_", " "),
        "environment": event.environment_id,
        "revision": event.revision,
        "who": _who(event.actor, event.actor_id == me, session),
        "address": event.address,
        "sequence": seen.sequence,
        "user": event.user_id,
    }


def _who(actor: str, is_own: bool, session: str) -> str:
    if session and actor == session:
        return "this session"
    kind, _, name = actor.partition(":")
    if kind == "token":
        return f"token {name}"
    return _ACTORS.get(kind, actor) if is_own or kind != "session" else "somebody else"
