"""What others have changed since a page was loaded, for the table's script: names and outlines, but no values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.errors import NotFound
from vault.http import principal, services
from vault.model.clock import SECOND_US
from vault.model.environment import EnvironmentRef, Outline, Variable
from vault.model.principal import PrincipalKind, kind_and_id
from vault.services.environments.history import News
from vault.web.frame import agents
from vault.web.frame.addresses import called

_FIELDS = ("value", "type", "enabled", "literal", "description")
_AUTHORS_MOST = 3


def since(env: EnvironmentRef, revision: int) -> dict[str, object]:
    """Return the news since `revision`, and the ETag for a save on top of them.

    `is_whole` says that the page's revision cannot be read any more. Then `changes` has every variable, and the page
    cannot know which of the values are new.
    """
    news = services().environments.history.news(principal(), env, revision)
    environment, outlines = news.listing.environment, news.listing.outlines
    return {
        "etag": news.listing.etag,
        "revision": environment.revision or 0,
        "since": revision,
        "name": called(environment),
        "count": len(outlines),
        "is_deleted": news.listing.is_deleted,
        "is_whole": news.changes is None,
        "changes": _changes(news),
        **_origin(news),
    }


def _changes(news: News) -> list[dict[str, object]]:
    outlines = news.listing.outlines
    before = dict(zip((item.name for item in outlines), [None, *(item.name for item in outlines)], strict=False))
    if news.changes is None:
        return [_told(item, "listed", (), before) for item in outlines]
    found: list[dict[str, object]] = []
    for change in news.changes:
        if change.after is None:
            found.append({"name": change.name, "kind": change.kind})
        else:
            found.append(_told(change.after.outline, change.kind, _fields(change.before, change.after), before))
    return found


def _told(item: Outline, kind: str, fields: Sequence[str], before: dict[str, str | None]) -> dict[str, object]:
    """Return one change. `after` is the name of the variable before it in the table, or None for the first one."""
    row = {
        "name": item.name,
        "type": item.type,
        "enabled": item.enabled,
        "literal": item.literal,
        "description": item.description,
    }
    return {"name": item.name, "kind": kind, "fields": fields, "row": row, "after": before[item.name]}


def _fields(before: Variable | None, after: Variable) -> list[str]:
    if before is None:
        return list(_FIELDS)
    return [name for name in _FIELDS if getattr(before, name) != getattr(after, name)]


def _origin(news: News) -> dict[str, object]:
    """Return who wrote the newer revisions, and how old the newest of them is."""
    if not news.newer:
        return {"by": [], "age_seconds": 0}
    labels = dict.fromkeys(revision.created_by for revision in news.newer)
    age_us = services().clock() - news.newer[0].created_us
    return {"by": _authors(labels), "age_seconds": max(0, age_us // SECOND_US)}


def _authors(labels: Iterable[str]) -> list[str]:
    """Return the first of those who made revisions, in words. Only the owner and the owner's tokens can make one."""
    agent_of = {session.id: session.agent for session in services().people.sessions.list(principal())}
    found = dict.fromkeys(_author(*kind_and_id(label), agent_of) for label in labels)
    return list(found)[:_AUTHORS_MOST]


def _author(kind: str, id_: str, agent_of: dict[str, str]) -> str:
    if kind == PrincipalKind.TOKEN:
        return f"token {_token_name(id_)}"
    if id_ == principal().id:
        return "you in this browser"
    program = agents.in_words(agent_of[id_]) if id_ in agent_of else ""
    # All of this is Strongroom, so its own name says nothing.
    return "you" if program in ("", agents.OWN) else f"you in {program}"


def _token_name(token_id: str) -> str:
    try:
        return services().tokens.tokens.get(principal(), token_id).name or token_id
    except NotFound:
        # The token has ended, and its row is gone.
        return token_id
