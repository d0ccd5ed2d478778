"""What the pages of one file are registered on, and the mark of those that need no session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint

from vault.web import headers, problems

View = Callable[..., Any]

_PUBLIC = "_strongroom_public_page"


def new_blueprint(name: str) -> Blueprint:
    """A blueprint whose answers carry the pages' headers, and whose errors are told as pages."""
    blueprint = Blueprint(f"web_{name}", __name__, template_folder="templates")
    problems.register(blueprint)
    blueprint.after_request(headers.protect)
    return blueprint


def public(view: View) -> View:
    """Mark a page that needs no session. Every other one does."""
    setattr(view, _PUBLIC, True)
    return view


def is_public(view: View | None) -> bool:
    """Whether a view was marked so."""
    return bool(getattr(view, _PUBLIC, False))
