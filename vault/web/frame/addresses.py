"""The URL of an environment's pages, and the name that pages show for it."""

from __future__ import annotations

from vault.model.environment import GLOBALS, Environment, EnvironmentKind, EnvironmentRef


def home(env: EnvironmentRef) -> str:
    """Return the URL of an environment's pages, or of the globals' pages for None."""
    return "/globals" if env is GLOBALS else f"/environments/{env}"


def home_of(environment: Environment) -> str:
    """Return the URL of an environment's pages with its id, even if the request's URL used its name."""
    return home(None if environment.kind is EnvironmentKind.GLOBALS else environment.id)


def called(environment: Environment) -> str:
    """Return the name that pages show."""
    return "Globals" if environment.kind is EnvironmentKind.GLOBALS else environment.name
