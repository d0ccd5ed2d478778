"""HTTP code that `api`, `kv` and `web` share: the classes of routes and their budgets."""

from __future__ import annotations

from vault.http.routes import Routes, budget, classify, is_large, is_public, prepare, public, register, routes_of

__all__ = ["Routes", "budget", "classify", "is_large", "is_public", "prepare", "public", "register", "routes_of"]
