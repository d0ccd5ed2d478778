"""Where the pages of an environment begin, and what a person calls it."""

from __future__ import annotations

from vault.model.environment import Environment, EnvironmentKind


def home(env: str | None) -> str:
    """Where the pages of one environment begin; of the globals for None."""
    return "/globals" if env is None else f"/environments/{env}"


def home_of(environment: Environment) -> str:
    """The same, for an environment at hand: by its id, however it was addressed."""
    return home(None if environment.kind is EnvironmentKind.GLOBALS else environment.id)


def called(environment: Environment) -> str:
    """What a person calls it."""
    return "Globals" if environment.kind is EnvironmentKind.GLOBALS else environment.name
