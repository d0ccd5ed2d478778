"""The pages: rendered on the server, over the same services as the other faces.

| file                    | pages                                                           |
|-------------------------|-----------------------------------------------------------------|
| login.py                | logging in and out, with a second factor or a passkey           |
| prove.py                | stepping up: confirm one's identity before an important action  |
| environments.py         | the list of environments; create and restore                    |
| variables.py            | one environment as a table, and the calls of the table's script |
| variable_form.py        | one variable as a form                                          |
| environment_settings.py | rename, describe, copy, delete an environment                   |
| history.py              | older revisions, and the differences between two                |
| transfer.py             | import and export                                               |
| tickets.py              | tickets by which a page's script opens a WebSocket              |
| tokens.py               | service tokens: create, show once, rotate, revoke               |
| security.py             | login methods, sessions, recent events                          |
| account.py              | change the password; delete the account                         |
| factors.py              | authenticator apps, passkeys, recovery codes                    |
| operator_keys.py        | for operators: keys and the lock                                |
| operator_people.py      | for operators: people                                           |
| operator_audit.py       | for operators: the audit                                        |

These are in `pages/`. `frame/` has what they share: `guard.py` checks the session, `csrf.py` and `headers.py` protect
the browser, `request.py` renders, `problems.py` shows errors, `notices.py` says what the last step did, `single_use.py`
keeps a form from being applied twice, `assets.py` serves style sheet, scripts and icon.

Every page works without a script, with forms and tables. The modules in `static/` make pages quicker to use.
"""

from __future__ import annotations

from flask import Flask

from vault.web.frame import assets, filters, guard, uploads
from vault.web.pages import (
    account,
    environment_settings,
    environments,
    factors,
    fallback,
    history,
    login,
    operator_audit,
    operator_keys,
    operator_people,
    prove,
    security,
    tickets,
    tokens,
    transfer,
    variable_form,
    variables,
)

_FILES = (
    login, prove, environments, variables, variable_form, environment_settings, history, transfer, tickets,
    tokens, security, account, factors, operator_keys, operator_people, operator_audit, fallback,
)  # fmt: skip


def register(app: Flask) -> None:
    """Register the pages with `app`."""
    fallback.prepare(app)
    filters.register(app)
    uploads.register(app)
    for file in _FILES:
        app.register_blueprint(file.blueprint)
    assets.register(app)
    guard.register(app)
