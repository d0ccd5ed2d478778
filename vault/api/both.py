"""One view at two addresses: `/environments/{env}/…`, and `/globals/…`, where `env` is None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vault.api.parser import StrictBlueprint

View = Callable[..., Any]


def both(blueprint: StrictBlueprint, path: str, method: str) -> Callable[[View], View]:
    """Register a view for environments and for the globals."""

    def register(view: View) -> View:
        name = view.__name__
        blueprint.add_url_rule(f"/environments/<env>{path}", name, view, methods=[method])
        blueprint.add_url_rule(f"/globals{path}", f"{name}_of_globals", view, methods=[method])
        return view

    return register
