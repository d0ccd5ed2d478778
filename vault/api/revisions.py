"""`…/revisions` and `…/rollback`: the history of an environment."""

from __future__ import annotations

from vault.api.calls import precondition, writes
from vault.api.description import PRECONDITIONS, takes
from vault.api.paging import Items, Paging
from vault.api.parser import StrictBlueprint
from vault.api.schemas.parts import Page
from vault.api.schemas.revisions import DiffAnswer, DiffQuery, RevisionAnswer, RevisionPage, RollbackBody
from vault.api.schemas.variables import WrittenAnswer
from vault.http import environment_route, principal, quoted, services
from vault.model.digits import BIGINT_MOST
from vault.model.environment import GLOBALS, EnvironmentRef, Revision
from vault.services.environments.variables import Written
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("revisions", __name__, description="History.")

_NUMBER = f"int(max={BIGINT_MOST}):number"


@environment_route(blueprint, "/revisions", "GET")
@blueprint.arguments(Page, location="query")
@blueprint.response(200, RevisionPage)
def list_revisions(page: Paging, env: EnvironmentRef = GLOBALS) -> tuple[Items, dict[str, str]]:
    """List all revisions, newest first."""
    found = services().environments.history.revisions(principal(), env, page.key(int), page.one_more)
    return page.answer(found, lambda item: [item.number])


@environment_route(blueprint, f"/revisions/<{_NUMBER}>", "GET")
@blueprint.response(200, RevisionAnswer)
def get_revision(number: int, env: EnvironmentRef = GLOBALS) -> Revision:
    """Get one revision with its variables."""
    return services().environments.history.get(principal(), env, number)


@environment_route(blueprint, f"/revisions/<{_NUMBER}>/diff", "GET")
@blueprint.arguments(DiffQuery, location="query")
@blueprint.response(200, DiffAnswer)
def diff_revisions(number: int, against: int | None, env: EnvironmentRef = GLOBALS) -> dict[str, object]:
    """Compare a revision with the one before it, or with any other."""
    other = max(number - 1, 0) if against is None else against
    changes = services().environments.history.diff(principal(), env, number, other)
    return {"from_": other, "to": number, "changes": changes}


@environment_route(blueprint, "/rollback", "POST")
@blueprint.arguments(RollbackBody)
@takes(*PRECONDITIONS)
@writes
@blueprint.response(200, WrittenAnswer, headers=("ETag",))
def roll_back(unit: UnitOfWork, revision: int, env: EnvironmentRef = GLOBALS) -> tuple[Written, dict[str, str]]:
    """Write an older revision again, as a new revision."""
    written = services().environments.history.rollback(unit, principal(), env, revision, precondition())
    return written, {"ETag": quoted(written.etag)}
