"""Registers one view at two paths: `/environments/<env>/…`, and `/globals/…` with `env=None`."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from vault.http.marks import View


def environment_route(blueprint: Blueprint, path: str, *methods: str) -> Callable[[View], View]:
    """Return a decorator that registers a view for environments and for the globals."""

    def register(view: View) -> View:
        name = view.__name__
        blueprint.add_url_rule(f"/environments/<env>{path}", name, view, methods=methods)
        blueprint.add_url_rule(f"/globals{path}", f"{name}_of_globals", view, methods=methods)
        return view

    return register
