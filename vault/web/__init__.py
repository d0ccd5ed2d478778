"""The pages: server-rendered, over the same services as every other face.

| file            | pages                                                                  |
|-----------------|------------------------------------------------------------------------|
| login.py        | logging in and out                                                     |
| environments.py | the list; make, rename, copy, delete, bring back                       |
| tokens.py       | service tokens: make, show once, rotate, revoke                        |

guard.py lets in; csrf.py and headers.py keep out; problems.py tells what went wrong; assets.py serves what pages load.
A page is a form and a table that work without a script; the modules in `static/` make them quicker to use.
"""

from __future__ import annotations

from flask import Flask

from vault.web import assets, environments, fallback, filters, guard, login, tokens
from vault.web.guard import PASSWORD_PATHS

_FILES = (login, environments, tokens, fallback)


def register(app: Flask) -> None:
    """Give `app` the pages."""
    fallback.prepare(app)
    filters.register(app)
    for file in _FILES:
        app.register_blueprint(file.blueprint)
    assets.register(app)
    guard.register(app)


__all__ = ["PASSWORD_PATHS", "register"]
