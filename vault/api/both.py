"""One view at two addresses: `/environments/{env}/…`, and `/globals/…`, where `env` is None."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from vault.api.parser import StrictBlueprint

View = Callable[..., Any]


def bare(described: View) -> View:
    """The view as it was written, under the description that the decorators between here and there have made.

    They wrap it to dump what it returns; a view that returns a whole response on the hot path does without.
    """
    view: Any = inspect.unwrap(described)
    view._apidoc = described._apidoc  # type: ignore[attr-defined]  # flask-smorest's place for it.
    return cast(View, view)


def both(blueprint: StrictBlueprint, path: str, method: str) -> Callable[[View], View]:
    """Register a view for environments and for the globals."""

    def register(view: View) -> View:
        name = view.__name__
        blueprint.add_url_rule(f"/environments/<env>{path}", name, view, methods=[method])
        blueprint.add_url_rule(f"/globals{path}", f"{name}_of_globals", view, methods=[method])
        return view

    return register
