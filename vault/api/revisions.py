"""`…/revisions` and `…/rollback`: the history of an environment."""

from __future__ import annotations

from typing import Any

from vault.api.calls import page, page_limit, place_of, precondition, writes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.parts import Page
from vault.api.schemas.revisions import DiffAnswer, DiffQuery, RevisionAnswer, RevisionPage, RollbackBody
from vault.api.schemas.variables import WrittenAnswer
from vault.http import both, principal, quoted, services
from vault.model.digits import BIGINT_MOST
from vault.model.environment import Revision
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("revisions", __name__, description="History.")

_NUMBER = f"int(max={BIGINT_MOST}):number"


@both(blueprint, "/revisions", "GET")
@blueprint.arguments(Page, location="query")
@blueprint.response(200, RevisionPage)
def list_revisions(query: dict[str, Any], env: str | None = None) -> Any:
    """List all revisions, newest first."""
    before = place_of(query, int)
    found = services().environments.history.revisions(
        principal(), env, before[0] if before else None, page_limit(query)
    )
    return page(found, query, lambda item: [item.number])


@both(blueprint, f"/revisions/<{_NUMBER}>", "GET")
@blueprint.response(200, RevisionAnswer)
def get_revision(number: int, env: str | None = None) -> Revision:
    """Get one revision with its variables."""
    return services().environments.history.get(principal(), env, number)


@both(blueprint, f"/revisions/<{_NUMBER}>/diff", "GET")
@blueprint.arguments(DiffQuery, location="query")
@blueprint.response(200, DiffAnswer)
def diff_revisions(query: dict[str, Any], number: int, env: str | None = None) -> dict[str, Any]:
    """Compare a revision with the one before it, or with any other."""
    against = query["against"] if query["against"] is not None else max(number - 1, 0)
    changes = services().environments.history.diff(principal(), env, number, against)
    return {"from_": against, "to": number, "changes": changes}


@both(blueprint, "/rollback", "POST")
@blueprint.arguments(RollbackBody)
@writes
@blueprint.response(200, WrittenAnswer)
def roll_back(body: dict[str, Any], unit: UnitOfWork, env: str | None = None) -> Any:
    """Write an older revision again, as a new revision."""
    written = services().environments.history.rollback(unit, principal(), env, body["revision"], precondition())
    return {"revision": written.revision}, {"ETag": quoted(written.etag)}
