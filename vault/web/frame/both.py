"""One view at two addresses: `/environments/<env>/…`, and `/globals/…`, where `env` is None."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from vault.model.environment import Environment, EnvironmentKind
from vault.web.frame.blueprint import View


def both(blueprint: Blueprint, path: str, *methods: str) -> Callable[[View], View]:
    """Register a view for environments and for the globals."""

    def register(view: View) -> View:
        name = view.__name__
        blueprint.add_url_rule(f"/environments/<env>{path}", name, view, methods=methods)
        blueprint.add_url_rule(f"/globals{path}", f"{name}_of_globals", view, methods=methods)
        return view

    return register


def home(env: str | None) -> str:
    """Where the pages of one environment begin; of the globals for None."""
    return "/globals" if env is None else f"/environments/{env}"


def home_of(environment: Environment) -> str:
    """The same, for an environment at hand: by its id, however it was addressed."""
    return home(None if environment.kind is EnvironmentKind.GLOBALS else environment.id)


def called(environment: Environment) -> str:
    """What a person calls it."""
    return "Globals" if environment.kind is EnvironmentKind.GLOBALS else environment.name
