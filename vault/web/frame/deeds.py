"""Events of the audit in words, for people; the search goes by the action's own name."""

from __future__ import annotations

import json
from typing import Any

from vault.model.event import OK, REFUSED, UNCHANGED
from vault.services.audit.trail import Seen

_WORDS = {
    "answer.replay": "An answer was given once more",
    "audit.export": "Audit exported",
    "audit.prune": "Old audit events pruned",
    "audit.read": "Looked at the activity",
    "audit.search": "Searched the audit",
    "backup.create": "Backup made",
    "backup.drop": "Old backup dropped",
    "backup.key": "Backup key made",
    "backup.restore": "Vault restored from a backup",
    "defaults.change": "Defaults of new environments changed",
    "environment.change": "Environment changed",
    "environment.copy": "Environment copied",
    "environment.create": "Environment made",
    "environment.delete": "Environment deleted",
    "environment.erase": "Environment erased",
    "environment.list": "Environments listed",
    "environment.purge": "Deleted environments purged",
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
    "keys.destroyed": "Master key gone at its provider",
    "keys.drop": "Prepared key dropped",
    "keys.prepare": "Master key version prepared",
    "keys.prepare_secrets": "New secrets of the vault prepared",
    "keys.prepare_system": "New system key prepared",
    "keys.refuse": "Old keys refused",
    "keys.reseal": "Blobs sealed again",
    "keys.reseal_begin": "Reseal begun",
    "keys.reseal_end": "Reseal ended",
    "keys.restore": "Master key version enabled again",
    "keys.retire": "Master key version retired",
    "keys.rewrap": "User keys rewrapped",
    "keys.rotate": "Master key rotated",
    "keys.rotate_data": "Data key rotated",
    "keys.rotate_secrets": "Secrets of the vault rotated",
    "keys.rotate_system": "System key rotated",
    "keys.rotate_user": "User key rotated",
    "keys.sign": "Rows signed again",
    "password.change": "Password changed",
    "password.rehash": "Password hashed anew",
    "revision.delete": "Revision deleted",
    "revision.destroy": "Revision destroyed",
    "revision.list": "History looked at",
    "revision.read": "Older revision read",
    "revision.unchanged": "Saved without a change",
    "revision.undelete": "Revision brought back",
    "revision.write": "Variables saved",
    "schema.open_formats": "Row formats of a new release opened",
    "schema.upgrade": "Database schema upgraded",
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
    "user.list": "Accounts listed",
    "user.password": "Password set by an operator",
    "user.read": "Account looked at",
    "user.role": "Role changed",
    "values.read": "Values read",
    "variables.list": "Names of variables shown",
    "variables.read": "Variables read",
    "vault.create": "Vault made",
    "vault.lock": "Vault locked",
    "vault.unlock": "Vault unlocked",
    "version.read": "Values read",
    "wrapping.unwrap": "Wrapped answer opened",
    "wrapping.wrap": "Answer wrapped",
    REFUSED: "Refused",
}
ACTIONS = sorted(_WORDS)
"""The actions that have words here; others are searched for by their names all the same."""

_ACTORS = {"session": "a session", "token": "a token", "host": "the operator on the host", "vault": "the vault itself"}


def told(seen: Seen, me: str, session: str) -> dict[str, Any]:
    """One event for its own person. `session` is the label of the session that looks."""
    event = seen.event
    return _facts(seen) | {"who": _who(event.actor, event.actor_id == me, session)}


def for_operator(seen: Seen, names: dict[str, str]) -> dict[str, Any]:
    """One event for an operator, who knows everybody's name."""
    event = seen.event
    person = names.get(event.user_id or "", event.user_id or "–")
    return _facts(seen) | {"who": event.actor, "person": person, "sequence": seen.sequence, "action": event.action}


def _facts(seen: Seen) -> dict[str, Any]:
    event = seen.event
    return {
        "at_us": event.at_us,
        "what": _WORDS.get(event.action, event.action),
        "call": json.loads(event.details).get("call", "") if event.action == REFUSED and event.details else "",
        "trouble": "" if event.result in (OK, UNCHANGED) else event.result.replace("_", " "),
        "revision": event.revision,
        "address": event.address,
    }


def _who(actor: str, is_own: bool, session: str) -> str:
    if session and actor == session:
        return "this session"
    kind, _, name = actor.partition(":")
    if kind == "token":
        return f"token {name}"
    return _ACTORS.get(kind, actor) if is_own or kind != "session" else "somebody else"
