"""The pages: server-rendered, over the same services as every other face.

| file            | pages                                                                  |
|-----------------|------------------------------------------------------------------------|
| login.py        | logging in and out, with a second factor or a passkey                  |
| prove.py        | stepping up: the proof once more, before something grave               |
| environments.py | the list of environments; make one, bring one back                     |
| variables.py    | one environment as a table, and what the table's script asks for       |
| variable.py     | one variable as a form                                                 |
| settings.py     | rename, describe, copy, delete an environment                          |
| history.py      | older revisions, and what differs between two                          |
| files.py        | import and export                                                      |
| tokens.py       | service tokens: make, show once, rotate, revoke                        |
| security.py     | how one logs in, where, and what happened                              |
| account.py      | another password; the end of the account                               |
| factors.py      | authenticator apps, passkeys, recovery codes                           |
| operator_….py   | for operators: keys and the lock, people, the audit                    |

environment.py and both.py hold what the pages of one environment share. guard.py lets in; csrf.py and headers.py keep
out; problems.py tells what went wrong; assets.py serves what pages load.
A page is a form and a table that work without a script; the modules in `static/` make them quicker to use.
"""

from __future__ import annotations

from flask import Flask

from vault.web import (
    account,
    assets,
    environments,
    factors,
    fallback,
    files,
    filters,
    guard,
    history,
    login,
    operator_audit,
    operator_keys,
    operator_people,
    prove,
    security,
    settings,
    tokens,
    uploads,
    variable,
    variables,
)
from vault.web.guard import PASSWORD_PATHS

_FILES = (
    login, prove, environments, variables, variable, settings, history, files, tokens, security, account, factors,
    operator_keys, operator_people, operator_audit, fallback,
)  # fmt: skip


def register(app: Flask) -> None:
    """Give `app` the pages."""
    fallback.prepare(app)
    filters.register(app)
    uploads.register(app)
    for file in _FILES:
        app.register_blueprint(file.blueprint)
    assets.register(app)
    guard.register(app)


__all__ = ["PASSWORD_PATHS", "register"]
