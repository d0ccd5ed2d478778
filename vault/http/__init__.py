"""What the faces share of HTTP, beneath them: the classes of routes.

routes.py knows which budget a request has; the front door and the faces ask it alone.
"""

from __future__ import annotations

from vault.http.routes import Routes, budget, classify, is_large, is_public, prepare, public, register, routes_of

__all__ = ["Routes", "budget", "classify", "is_large", "is_public", "prepare", "public", "register", "routes_of"]
