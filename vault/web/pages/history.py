"""Older revisions of an environment: the list, differences, and rollback."""

from __future__ import annotations

from flask import Response

from vault.errors import InvalidInput
from vault.http import environment_route, principal, services
from vault.model.action import Action
from vault.model.digits import BIGINT_MOST
from vault.model.environment import GLOBALS, EnvironmentRef
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.request import number, render
from vault.web.pages.environment_frame import frame

blueprint = new_blueprint("history")

_PAGE = 50


@environment_route(blueprint, "/history", "GET")
def show_history(env: EnvironmentRef = GLOBALS) -> Response:
    """List the revisions, newest first."""
    environment = services().environments.environments.get(principal(), env)
    before = BIGINT_MOST if (asked := number("before", BIGINT_MOST)) is None else asked
    found = services().environments.history.revisions(principal(), env, before, _PAGE + 1)
    now = services().clock()
    shown = [(revision, revision.is_readable(now)) for revision in found[:_PAGE]]
    more = shown[-1][0].number if len(found) > _PAGE else 0
    return render("history.html", **frame(environment, "history"), revisions=shown, more=more)


@environment_route(blueprint, "/diff", "GET")
def show_diff(env: EnvironmentRef = GLOBALS) -> Response:
    """Show the differences between two revisions, by name, without values."""
    return _diff(env, _number("from"), _number("to"), with_values=False)


@environment_route(blueprint, "/diff", "POST")
def show_diff_with_values(env: EnvironmentRef = GLOBALS) -> Response:
    """Show the differences with values. This was asked for explicitly."""
    return _diff(env, _number("from"), _number("to"), with_values=True)


def _diff(env: EnvironmentRef, older: int, newer: int, *, with_values: bool) -> Response:
    older, newer = sorted((older, newer))
    environment = services().environments.environments.get(principal(), env)
    action = Action.REVISION_READ if with_values else Action.REVISION_COMPARE
    changes = services().environments.history.diff(principal(), env, newer, older, action=action)
    about: dict[str, object] = {"older": older, "newer": newer, "changes": changes, "with_values": with_values}
    return render("diff.html", **frame(environment, "history"), **about)


def _number(name: str) -> int:
    found = number(name, BIGINT_MOST)
    if found is None:
        raise InvalidInput("Choose two revisions to compare.", path=name)
    return found
